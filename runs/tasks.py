"""What django-q2 runs: plain functions. They may run twice or never; nothing depends on it.

While an upgrade goes on, old and new code queue tasks for each other: each tolerates arguments it does not know.
"""

from __future__ import annotations

import time

import uvloop
from django.conf import settings

from runs.drain import Drain
from telemetry import tracing
from telemetry.metrics import write_out


def drain(*_args: object, **_named: object) -> int:
    """Work the inbox in a free slot of this host until the drain's time is over; returns the number of attempts.

    Where no successor can be queued it goes on in the same task, as long as the task may: Redis may be away a while.
    """
    tracing.start(role="worker", **settings.TRACING)  # after the fork
    # Whatever the last drain has in flight must end before the task's own time-out.
    ends = time.monotonic() + settings.QUEUE_TASK_TIMEOUT - settings.LEASE_SECONDS
    attempts = 0
    try:
        while True:
            worker = Drain(
                seconds=settings.DRAIN_SECONDS,
                concurrency=settings.DRAIN_CONCURRENCY,
                lease_seconds=settings.LEASE_SECONDS,
            )
            attempts += uvloop.run(worker.run())
            if worker.relieved or time.monotonic() + settings.DRAIN_SECONDS > ends:
                return attempts
    finally:
        write_out()
        tracing.flush()
