"""What a person can do with open work: try again or let go, one run or all of a cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple, TypeVar

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, SmallIntegerField, Value, When

from runs.inbox import PRIORITY_IMPORT, News, news_store
from runs.models import CauseAction, InboxEvent, Record, Replay, Run
from runs.wake import nudge_after_commit
from tenants.audit import audit_record
from tenants.models import Organisation, User

T = TypeVar("T")

# Many at once go behind what arrives live, as imports do.
PRIORITY_REPLAY = PRIORITY_IMPORT
_AT_ONCE = 2000
_RELEASED = "It is being tried again."


@dataclass(frozen=True)
class How:
    """In which way to try again.

    :param resume: from the step that failed: what the attempt before has read is used where that is safe. Otherwise
        everything is read anew. What is remembered as written stays in both.
    :param own_version: on the pair version the run began with, also where its installation has a newer one.
    """

    resume: bool = False
    own_version: bool = False


class OpenEvent(NamedTuple):
    """An open event as far as a decision needs it; a cause may have tens of thousands."""

    pk: int
    organisation_id: int
    run_id: int
    state: str
    attempts: int
    merged: int
    own_version: int
    present_version: int


_OPEN_EVENT = (
    "pk", "organisation_id", "run_id", "state", "attempts", "merged", "run__pair_version_id",
    "installation__pair_version_id",
)  # fmt: skip


class CountChanged(ValueError):
    """There are not as many as the person was told; nothing was done."""

    def __init__(self, count: int) -> None:
        super().__init__(f"There are {count} of them now. Look again, then decide.")
        self.count = count


def open_runs(organisation: Organisation, *, cause: str | None = None) -> QuerySet[Run]:
    """Runs that wait for a person, oldest first; of one cause when it is named."""
    rows = Run.objects.for_tenant(organisation).filter(state__in=Run.NEEDS_A_PERSON)
    return (rows if cause is None else rows.filter(cause=cause)).order_by("pk")


@transaction.atomic
def runs_replay(
    *, organisation: Organisation, runs: list[Run], at: datetime, by: User | None, how: How | None = None
) -> int:
    """Try these open runs again; known effects stay as they are.

    :returns: how many were woken; a run that another worker just took, or that has ended, is not counted.
    """
    wanted = {run.pk: run.record_id for run in runs if run.state in (*Run.NEEDS_A_PERSON, Run.State.WAITING)}
    woken = _release(_events_locked(organisation, wanted), how or How(), at, by)
    _audit(organisation, "runs.replayed", by, at, woken, runs)
    return woken


@transaction.atomic
def cause_replay(
    *, organisation: Organisation, cause: str, count: int, at: datetime, by: User | None, how: How | None = None
) -> CauseAction:
    """Try every open run of a cause again. :raises CountChanged: they are not ``count`` any more."""
    how = how or How()
    events, title = _agreed(organisation, cause, count)
    action = _action(organisation, CauseAction.Kind.REPLAY, cause, title, count, at, by)
    action.resume, action.own_version = how.resume, how.own_version
    action.save()
    woken = _release(events, how, at, by, action=action)
    _audit(organisation, "runs.replayed", by, at, woken, [], cause=cause)
    return action


@transaction.atomic
def cause_let_go(
    *, organisation: Organisation, cause: str, count: int, reason: str, at: datetime, by: User | None
) -> CauseAction:
    """Let every open run of a cause go. :raises CountChanged: they are not ``count`` any more."""
    events, title = _agreed(organisation, cause, count)
    action = _action(organisation, CauseAction.Kind.LET_GO, cause, title, count, at, by)
    action.reason = reason
    action.save()
    gone = _cancel(events, reason, at)
    _audit(organisation, "runs.cancelled", by, at, gone, [], cause=cause, reason=reason)
    return action


@transaction.atomic
def run_cancel(*, run: Run, reason: str, at: datetime, by: User | None) -> bool:
    """Let an open run go: nothing more is written for this news. False when a worker holds it just now.

    The next news about the record opens it again.
    """
    if not _cancel(_events_locked(run.organisation, {run.pk: run.record_id}), reason, at):
        return False
    audit_record(
        organisation=run.organisation_id,
        action="run.cancelled",
        actor=by,
        target=run,
        details={"reason": reason},
        at=at,
    )
    return True


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


def _agreed(organisation: Organisation, cause: str, count: int) -> tuple[list[OpenEvent], str]:
    """The cause's open events, locked, and its words. :raises CountChanged: more or fewer than the person was told."""
    events = _events_locked(organisation, dict(open_runs(organisation, cause=cause).values_list("pk", "record_id")))
    # Counted after the lock: what a worker has taken meanwhile waits for nobody.
    now = open_runs(organisation, cause=cause).count()
    if not now or now != count:
        raise CountChanged(now)
    title: str = open_runs(organisation, cause=cause).reverse().values_list("reason", flat=True)[0]
    return events, title


def _events_locked(organisation: Organisation, runs: dict[int, int]) -> list[OpenEvent]:
    """Open events of these runs that nobody works on, in the one order in which events are locked everywhere.

    :param runs: run → its record, by which events are found.
    """
    rows = InboxEvent.objects.for_tenant(organisation).exclude(state=InboxEvent.State.LEASED)
    ids: list[int] = []
    for records in _chunks(list(runs.values())):
        ids.extend(rows.filter(record__in=records).values_list("pk", flat=True))
    found: list[OpenEvent] = []
    for some in _chunks(sorted(ids)):
        locked = rows.select_for_update(of=("self",)).filter(pk__in=some, run__isnull=False).order_by("pk")
        found.extend(OpenEvent(*row) for row in locked.values_list(*_OPEN_EVENT))
    return [event for event in found if event.run_id in runs]


def _release(
    events: list[OpenEvent], how: How, at: datetime, by: User | None, *, action: CauseAction | None = None
) -> int:
    for some in _chunks(events):
        rows = InboxEvent.unscoped.filter(pk__in=[event.pk for event in some])
        rows.update(
            state=InboxEvent.State.WAITING,
            via=Run.Via.REPLAY,
            counted_failures=0,
            # Waking never looks before the settle time of an unknown outcome is over (rule C3).
            due_at=Case(When(not_before__gt=at, then=F("not_before")), default=Value(at)),
        )
        if action is not None:
            _behind_live(rows)
        _runs_await(some, how, at)
        Replay.objects.bulk_create(
            [_replay(event, how, at, by, action) for event in some],
            update_conflicts=True,  # asked for twice before its turn came: the latest word counts
            unique_fields=["run", "attempt"],
            update_fields=["action", "merged", "resume", "pair_version", "by_label", "asked_at"],
        )
    nudge_after_commit()
    return len(events)


def _behind_live(rows: QuerySet[InboxEvent]) -> None:
    later = When(priority__lt=PRIORITY_REPLAY, then=Value(PRIORITY_REPLAY))
    rows.update(priority=Case(later, default=F("priority"), output_field=SmallIntegerField()))


def _runs_await(events: list[OpenEvent], how: How, at: datetime) -> None:
    """The runs wait for their turn; on the page they are no longer among what needs a person."""
    open_again = Run.unscoped.filter(pk__in=[event.run_id for event in events]).exclude(state__in=Run.TERMINAL)
    open_again.update(state=Run.State.WAITING, next_attempt_at=at, reason=_RELEASED)
    if how.own_version:
        return
    for version in {event.present_version for event in events}:
        theirs = open_again.filter(installation__pair_version=version)
        theirs.exclude(pair_version=version).update(pair_version=version)


def _replay(event: OpenEvent, how: How, at: datetime, by: User | None, action: CauseAction | None) -> Replay:
    present = event.present_version
    return Replay(
        organisation_id=event.organisation_id,
        run_id=event.run_id,
        action=action,
        attempt=event.attempts + 1,
        merged=event.merged,
        # Another version may ask other questions: what was read for the old one answers none of them. And an event
        # that waits may wait because of news that came after it was read.
        resume=how.resume
        and event.state != InboxEvent.State.WAITING
        and (how.own_version or event.own_version == present),
        pair_version_id=event.own_version if how.own_version else present,
        by_label=by.email if by else "",
        asked_at=at,
    )


def _cancel(events: list[OpenEvent], reason: str, at: datetime) -> int:
    for some in _chunks(events):
        rows = InboxEvent.unscoped.filter(pk__in=[event.pk for event in some])
        # A write without an answer may still land: such events stay until the settle time is over, without a run, so
        # that the next news about their records cannot come too early (rule C3).
        settling = Q(not_before__gt=at)
        rows.exclude(settling).delete()
        rows.filter(settling).update(state=InboxEvent.State.HELD, run=None, attempts=0, counted_failures=0)
        Run.unscoped.filter(pk__in=[event.run_id for event in some]).exclude(state__in=Run.TERMINAL).update(
            state=Run.State.CANCELLED, reason=reason, finished_at=at, next_attempt_at=None
        )
    return len(events)


def _action(
    organisation: Organisation, kind: str, cause: str, title: str, count: int, at: datetime, by: User | None
) -> CauseAction:
    return CauseAction(
        organisation=organisation,
        kind=kind,
        cause=cause,
        title=title,
        count=count,
        by_label=by.email if by else "",
        created_at=at,
    )


def _audit(
    organisation: Organisation,
    action: str,
    by: User | None,
    at: datetime,
    count: int,
    runs: Iterable[Run],
    **more: str,
) -> None:
    named = [str(run.public_id) for run in islice(runs, 50)]
    details = {"count": count, **({"runs": named} if named else {}), **more}
    audit_record(organisation=organisation, action=action, actor=by, details=details, at=at)


def _chunks(items: list[T]) -> Iterator[list[T]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
