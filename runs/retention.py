"""What is forgotten, and when (rule C21): payloads and search terms, then how finished runs went, refusals soon.

Open work keeps its keys and its steps for ever; a replay after the purge fetches the record again. Links, records and
each record's latest run stay: they are the proof that nothing is written twice, and what pages show of it.

Tables are walked oldest first by their key, and a round goes on where the one before stopped: it costs what it forgets,
however long the history is. What could not go in its turn (a run that was open then, or its record's latest) is met by
the next walk, which begins a month after the one before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from connections.circuits import troubles_forget
from runs.models import CauseAction, HookRefusal, InboxEvent, Record, RetentionMark, Run, SearchTerm, StepBatch

BATCH = 1_000
RUNS_BATCH = 50
"""The database asks the queue about each run it deletes, and there is no index for the question: little at a time."""

WALK_AGAIN_AFTER = timedelta(days=30)
REFUSALS_KEPT = timedelta(days=30)
TROUBLES_KEPT = timedelta(days=7)

Forgotten = tuple[str, int]


def forget_old(at: datetime) -> Counter[str]:
    """Everything that is due; returns what was forgotten."""
    total: Counter[str] = Counter()
    for name, count in forgetting(at):
        total[name] += count
    return total


def forgetting(at: datetime) -> Iterator[Forgotten]:
    """The same in small steps, each a transaction of its own: whoever has other things to do stops between them."""
    payloads_until = at - timedelta(days=settings.PAYLOAD_DAYS)
    runs_until = at - timedelta(days=settings.RUN_DAYS)
    _walks_begin(("steps", "runs"), at)
    yield from _payloads_empty(payloads_until)
    yield from _rows_delete("search_terms", SearchTerm.unscoped.all(), "created_at", payloads_until)
    yield from _steps_delete(runs_until)
    yield from _runs_delete(runs_until)
    yield from _rows_delete("cause_actions", CauseAction.unscoped.all(), "created_at", runs_until)
    yield from _rows_delete("refusals", HookRefusal.objects.all(), "received_at", at - REFUSALS_KEPT)
    # What remained of events a person let go while a write of theirs could still land.
    let_go = InboxEvent.unscoped.filter(state=InboxEvent.State.HELD, run=None, not_before__lt=at)
    yield "let_go", let_go._raw_delete("default")  # nothing points at an event
    yield "sessions", Session.objects.filter(expire_date__lt=at).delete()[0]
    yield "troubles", troubles_forget(older_than=TROUBLES_KEPT)


def _walks_begin(names: Iterable[str], at: datetime) -> None:
    """From the first row again, those walks for which a month is over."""
    marks = RetentionMark.objects.filter(name__in=names)
    marks.filter(began_at=None).update(began_at=at)  # its first walk is under way
    marks.filter(began_at__lte=at - WALK_AGAIN_AFTER).update(position=0, began_at=at)


def _payloads_empty(before: datetime) -> Iterator[Forgotten]:
    for ids in _old("payloads", StepBatch.unscoped.all(), "written_at", before):
        yield "payloads", StepBatch.unscoped.filter(pk__in=ids, sealed__isnull=False).update(sealed=None)


def _steps_delete(before: datetime) -> Iterator[Forgotten]:
    """Of runs that have ended."""
    for ids in _old("steps", StepBatch.unscoped.all(), "written_at", before):
        rows = StepBatch.unscoped.filter(pk__in=ids, run__state__in=Run.TERMINAL)
        yield "steps", rows.delete()[0]


def _runs_delete(before: datetime) -> Iterator[Forgotten]:
    for ids in _old("runs", Run.unscoped.all(), "started_at", before, size=RUNS_BATCH):
        latest = Record.unscoped.filter(latest_run__in=ids).values("latest_run")
        rows = Run.unscoped.filter(pk__in=ids, state__in=Run.TERMINAL, finished_at__lt=before).exclude(pk__in=latest)
        deleted = rows.delete()[1]
        yield "runs", deleted.get(Run._meta.label, 0)


def _old(name: str, rows: QuerySet, moment: str, before: datetime, *, size: int | None = None) -> Iterator[list[int]]:
    """Keys of rows from before, a batch at a time: the mark says how far the walk has come."""
    mark, _ = RetentionMark.objects.get_or_create(name=name)
    size = size or BATCH
    while True:
        seen = list(rows.filter(pk__gt=mark.position).order_by("pk").values_list("pk", moment)[:size])
        ids = [pk for pk, at in seen if at < before]
        # Keys and moments rise together but for what was written side by side: such a neighbour waits for its turn.
        young = next((pk for pk, at in seen if at >= before), None)
        ids = ids if young is None else [pk for pk in ids if pk < young]
        if ids:
            yield ids
            RetentionMark.objects.filter(pk=mark.pk, position__lt=ids[-1]).update(position=ids[-1])
            mark.position = ids[-1]
        if young is not None or len(seen) < size:
            return


def _rows_delete(name: str, rows: QuerySet, moment: str, before: datetime) -> Iterator[Forgotten]:
    """The oldest rows lie first by key; the first young one ends the walk."""
    while True:
        seen = list(rows.order_by("pk").values_list("pk", moment)[:BATCH])
        ids = [pk for pk, at in seen if at < before]
        if ids:
            yield name, rows.model._default_manager.filter(pk__in=ids).delete()[0]
        if len(ids) < BATCH:
            return
