"""The scheduler's loop. Every second: events of dead workers come back, drains are started where none live, imports are
read; now and then: hosts that went away and what is old are forgotten. Several may run, each change is conditional.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import close_old_connections

from connectors.base.actions import settle_bounded
from connectors.registry import CONNECTORS
from flows.models import Installation
from runs.cause_alerts import Announcer
from runs.cause_previews import PreviewReader
from runs.claim import leases_recover
from runs.importing import ImportReader
from runs.models import InboxEvent
from runs.retention import Forgotten, forgetting
from runs.slots import hosts_forget, slots_start
from runs.upkeep import Upkeep
from telemetry.metrics import write_out
from tenants.clock import database_now

log = logging.getLogger(__name__)

FORGET_EVERY_SECONDS = 3600.0
TIDY_SLICE_SECONDS = 0.3


def sweep_once() -> dict[str, int]:
    """One round of what is urgent; returns what it did, for logs and tests."""
    return {"recovered": events_recover(), "drains_started": slots_start()}


class Tidying:
    """What is not urgent, in slices, so that nothing urgent waits for it."""

    def __init__(self) -> None:
        self._next = 0.0
        self._steps: Iterator[Forgotten] | None = None
        self._did: Counter[str] = Counter()

    def round(self) -> bool:
        """Go on for a moment; True when everything that was due is forgotten."""
        if self._steps is None:
            if time.monotonic() < self._next:
                return False
            self._next = time.monotonic() + FORGET_EVERY_SECONDS
            self._steps, self._did = forgetting(database_now()), Counter(hosts=hosts_forget())
        steps, self._steps = self._steps, None  # a step that fails ends this walk; the next one begins anew
        ends = time.monotonic() + TIDY_SLICE_SECONDS
        for name, count in steps:
            self._did[name] += count
            if time.monotonic() >= ends:
                self._steps = steps
                return False
        log.info("forgotten: %s", dict(self._did))
        return True


def events_recover() -> int:
    holders = InboxEvent.unscoped.filter(state=InboxEvent.State.LEASED).values("installation_id").distinct()
    rows = Installation.unscoped.filter(pk__in=holders).select_related("source", "target")
    settle = {installation.pk: settle_of(installation) for installation in rows}
    return leases_recover(settle_of=settle, default_settle=max(settle.values(), default=120.0))


def settle_of(installation: Installation) -> float:
    """Longest time a write sent by a dead worker may take to land and be readable, over both sides (rule C3)."""
    return max(
        settle_bounded(side.settings.get("settle_seconds") or "", _declared_settle(side.connector))
        for side in (installation.source, installation.target)
    )


def _declared_settle(connector: str) -> float:
    return max(getattr(action, "settle_seconds", 0.0) for action in CONNECTORS[connector].actions)


def sweep_forever(stop: Callable[[], bool]) -> None:
    imports, previews, alerts = ImportReader(), PreviewReader(), Announcer()
    tidying, upkeep = Tidying(), Upkeep()
    while not stop():
        try:
            did = sweep_once()
            write_out()
            if did["recovered"]:
                log.warning("returned %d events of workers that are gone", did["recovered"])
            imports.round()
            previews.round()
            alerts.round()
            upkeep.round()
            tidying.round()
        except Exception:  # the database or the broker is away: the net under everything stays up
            log.exception("a round of the sweep failed; tries again")
        finally:
            close_old_connections()
        time.sleep(settings.SWEEP_SECONDS)
    alerts.close()
