"""Reading past orders for imports that were asked for: one at a time per scheduler, under a lease.

Not a queue task: those would wait until a drain makes room, and one that is lost would leave its import unread.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from django.db import connections

from runs.imports import import_collect
from runs.models import ImportJob
from tenants.clock import database_now

log = logging.getLogger(__name__)

IMPORT_LEASE = timedelta(seconds=60)


class ImportReader:
    """``round()`` keeps the lease of the import that is being read, or begins with the next."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._job_id = 0

    @property
    def is_reading(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def round(self) -> int:
        """:returns: 1 when the reading of an import has begun."""
        if self.is_reading:
            rows = ImportJob.unscoped.filter(pk=self._job_id, state=ImportJob.State.COLLECTING)
            rows.update(lease_expires_at=database_now() + IMPORT_LEASE)
            return 0
        job = import_claim()
        if job is None:
            return 0
        self._job_id = job.pk
        self._thread = threading.Thread(target=_read, args=(job,), name=f"import {job.pk}", daemon=True)
        self._thread.start()
        return 1


def import_claim() -> ImportJob | None:
    """Take the oldest import that nobody reads, for the length of a lease."""
    now = database_now()
    unread = ImportJob.unscoped.filter(state=ImportJob.State.COLLECTING).exclude(lease_expires_at__gt=now)
    for job in unread.select_related("installation").order_by("pk")[:5]:
        # Conditional: of all schedulers that see it unread, one gets it.
        if unread.filter(pk=job.pk).update(lease_expires_at=now + IMPORT_LEASE):
            return job
    return None


def _read(job: ImportJob) -> None:
    try:
        import_collect(job)
    except Exception as error:
        log.exception("import %s could not be read", job.public_id)
        text = "Something went wrong on our side while these orders were read. Ask to read them again."
        rows = ImportJob.unscoped.filter(pk=job.pk, state=ImportJob.State.COLLECTING)
        rows.update(state=ImportJob.State.FAILED, error=f"{text} ({type(error).__name__})")
    finally:
        connections.close_all()
