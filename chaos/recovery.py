"""How long the work of a dead process rests: until another takes it up, and until it is finished."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from chaos.kills import Kill
from chaos.store import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2


@dataclass
class Watched:
    """An event of a dead worker. ``hit_again``: a later kill took it, too; its time says nothing of the first."""

    kill: Kill
    event: int
    record: str
    attempts: int
    resumed_s: float | None = None
    finished_s: float | None = None
    hit_again: bool = False


class Recoveries:
    """Watches the events of killed workers from a thread of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[int, Watched] = {}
        self.done: list[Watched] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recoveries", daemon=True)

    def __enter__(self) -> Recoveries:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def watch(self, kill: Kill) -> None:
        with self._lock:
            for event in kill.events:
                if (before := self._open.pop(event.id, None)) is not None:
                    before.hit_again = True
                    self.done.append(before)
                self._open[event.id] = Watched(kill, event.id, event.record, event.attempts)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:  # the database is away for a while: that is what some of these runs are about
                log.info("could not look", exc_info=True)

    def _look(self) -> None:
        with self._lock:
            watched = dict(self._open)
        rows = self._store.events(list(watched))
        now = time.time()
        for pk, item in watched.items():
            state, attempts = rows.get(pk, ("finished", 0))
            # A finished event whose record had news meanwhile starts again at no attempts.
            finished = pk not in rows or attempts < item.attempts
            if item.resumed_s is None and (finished or attempts > item.attempts):
                item.resumed_s = now - item.kill.dead_at
            if finished or state in ("held", "dead"):
                item.finished_s = now - item.kill.dead_at
                with self._lock:
                    if self._open.get(pk) is item:
                        del self._open[pk]
                        self.done.append(item)

    def unfinished(self) -> list[Watched]:
        with self._lock:
            return list(self._open.values())

    def seconds(self, kind: str) -> list[float]:
        """``resumed_s`` or ``finished_s`` of all that no later kill touched, sorted."""
        times = [getattr(item, kind) for item in self.done if not item.hit_again]
        return sorted(value for value in times if value is not None)


def percentile(values: list[float], share: float) -> float:
    """Nearest rank; 0 for nothing."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0
