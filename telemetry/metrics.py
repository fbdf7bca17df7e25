"""Every counter of ours. What is counted here is counted by each process for itself; ``/metrics`` adds them up.

Labels are codes of ours and names of operations, never a tenant, a connection or a record: their number stays small.
Writing a counter to its file costs microseconds, so what happens is put aside (a tenth of one) and written together
about once a second: ``write_out``. The hot path counts calls, effects and endings, whatever happens in batches by the
batch, and nothing per step. A process that is killed takes its last second of counts along.

With ``PROMETHEUS_MULTIPROC_DIR`` set before this module is imported the processes of one host share a folder
(``telemetry.shared``); without it each process knows its own figures only.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from bisect import bisect_left
from collections import deque

from prometheus_client import Counter, Histogram

__all__ = ["FAMILIES", "Counted", "Observed", "write_out"]

WRITE_SECONDS = 1.0

_CALL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_WAIT = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 500)

FAMILIES: list[Counted | Observed] = []


# Put aside by any thread (appending is atomic), written by the one that finds that it is time.
_aside: deque[tuple[Counted | Observed, tuple[str, ...], float]] = deque()
_writing = threading.Lock()
_write_at = 0.0


def _put_aside(family: Counted | Observed, labels: tuple[str, ...], value: float) -> None:
    _aside.append((family, labels, value))
    if time.monotonic() >= _write_at:
        write_out()


def write_out() -> None:
    """Write what was put aside. Called by the way about once a second, and by whoever pauses, reads or ends."""
    global _write_at
    if not _writing.acquire(blocking=False):
        return  # somebody else is at it
    try:
        _write_at = time.monotonic() + WRITE_SECONDS
        together: dict[tuple[Counted | Observed, tuple[str, ...]], list[float]] = {}
        for _ in range(len(_aside)):
            family, labels, value = _aside.popleft()
            together.setdefault((family, labels), []).append(value)
        for (family, labels), values in together.items():
            family.write(labels, values)
    finally:
        _writing.release()


def _forget_the_parents() -> None:
    global _writing
    _aside.clear()
    _writing = threading.Lock()


os.register_at_fork(after_in_child=_forget_the_parents)
atexit.register(write_out)


class Counted:
    """A counter. Every one has a label, so that a process that counts nothing makes no file."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name = f"causeway_{name}_total"
        self._family = Counter(self.name, text, labels)
        FAMILIES.append(self)

    def add(self, *labels: str, by: float = 1) -> None:
        _put_aside(self, labels, by)

    def write(self, labels: tuple[str, ...], values: list[float]) -> None:
        self._family.labels(*labels).inc(sum(values))


class Observed:
    """A histogram: how many, how much together, and how many up to each bound."""

    def __init__(self, name: str, text: str, *labels: str, bounds: tuple[float, ...]) -> None:
        self.name = f"causeway_{name}"
        self._bounds = bounds
        self._family = Histogram(self.name, text, labels, buckets=bounds)
        FAMILIES.append(self)

    def see(self, value: float, *labels: str) -> None:
        _put_aside(self, labels, value)

    def write(self, labels: tuple[str, ...], values: list[float]) -> None:
        """As ``observe`` for each, with one write per bucket (by its private parts: the version is pinned)."""
        child = self._family.labels(*labels)
        for place, number in _counted_by_place(self._bounds, values):
            child._buckets[place].inc(number)
        child._sum.inc(sum(values))


def _counted_by_place(bounds: tuple[float, ...], values: list[float]) -> list[tuple[int, int]]:
    places: dict[int, int] = {}
    for value in values:
        place = bisect_left(bounds, value)
        places[place] = places.get(place, 0) + 1
    return list(places.items())


# The doors in

HOOKS = Observed(
    "hook_seconds",
    "Webhook deliveries: stored, refused (signature, body, account, unknown, too_large) or unavailable; time.",
    "connector",
    "answer",
    bounds=_QUICK,
)
NEWS = Counted(
    "news",
    "News about records: opened an event, merged into the open one, or unchanged (a poll that saw the same again).",
    "via",
    "result",
)
POLLS = Counted("polls", "Polls by how they ended: ok, failed, attention, too_long.", "connector", "trigger", "result")

# The queue

CLAIM_SECONDS = Observed("claim_seconds", "One look for work; found: some or none.", "found", bounds=_QUICK)
CLAIM_EVENTS = Observed("claim_events", "Events taken by one claim that found any.", "found", bounds=_SIZES)
ATTEMPTS = Observed(
    "attempt_seconds",
    "Attempts by ending (done, skipped, waiting, held, dead, lease_lost), from claim to ending.",
    "ending",
    bounds=_WAIT,
)
ATTEMPT_ERRORS = Counted(
    "attempt_errors", "Attempts that did not end well, by the error's class and ending.", "error", "ending"
)
DELIVERY_SECONDS = Observed(
    "delivery_seconds", "From the news to the end of its run (done), by how the news came.", "via", bounds=_WAIT
)
LEASES_LOST = Counted("leases_lost", "Attempts that lost their lease: in the walk or at its ending.", "where")
RECOVERED = Counted("events_recovered", "Events of lost workers that came back: waiting or dead.", "state")

# Effects and calls

EFFECTS = Counted(
    "effects",
    "Effects by how they came about: written, remembered, adopted, changed.",
    "connector",
    "operation",
    "how",
)
CALLS = Observed(
    "call_seconds",
    "Requests on the wire by outcome: ok, refused (4xx), broken (5xx), or the class of the error; and their time.",
    "connector",
    "operation",
    "outcome",
    bounds=_CALL,
)
PUT_OFF = Counted("calls_put_off", "Calls the gate did not let out, by reason.", "connector", "reason")
GATE_WAIT = Counted(
    "gate_wait_seconds", "Seconds that calls waited in the gate for a short pause or the budget.", "connector"
)

# The journal

FLUSH_SECONDS = Observed("flush_seconds", "One group commit: ok or failed.", "result", bounds=_QUICK)
FLUSH_ENTRIES = Observed("flush_entries", "Entries written by one group commit.", "result", bounds=_SIZES)
