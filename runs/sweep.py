"""The scheduler's loop. Every second: events of dead workers come back, drains are started where none live, imports are
read; now and then: hosts that went away and what is old are forgotten. Several may run, each change is conditional.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.db import close_old_connections

from connectors.registry import CONNECTORS
from flows.models import Installation
from runs.cause_previews import PreviewReader
from runs.claim import leases_recover
from runs.importing import ImportReader
from runs.models import InboxEvent
from runs.retention import forget_old
from runs.slots import hosts_forget, slots_start
from tenants.clock import database_now

log = logging.getLogger(__name__)

FORGET_EVERY_SECONDS = 3600.0


def sweep_once() -> dict[str, int]:
    """One round of what is urgent; returns what it did, for logs and tests."""
    return {"recovered": events_recover(), "drains_started": slots_start()}


def tidy_once() -> dict[str, int]:
    """One round of what is not."""
    return {**forget_old(database_now()), "hosts": hosts_forget()}


def events_recover() -> int:
    holders = InboxEvent.unscoped.filter(state=InboxEvent.State.LEASED).values("installation_id").distinct()
    rows = Installation.unscoped.filter(pk__in=holders).select_related("source", "target")
    settle = {installation.pk: settle_of(installation) for installation in rows}
    return leases_recover(settle_of=settle, default_settle=max(settle.values(), default=120.0))


def settle_of(installation: Installation) -> float:
    """Longest time a write sent by a dead worker may take to land and be readable, over both sides (rule C3)."""
    return max(
        float(side.settings.get("settle_seconds") or _declared_settle(side.connector))
        for side in (installation.source, installation.target)
    )


def _declared_settle(connector: str) -> float:
    return max(getattr(action, "settle_seconds", 0.0) for action in CONNECTORS[connector].actions)


def sweep_forever(stop: Callable[[], bool]) -> None:
    forget_next = 0.0
    imports, previews = ImportReader(), PreviewReader()
    while not stop():
        try:
            did = sweep_once()
            if did["recovered"]:
                log.warning("returned %d events of workers that are gone", did["recovered"])
            imports.round()
            previews.round()
            if time.monotonic() >= forget_next:
                forget_next = time.monotonic() + FORGET_EVERY_SECONDS
                log.info("forgotten: %s", tidy_once())
        except Exception:  # the database or the broker is away: the net under everything stays up
            log.exception("a round of the sweep failed; tries again")
        finally:
            close_old_connections()
        time.sleep(settings.SWEEP_SECONDS)
