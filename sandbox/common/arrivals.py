"""What arrived: how often each operation was called, and a bounded log of single calls."""

import itertools
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field

KEPT = 5000
"""Arrivals remembered; older ones are dropped, the counters are not affected."""


@dataclass
class Arrival:
    """One call. Times are epoch seconds; ``status`` stays None while in work or when no answer was sent.

    ``number`` counts arrivals since the start, ``port`` is the client's end of the connection: which process called.
    ``begun_at`` and ``done_at`` enclose the carrying out, None where it never began or has not ended;
    ``answered_at`` is when a complete answer was handed to the connection.
    """

    operation: str
    at: float = field(default_factory=time.time)
    number: int = 0
    port: int | None = None
    reference: str | None = None
    faults: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    begun_at: float | None = None
    done_at: float | None = None
    answered_at: float | None = None
    status: int | None = None


class CallLog:
    """Counts every arrival, also those that a fault then swallows."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._arrivals: deque[Arrival] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)

    def arrived(self, operation: str, reference: str | None = None, port: int | None = None) -> Arrival:
        arrival = Arrival(operation, number=next(self._numbers), port=port, reference=reference)
        self.counts[operation] += 1
        self._arrivals.append(arrival)
        return arrival

    def arrivals(self, *, after: int = 0) -> list[dict[str, object]]:
        """The log, oldest first, as JSON-able rows; only numbers above ``after``."""
        newest_first = itertools.takewhile(lambda arrival: arrival.number > after, reversed(self._arrivals))
        return [asdict(arrival) for arrival in newest_first][::-1]

    def clear(self) -> None:
        self.counts.clear()
        self._arrivals.clear()
