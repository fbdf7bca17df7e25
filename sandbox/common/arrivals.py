"""What arrived: how often each operation was called, and a bounded log of single calls."""

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field

KEPT = 5000
"""Arrivals remembered; older ones are dropped, the counters are not affected."""


@dataclass
class Arrival:
    """One call. ``at`` is epoch seconds; ``status`` stays None while in work or when no answer was sent."""

    operation: str
    at: float = field(default_factory=time.time)
    reference: str | None = None
    faults: list[str] = field(default_factory=list)
    status: int | None = None


class CallLog:
    """Counts every arrival, also those that a fault then swallows."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._arrivals: deque[Arrival] = deque(maxlen=KEPT)

    def arrived(self, operation: str, reference: str | None = None) -> Arrival:
        arrival = Arrival(operation, reference=reference)
        self.counts[operation] += 1
        self._arrivals.append(arrival)
        return arrival

    def arrivals(self) -> list[dict[str, object]]:
        """The log, oldest first, as JSON-able rows."""
        return [asdict(arrival) for arrival in self._arrivals]

    def clear(self) -> None:
        self.counts.clear()
        self._arrivals.clear()
