"""What django-q2 runs: plain functions. They may run twice or never; nothing depends on it.

While an upgrade goes on, old and new code queue tasks for each other: each tolerates arguments it does not know.
"""

from __future__ import annotations

import uvloop
from django.conf import settings

from runs.drain import Drain
from telemetry import tracing
from telemetry.metrics import write_out


def drain(*_args: object, **_named: object) -> int:
    """Work the inbox in a free slot of this host until the drain's time is over; returns the number of attempts."""
    tracing.start(role="worker", **settings.TRACING)  # after the fork
    worker = Drain(
        seconds=settings.DRAIN_SECONDS,
        concurrency=settings.DRAIN_CONCURRENCY,
        lease_seconds=settings.LEASE_SECONDS,
    )
    try:
        return uvloop.run(worker.run())
    finally:
        write_out()
        tracing.flush()
