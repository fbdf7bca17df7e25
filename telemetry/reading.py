"""Counters as people read them: totals, and quantiles of histograms, over all or since some minutes ago."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.shared import registry

KEPT_SECONDS = 1800.0
KEPT_EVERY_SECONDS = 30.0

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reading:
    """Every sample of ours at one moment (``at``: monotonic), or what was added between two."""

    at: float
    samples: dict[tuple[str, Labels], float]

    def total(self, name: str, **labels: str) -> float:
        return sum(value for _, value in self._found(name, labels))

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Totals by one label, largest first, what is zero left out."""
        totals: dict[str, float] = {}
        for known, value in self._found(name, labels):
            totals[known[label]] = totals.get(known[label], 0.0) + value
        return dict(sorted(((key, value) for key, value in totals.items() if value), key=lambda row: -row[1]))

    def quantile(self, name: str, share: float, **labels: str) -> float | None:
        """The bound below which ``share`` of the observations lie; None without any. Infinity: above the last bound."""
        buckets: dict[float, float] = {}
        for known, value in self._found(f"{name}_bucket", labels):
            bound = float(known["le"])
            buckets[bound] = buckets.get(bound, 0.0) + value
        everything = buckets.get(float("inf"), 0.0)
        if not everything:
            return None
        return next(bound for bound, below in sorted(buckets.items()) if below >= share * everything)

    def since(self, earlier: Reading) -> Reading:
        """What was added; a counter that has fallen was begun anew."""
        added = {
            key: value - before if value >= (before := earlier.samples.get(key, 0.0)) else value
            for key, value in self.samples.items()
        }
        return Reading(self.at, added)

    def _found(self, name: str, labels: dict[str, str]) -> Iterable[tuple[dict[str, str], float]]:
        for (known, pairs), value in self.samples.items():
            if known == name and labels.items() <= dict(pairs).items():
                yield dict(pairs), value


def reading() -> Reading:
    """Of all processes of this host."""
    with registry() as counters:
        samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in counters.collect()
            if family.name.startswith("causeway_")
            for sample in family.samples
        }
    return Reading(time.monotonic(), samples)


class Past:
    """Readings of the last half hour, as often as somebody looked, so that a page can say what is new."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Reading] = deque()

    def look(self, seconds: float) -> tuple[Reading, Reading, float]:
        """Now; what was added lately; over how many seconds, which is at most about ``seconds``."""
        now = reading()
        with self._lock:
            if not self._kept or now.at - self._kept[-1].at >= KEPT_EVERY_SECONDS:
                self._kept.append(now)
            while now.at - self._kept[0].at > KEPT_SECONDS:
                self._kept.popleft()
            earlier = next((kept for kept in self._kept if now.at - kept.at <= seconds), self._kept[-1])
        return now, now.since(earlier), now.at - earlier.at


past = Past()
