"""The gate before a provider: circuit per connection and per host, the provider's own pauses, rate budget.

All workers share one state, in the database; a process keeps a picture of it that is about a second old, and tokens of
the budget in blocks. While nothing is wrong a call waits for nothing: the picture is renewed beside the calls, failures
are counted in the process, and only a change of state is written.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import Error as DatabaseError

from connections import circuits
from connections.budget import block_take, budget_shrink, limit_learn
from connections.circuits import CONNECTION, HOST, Trouble
from connections.threads import in_database
from connections.tokens import BudgetSpent, Stock
from connectors.base.errors import NotSent
from connectors.base.gate import CallOutcome
from connectors.base.limit_headers import Learned, retry_after_seconds
from connectors.base.manifest import RateLimit

log = logging.getLogger(__name__)

PICTURE_SECONDS = 1.0
# While the database is slow to say how things stand, calls go on with a picture no older than this.
OLDEST_PICTURE_SECONDS = 3.0
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
        self._holder = secrets.token_hex(16)
        self._readings: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()
        self._awaited = False
        self._stocks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[UUID, str], Stock]] = WeakKeyDictionary()
        self._read_at = float("-inf")
        self._troubles: dict[str, tuple[Trouble, float]] = {}
        self._failures: dict[str, deque[tuple[float, UUID]]] = {}
        self._probes: WeakKeyDictionary[asyncio.Task, set[str]] = WeakKeyDictionary()

    @property
    def holder(self) -> str:
        """This process's name: workers are forked after this module is loaded, and must not share one."""
        return f"{self._holder}:{os.getpid()}"

    def is_quiet(self, keys: tuple[str, ...]) -> bool:
        """The picture is young and shows no trouble with these keys: nothing to look at, nothing to wait for."""
        if self.clock() - self._read_at >= PICTURE_SECONDS / 2:
            return False
        return not self._troubles or not any(key in self._troubles for key in keys)

    async def look(self) -> None:
        """Renew a picture older than half a second: beside the calls, one reader at a time.

        A worker that was idle waits, briefly, and with it all others: it must not let a crowd through on a picture of
        minutes ago.
        """
        age = self.clock() - self._read_at
        if age < PICTURE_SECONDS / 2:
            return
        loop = asyncio.get_running_loop()
        reading = self._readings.get(loop)
        if reading is None or reading.done():
            # A task of its own: the caller who began it may be cancelled, the others still wait for the answer.
            reading = self._readings[loop] = loop.create_task(self._read())
            reading.add_done_callback(self._read_over)
            self._awaited = age >= PICTURE_SECONDS
        if self._awaited or age >= OLDEST_PICTURE_SECONDS:
            await asyncio.wait({reading}, timeout=LONGEST_LOOK_SECONDS)

    def _read_over(self, reading: asyncio.Task[None]) -> None:
        """A finished task still holds its loop, which would then stay for ever: it is the key it is kept under."""
        loop = reading.get_loop()
        if self._readings.get(loop) is reading:
            del self._readings[loop]

    def stock(self, connection_id: UUID, bucket: str, limit: RateLimit | None) -> Stock:
        """This loop's tokens of one budget."""
        loop = asyncio.get_running_loop()
        stocks = self._stocks.get(loop)
        if stocks is None:
            stocks = self._stocks[loop] = {}
        stock = stocks.get((connection_id, bucket))
        if stock is None:
            stock = stocks[connection_id, bucket] = Stock(
                limit=limit,
                take=lambda declared, wanted: in_database(block_take, connection_id, bucket, declared, wanted),
                shrink=lambda left, seconds: in_database(budget_shrink, connection_id, bucket, left, seconds),
                learn=lambda calls, seconds: in_database(limit_learn, connection_id, bucket, calls, seconds),
                clock=self.clock,
            )
        return stock

    async def _read(self) -> None:
        asked_at = self.clock()
        try:
            seen = await in_database(circuits.troubles)
            now = self.clock()
            # What this process has learned since it asked is newer than the answer.
            learned = {key: noted for key, noted in self._troubles.items() if noted[1] > asked_at}
            self._troubles = {**{trouble.key: (trouble, now) for trouble in seen}, **learned}
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
        if not self._probes:
            return set()
        task = asyncio.current_task()
        return self._probes.pop(task, set()) if task is not None else set()

    async def give_back_probes(self) -> None:
        for key in self.take_probes():
            try:
                await in_database(circuits.probe_give_back, key, self.holder)
            except DatabaseError:  # its lease runs out by itself; what is being told must not be lost over it
                log.exception("probe_not_given_back")
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
    :param limit: the provider's stated limit; None = no budget is kept until its headers name one.
    :param operation_limits: operations with a budget of their own.
    :param limit_headers: what an answer says of the budget it was spent from.
    """

    def __init__(
        self,
        connection_id: UUID,
        *,
        host: str,
        limit: RateLimit | None = None,
        operation_limits: Mapping[str, RateLimit] | None = None,
        limit_headers: Callable[[Mapping[str, str]], Learned | None] | None = None,
        shared: Board | None = None,
    ) -> None:
        self._connection_id = connection_id
        self._connection_key = f"{CONNECTION}{connection_id}"
        self._host_key = f"{HOST}{host.lower()}"[:300] if host else ""
        self._keys = (self._host_key, self._connection_key) if self._host_key else (self._connection_key,)
        self._limit = limit
        self._operation_limits = operation_limits or {}
        self._limit_headers = limit_headers
        self._is_limited = limit is not None or bool(operation_limits) or limit_headers is not None
        self._board = shared or _board

    def _stock(self, operation: str) -> Stock | None:
        if not self._is_limited:
            return None
        own = self._operation_limits.get(operation)
        if own is not None:
            return self._board.stock(self._connection_id, operation, own)
        if self._limit is None and self._limit_headers is None:
            return None
        return self._board.stock(self._connection_id, "", self._limit)

    async def enter(self, operation: str) -> None:
        """:raises NotSent: circuit open, paused by the provider, or budget spent; never counts as a failure."""
        stock = self._stock(operation)
        if self._board.is_quiet(self._keys) and (stock is None or stock.spend()):
            return
        await self._board.look()
        await self._wait_out_short_pause()
        for key in self._keys:
            self._refuse_while_waiting(key)
        try:
            for key in self._keys:
                if self._board.is_open(key) and not await self._board.claim(key):
                    raise _not_yet(_OTHER_PROBE_SECONDS, "circuit_probing")
            if stock is not None and not stock.spend():
                await stock.wait(LONGEST_BUDGET_WAIT_SECONDS)
        except DatabaseError as error:
            await self._board.give_back_probes()
            raise _not_yet(_UNREADABLE_SECONDS, "gate_unreadable") from error
        except BudgetSpent as spent:
            await self._board.give_back_probes()
            raise _not_yet(spent.after_seconds, "budget_spent") from None
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

    async def report(self, operation: str, outcome: CallOutcome, headers: Mapping[str, str]) -> None:
        if outcome is CallOutcome.NOT_MADE:
            await self._board.give_back_probes()
            return
        probes = self._board.take_probes()
        try:
            if outcome is CallOutcome.BROKEN:
                await self._broken(probes)
                return
            for key in self._keys:
                self._board.came_through(key)
            for key in probes:
                await self._board.close(key)
            learned = self._limit_headers(headers) if self._limit_headers is not None else None
            if learned is not None:
                await self._learn(operation, learned)
            if outcome is CallOutcome.THROTTLED:
                await self._throttled(operation, headers, learned)
        except DatabaseError:  # the answer of a call must not be lost over its bookkeeping; a probe's lease runs out
            log.exception("circuit_state_unwritable", extra={"operation": operation})

    async def _learn(self, operation: str, learned: Learned) -> None:
        stock = self._stock(operation)
        if stock is not None:
            await stock.learn(learned)
            if stock.pace is None and learned.left == 0 and learned.reset_seconds:
                await self._board.pause(self._connection_key, min(learned.reset_seconds, LONGEST_PAUSE_SECONDS))

    async def _throttled(self, operation: str, headers: Mapping[str, str], learned: Learned | None) -> None:
        """A call limited by itself holds only those of its kind; any other 429 pauses the connection."""
        seconds = pause_seconds(headers, datetime.now(UTC))
        if learned is not None and learned.reset_seconds is not None:
            seconds = min(max(seconds, learned.reset_seconds), LONGEST_PAUSE_SECONDS)
        stock = self._stock(operation) if operation in self._operation_limits else None
        if stock is not None and stock.pace is not None:
            await stock.hold(max(seconds, stock.pace.interval_seconds))
            return
        await self._board.pause(self._connection_key, seconds)

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
    asked = retry_after_seconds(headers, now)
    return PAUSE_SECONDS if asked is None else min(max(asked, 1.0), LONGEST_PAUSE_SECONDS)


_TEXTS = {
    "circuit_open": "The other system is not answering. Work waits and goes on by itself.",
    "circuit_probing": "The other system is being tried again. Work waits and goes on by itself.",
    "rate_pause": "The other system asked us to wait.",
    "gate_unreadable": "The call was put off because our own records could not be read.",
    "budget_spent": "The other system's call limit is used up for the moment.",
}


def _not_yet(seconds: float, code: str) -> NotSent:
    return NotSent(_TEXTS[code], code=code, after_seconds=round(seconds, 2), counts=False)
