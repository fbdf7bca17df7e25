"""What is forgotten, and when (rule C21): payloads and search terms after a while, notes about refused hooks soon.

Open work keeps its keys for ever; a replay after the purge fetches the record again. Links, runs and the money they
name stay: they are the proof that nothing is written twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from connections.circuits import troubles_forget
from runs.models import HookRefusal, SearchTerm, StepBatch

BATCH = 2_000
REFUSALS_KEPT = timedelta(days=30)
TROUBLES_KEPT = timedelta(days=7)


def forget_old(at: datetime) -> dict[str, int]:
    """One round, in small transactions; returns what was forgotten, for logs and tests."""
    before = at - timedelta(days=settings.PAYLOAD_DAYS)
    return {
        "payloads": _payloads_empty(before),
        "search_terms": _rows_delete(SearchTerm.unscoped.filter(created_at__lt=before)),
        "refusals": _rows_delete(HookRefusal.objects.filter(received_at__lt=at - REFUSALS_KEPT)),
        "troubles": troubles_forget(older_than=TROUBLES_KEPT),
    }


def _payloads_empty(before: datetime) -> int:
    total = 0
    while True:
        rows = StepBatch.unscoped.filter(written_at__lt=before, sealed__isnull=False)
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not ids:
            return total
        total += StepBatch.unscoped.filter(pk__in=ids).update(sealed=None)


def _rows_delete(rows: QuerySet) -> int:
    total = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        total += rows.filter(pk__in=ids).delete()[0]
    return total
