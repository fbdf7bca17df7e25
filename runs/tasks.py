"""What django-q2 runs: plain functions that take one number. They may run twice or never; nothing depends on it."""

from __future__ import annotations

import asyncio

from django.conf import settings

from runs.drain import Drain


def drain(slot: int, **_: object) -> int:
    """Work the inbox in ``slot`` until the drain's time is over; returns the number of attempts."""
    worker = Drain(
        slot,
        seconds=settings.DRAIN_SECONDS,
        concurrency=settings.DRAIN_CONCURRENCY,
        lease_seconds=settings.LEASE_SECONDS,
    )
    return asyncio.run(worker.run())


def import_collect(job_id: int, **_: object) -> None:
    """Collect and preview one import; a lost task leaves the job "reading", and the page offers to start it anew."""
    from runs.imports import import_collect as collect
    from runs.models import ImportJob

    collect(ImportJob.unscoped.select_related("installation").get(pk=job_id))
