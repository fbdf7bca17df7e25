"""What a person can do with open work: try again (one or a whole cause), let go, look what a try would do."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from runs.inbox import News, events_release, news_store
from runs.models import InboxEvent, Record, Run
from tenants.audit import audit_record
from tenants.models import Organisation, User


def open_runs(organisation: Organisation, *, cause: str = "") -> QuerySet[Run]:
    """Runs that wait for a person, oldest first; of one cause when it is named."""
    rows = Run.objects.for_tenant(organisation).filter(state__in=Run.NEEDS_A_PERSON)
    return (rows.filter(cause=cause) if cause else rows).order_by("pk")


@transaction.atomic
def runs_replay(*, organisation: Organisation, runs: list[Run], at: datetime, by: User | None) -> int:
    """Try these open runs again; the record is fetched anew and known effects stay as they are.

    :returns: how many were woken; a run that another worker just took, or that has ended, is not counted.
    """
    records = [run.record_id for run in runs if run.state in Run.NEEDS_A_PERSON or run.state == Run.State.WAITING]
    woken = events_release(organisation_id=organisation.pk, record_ids=records, at=at, via=Run.Via.REPLAY)
    audit_record(
        organisation=organisation,
        action="runs.replayed",
        actor=by,
        details={"count": woken, "runs": [str(run.public_id) for run in runs[:50]]},
        at=at,
    )
    return woken


@transaction.atomic
def record_run_again(*, record: Record, at: datetime, by: User | None) -> None:
    """Run a finished record once more (its remembered effects make repeats harmless)."""
    news_store(
        installation=record.installation,
        news=[News(record.record_type, record.record_id, record.label)],
        via=Run.Via.MANUAL,
        at=at,
    )
    audit_record(
        organisation=record.organisation_id,
        action="record.run_again",
        actor=by,
        details={"record": f"{record.record_type}:{record.record_id}"},
        at=at,
    )


@transaction.atomic
def run_cancel(*, run: Run, reason: str, at: datetime, by: User | None) -> bool:
    """Let an open run go: nothing more is written for this news. False when a worker holds it just now.

    The next news about the record opens it again.
    """
    events = InboxEvent.objects.for_tenant(run.organisation).filter(record_id=run.record_id, run=run)
    if not events.exclude(state=InboxEvent.State.LEASED).delete()[0]:
        return False
    Run.objects.for_tenant(run.organisation).filter(pk=run.pk).exclude(state__in=Run.TERMINAL).update(
        state=Run.State.CANCELLED, reason=reason, finished_at=at, next_attempt_at=None
    )
    audit_record(
        organisation=run.organisation_id,
        action="run.cancelled",
        actor=by,
        target=run,
        details={"reason": reason},
        at=at,
    )
    return True
