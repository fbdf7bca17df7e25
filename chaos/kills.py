"""One kill, and the proof of its moment: the stand-in's log and the database say it, not the intention.

before         the call arrived, and it was never carried out
during         it was carried out after the process was dead
after          it had been carried out, and no answer had been given
before_commit  the answer had been given, and the journal's transaction that was to hold it came to nothing
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from chaos.faults import Arrivals, is_write
from chaos.hosts import Host
from chaos.processes import kill, owner_of_port, wait_until_gone
from chaos.store import HOLDABLE, Event, Waiter
from chaos.world import World

PROOF_SECONDS = 3.0
"""After this long a held call has landed, or never will."""
DEATH_SECONDS = 6.0
ANSWER_READ_SECONDS = 0.15
"""On one machine an answer takes less to be read."""


@dataclass
class Kill:
    """``signalled_at`` and ``dead_at`` enclose the death (epoch seconds); ``moment`` is empty until it is proved."""

    victim: str
    host: str
    pid: int
    system: str
    operation: str
    arrival: int
    wanted: str
    signalled_at: float
    dead_at: float
    events: list[Event] = field(default_factory=list)
    moment: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class Caught:
    """A write in flight and the worker that has it."""

    system: str
    row: dict[str, Any]
    host: Host
    pid: int


class Killer:
    """Finds the process behind a call and ends it, alone, with its queue cluster, or with its whole host."""

    def __init__(self, world: World, arrivals: Arrivals) -> None:
        self.world, self.arrivals = world, arrivals

    def owner(self, port: int | None) -> tuple[Host, int] | None:
        for host in self.world.hosts if port else ():
            pid = owner_of_port(port or 0, host.pids("worker"))
            if pid is not None:
                return host, pid
        return None

    def caught(self, rule_ids: Iterable[str], *, seconds: float) -> Caught | None:
        """The first call that one of the rules holds back, and its worker; None when none came in time."""
        wanted = set(rule_ids)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for system, row in self.arrivals.new():
                if wanted & set(row["rules"]) and (owner := self.owner(row["port"])) is not None:
                    return Caught(system, row, *owner)
            time.sleep(0.03)
        return None

    def strike(self, caught: Caught, victim: str, wanted: str) -> Kill:
        """End the process that has the call in flight, and whatever belongs to the victim."""
        host, pid = caught.host, caught.pid
        events = self.world.store.held_by(host.name, pid)
        if victim == "set":
            events = [e for other in self._workers_of(host) for e in self.world.store.held_by(host.name, other)]
        doomed = [pid]
        if victim == "web":
            events, doomed = [], host.pids("web")
        signalled = time.time()
        if victim == "set":
            host.kill_everything()
        elif victim == "cluster" and (cluster := host.cluster_of(pid)) is not None:
            kill([cluster])
        else:
            kill(doomed)
        gone = wait_until_gone(doomed, seconds=DEATH_SECONDS)
        return Kill(
            victim=victim,
            host=host.name,
            pid=doomed[0],
            system=caught.system,
            operation=caught.row["operation"],
            arrival=caught.row["number"],
            wanted=wanted,
            signalled_at=signalled,
            dead_at=time.time(),
            events=events,
            why_not="" if gone else "it did not die",
        )

    def _workers_of(self, host: Host) -> list[int]:
        return [pid for name, pid in self.world.store.holders() if name == host.name]

    def strike_before_commit(self, victim: str, *, seconds: float, operations: Callable[[str], bool]) -> Kill | None:
        """Hold the journal's commits back until a worker has an answer that it cannot remember, and end it then."""
        store = self.world.store
        self.arrivals.new()
        with store.held(*HOLDABLE) as hold:
            caught, waiter = self._answered(hold.since, seconds=seconds, operations=operations)
            if caught is None:
                return None
            done = self.strike(caught, victim, "before_commit")
        if done.why_not:
            return done
        answered = caught.row["answered_at"]
        if not hold.since < answered < done.signalled_at:
            done.why_not = "it was not answered while the journal was held back"
        elif waiter is not None and not store.aborted(waiter):
            done.why_not = "its transaction was committed after all"
        else:
            done.moment = "before_commit"
        return done

    def strike_caught_before_commit(self, caught: Caught, victim: str, *, seconds: float = 4.0) -> Kill:
        """As above for one call that the stand-in answers late."""
        store = self.world.store
        with store.held(*HOLDABLE) as hold:
            deadline = time.monotonic() + seconds
            row, waiter = caught.row, None
            while time.monotonic() < deadline:
                row = self.arrivals.again(caught.system, caught.row["number"])
                if row["answered_at"] and self._has_read(row, caught.pid):
                    waiter = self._waiter_of(caught.pid) if store.is_postgresql else None
                    break
                time.sleep(0.02)
            done = self.strike(Caught(caught.system, row, caught.host, caught.pid), victim, "before_commit")
        if done.why_not:
            return done
        if not row["answered_at"] or not hold.since < row["answered_at"] < done.signalled_at:
            done.why_not = "it was not answered while the journal was held back"
        elif victim != "web" and waiter is not None and not store.aborted(waiter):
            done.why_not = "its transaction was committed after all"
        else:
            done.moment = "before_commit"
        return done

    def _has_read(self, row: dict[str, Any], pid: int) -> bool:
        """The worker waits to remember the answer; where that cannot be seen, it has had the time to read it."""
        if self.world.store.is_postgresql:
            return self._waiter_of(pid) is not None
        return bool(time.time() - row["answered_at"] > ANSWER_READ_SECONDS)

    def _answered(
        self, since: float, *, seconds: float, operations: Callable[[str], bool]
    ) -> tuple[Caught | None, Waiter | None]:
        """A write answered since then, and the connection by which its worker now waits for the lock."""
        deadline = time.monotonic() + seconds
        answered: list[tuple[str, dict[str, Any], Host, int]] = []
        seen: dict[tuple[str, int], dict[str, Any]] = {}
        while time.monotonic() < deadline:
            for system, row in self.arrivals.new():
                if is_write(system, row["operation"]) and operations(row["operation"]):
                    seen[(system, row["number"])] = row
            for (system, number), row in list(seen.items()):
                if row["answered_at"] is None:
                    row = self.arrivals.again(system, number)
                    seen[(system, number)] = row
                if row["answered_at"] and (owner := self.owner(row["port"])) is not None:
                    del seen[(system, number)]
                    if row["answered_at"] > since and row["status"] == 200:
                        answered.append((system, row, *owner))
            for system, row, host, pid in answered:
                if not self.world.store.is_postgresql:
                    if time.time() - row["answered_at"] > ANSWER_READ_SECONDS:
                        return Caught(system, row, host, pid), None
                elif (waiter := self._waiter_of(pid)) is not None:
                    return Caught(system, row, host, pid), waiter
            time.sleep(0.02)
        return None, None

    def _waiter_of(self, pid: int) -> Waiter | None:
        for waiter in self.world.store.waiters():
            if owner_of_port(waiter.port, [pid]) == pid:
                return waiter
        return None

    def prove(self, done: Kill) -> None:
        """Name the moment from the stand-in's log; call it ``PROOF_SECONDS`` after the death."""
        if done.moment or done.why_not:
            return
        row = self.arrivals.again(done.system, done.arrival)
        if row["answered_at"] is not None:
            done.why_not = "it had been answered"
        elif row["begun_at"] is None:
            done.moment = "before"
        elif row["done_at"] is not None and row["done_at"] < done.signalled_at:
            done.moment = "after"
        elif row["begun_at"] < done.signalled_at or row["begun_at"] > done.dead_at:
            done.moment = "during"
        else:
            done.why_not = "it was carried out while the process died"
