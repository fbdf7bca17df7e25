"""The gate before a provider: circuit per connection and per host, the provider's own pauses, rate budget.

All workers share one state, in the database; a process keeps a picture of it that is at most a second old. While
nothing is wrong a call costs no statement: failures are counted in the process, and only a change of state is written.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import Error as DatabaseError

from connections import circuits
from connections.budget import Pace, budget_take, pace_of
from connections.circuits import CONNECTION, HOST, Trouble
from connections.threads import in_database
from connectors.base.errors import NotSent
from connectors.base.gate import CallOutcome
from connectors.base.manifest import RateLimit

log = logging.getLogger(__name__)

PICTURE_SECONDS = 1.0
LONGEST_LOOK_SECONDS = 2.0
FAILURE_WINDOW_SECONDS = 60.0
CONNECTION_FAILURES = 5
# A host's circuit stops all tenants: several connections must agree, or one broken account would stop its neighbours.
HOST_FAILURES = 10
HOST_CONNECTIONS = 3
PAUSE_SECONDS = 3.0
LONGEST_PAUSE_SECONDS = 3600.0
# A wait shorter than these is waited inside the call; longer ones go back to the queue. A pause is worth more waiting
# than a walk begun anew, which would read everything again.
LONGEST_BUDGET_WAIT_SECONDS = 1.0
LONGEST_PAUSE_WAIT_SECONDS = 4.0
_OTHER_PROBE_SECONDS = 1.0
_UNREADABLE_SECONDS = 5.0
_WHY = "The other system did not answer properly several times in a row."


class Board:
    """This process's picture of the shared state, and its own count of failures in a row.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.holder = secrets.token_hex(16)
        self._readings: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()
        self._read_at = float("-inf")
        self._troubles: dict[str, tuple[Trouble, float]] = {}
        self._failures: dict[str, deque[tuple[float, UUID]]] = {}
        self._probes: WeakKeyDictionary[asyncio.Task, set[str]] = WeakKeyDictionary()

    async def look(self) -> None:
        """Renew a picture older than a second. One reader at a time, all callers of its loop wait for it, briefly.

        A worker that was idle must not let a crowd through on a picture of minutes ago.
        """
        if self.clock() - self._read_at < PICTURE_SECONDS:
            return
        loop = asyncio.get_running_loop()
        reading = self._readings.get(loop)
        if reading is None or reading.done():
            # A task of its own: the caller who began it may be cancelled, the others still wait for the answer.
            reading = self._readings[loop] = loop.create_task(self._read())
        await asyncio.wait({reading}, timeout=LONGEST_LOOK_SECONDS)

    async def _read(self) -> None:
        try:
            seen = await in_database(circuits.troubles)
            now = self.clock()
            self._troubles = {trouble.key: (trouble, now) for trouble in seen}
        except DatabaseError:
            log.exception("circuit_state_unreadable")  # the last picture serves; the work itself needs the database
        self._read_at = self.clock()

    def wait_seconds(self, key: str) -> tuple[float, str]:
        """How long nobody may call, and why; 0 where somebody may (or may try a probe)."""
        trouble, seen_at = self._troubles.get(key, (None, 0.0))
        if trouble is None:
            return 0.0, ""
        age = self.clock() - seen_at
        if trouble.paused_for > age:
            return trouble.paused_for - age, "rate_pause"
        if trouble.open_for is not None and trouble.open_for > age:
            return trouble.open_for - age, "circuit_open"
        if trouble.open_for is not None and trouble.probed_for > age:
            return min(trouble.probed_for - age, _OTHER_PROBE_SECONDS), "circuit_probing"
        return 0.0, ""

    def is_open(self, key: str) -> bool:
        """Open or half open."""
        trouble, _ = self._troubles.get(key, (None, 0.0))
        return trouble is not None and trouble.open_for is not None

    def note(self, trouble: Trouble) -> None:
        """What this process has just learned or written; the next look confirms it."""
        self._troubles[trouble.key] = (trouble, self.clock())

    async def claim(self, key: str) -> bool:
        if await in_database(circuits.probe_claim, key, self.holder):
            self.note(Trouble(key, 0.0, circuits.PROBE_LEASE_SECONDS, 0.0))
            self._my_probes().add(key)
            return True
        # Closed meanwhile, opened anew, or somebody else probes: look again, and until then let nobody else ask.
        self.note(Trouble(key, 0.0, _OTHER_PROBE_SECONDS, 0.0))
        self._read_at = float("-inf")
        return False

    def _my_probes(self) -> set[str]:
        # A probe belongs to the task that makes the call: calls of one gate overlap, and only the probe may decide.
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("the gate is used inside a task")
        return self._probes.setdefault(task, set())

    def take_probes(self) -> set[str]:
        task = asyncio.current_task()
        return self._probes.pop(task, set()) if task is not None else set()

    async def give_back_probes(self) -> None:
        for key in self.take_probes():
            await in_database(circuits.probe_give_back, key, self.holder)
            self.note(Trouble(key, 0.0, 0.0, 0.0))

    def came_through(self, key: str) -> None:
        self._failures.pop(key, None)

    def failed(self, key: str, connection_id: UUID, *, threshold: int, connections: int) -> bool:
        """Count one failure in a row. :returns: True when the circuit is to be opened."""
        latest = self._failures.setdefault(key, deque(maxlen=threshold))
        latest.append((self.clock(), connection_id))
        if len(latest) < threshold or latest[-1][0] - latest[0][0] > FAILURE_WINDOW_SECONDS:
            return False
        if len({connection for _, connection in latest}) < connections:
            return False
        del self._failures[key]
        return True

    async def open(self, key: str, failures: int) -> None:
        jitter = random.uniform(0.8, 1.2)
        self.note(Trouble(key, circuits.FIRST_OPEN_SECONDS * jitter, 0.0, 0.0))
        await in_database(circuits.circuit_open, key, failures=failures, jitter=jitter, why=_WHY)

    async def probe_failed(self, key: str) -> None:
        await in_database(circuits.probe_failed, key, self.holder, jitter=random.uniform(0.8, 1.2))
        self._read_at = float("-inf")

    async def close(self, key: str) -> None:
        self._troubles.pop(key, None)
        await in_database(circuits.circuit_close, key, holder=self.holder)

    async def pause(self, key: str, seconds: float) -> None:
        standing, _ = self.wait_seconds(key)
        if standing >= seconds - 0.5:  # a burst of 429s says one thing
            return
        self.note(Trouble(key, None, 0.0, seconds))
        await in_database(circuits.pause, key, seconds)


_board = Board()


def board() -> Board:
    """The one picture of this process."""
    return _board


class ConnectionGate:
    """``connectors.base.gate.Gate`` for one connection.

    :param host: the provider's host, empty where there is none to share.
    :param limit: the provider's stated limit; None = no budget is kept.
    """

    def __init__(
        self, connection_id: UUID, *, host: str, limit: RateLimit | None = None, shared: Board | None = None
    ) -> None:
        self._connection_id = connection_id
        self._connection_key = f"{CONNECTION}{connection_id}"
        self._host_key = f"{HOST}{host.lower()}"[:300] if host else ""
        self._pace: Pace | None = pace_of(limit) if limit else None
        self._board = shared or _board

    @property
    def _keys(self) -> tuple[str, ...]:
        return (self._host_key, self._connection_key) if self._host_key else (self._connection_key,)

    async def enter(self, operation: str) -> None:
        """:raises NotSent: circuit open, paused by the provider, or budget spent; never counts as a failure."""
        await self._board.look()
        await self._wait_out_short_pause()
        for key in self._keys:
            self._refuse_while_waiting(key)
        try:
            for key in self._keys:
                if self._board.is_open(key) and not await self._board.claim(key):
                    raise _not_yet(_OTHER_PROBE_SECONDS, "circuit_probing")
            if self._pace is not None:
                await self._spend(self._pace)
        except DatabaseError as error:
            raise _not_yet(_UNREADABLE_SECONDS, "gate_unreadable") from error
        except BaseException:
            await self._board.give_back_probes()
            raise

    async def _wait_out_short_pause(self) -> None:
        deadline = self._board.clock() + LONGEST_PAUSE_WAIT_SECONDS
        while True:
            waits = [self._board.wait_seconds(key) for key in self._keys]
            seconds = max((wait for wait, code in waits if code == "rate_pause"), default=0.0)
            if seconds <= 0 or self._board.clock() + seconds > deadline:
                return
            # Spread, or the whole crowd would be at the door in the same moment.
            await asyncio.sleep(seconds + random.uniform(0, min(1.0, seconds)))
            await self._board.look()

    def _refuse_while_waiting(self, key: str) -> None:
        seconds, code = self._board.wait_seconds(key)
        if seconds > 0:
            raise _not_yet(seconds, code)

    async def _spend(self, pace: Pace) -> None:
        deadline = self._board.clock() + LONGEST_BUDGET_WAIT_SECONDS
        while seconds := await in_database(budget_take, self._connection_id, pace):
            if self._board.clock() + seconds > deadline:
                raise _not_yet(seconds, "budget_spent")
            await asyncio.sleep(seconds)

    async def report(self, operation: str, outcome: CallOutcome, headers: Mapping[str, str]) -> None:
        probes = self._board.take_probes()
        try:
            if outcome is CallOutcome.BROKEN:
                await self._broken(probes)
                return
            for key in self._keys:
                self._board.came_through(key)
            for key in probes:
                await self._board.close(key)
            if outcome is CallOutcome.THROTTLED:
                await self._board.pause(self._connection_key, pause_seconds(headers, datetime.now(UTC)))
        except DatabaseError:  # the answer of a call must not be lost over its bookkeeping; a probe's lease runs out
            log.exception("circuit_state_unwritable", extra={"operation": operation})

    async def _broken(self, probes: set[str]) -> None:
        for key in probes:
            await self._board.probe_failed(key)
        for key in self._keys:
            if self._board.is_open(key):
                continue  # a call from before the opening: its failure is no further news
            is_host = key == self._host_key
            threshold = HOST_FAILURES if is_host else CONNECTION_FAILURES
            needed = HOST_CONNECTIONS if is_host else 1
            if self._board.failed(key, self._connection_id, threshold=threshold, connections=needed):
                await self._board.open(key, threshold)


def pause_seconds(headers: Mapping[str, str], now: datetime) -> float:
    """What ``Retry-After`` asks for, in seconds or as a date; ``PAUSE_SECONDS`` where it says nothing usable."""
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return min(max(float(asked), 1.0), LONGEST_PAUSE_SECONDS)
    try:
        moment = parsedate_to_datetime(asked)
    except (TypeError, ValueError):
        return PAUSE_SECONDS
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 1.0), LONGEST_PAUSE_SECONDS)


_TEXTS = {
    "circuit_open": "The other system is not answering. Work waits and goes on by itself.",
    "circuit_probing": "The other system is being tried again. Work waits and goes on by itself.",
    "rate_pause": "The other system asked us to wait.",
    "gate_unreadable": "The call was put off because our own records could not be read.",
    "budget_spent": "The other system's call limit is used up for the moment.",
}


def _not_yet(seconds: float, code: str) -> NotSent:
    return NotSent(_TEXTS[code], code=code, after_seconds=round(seconds, 2), counts=False)
