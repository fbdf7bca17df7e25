"""Taking back what was posted (rule C27): choose, look, confirm a count; and posting again, on purpose.

A take-back marks records and puts them into the inbox. The ordinary machinery does the rest: one event per record,
effects once, a journal, retries. A marked record is walked only by flows that undo, so no webhook, poll or import posts
it again. Posting again clears the mark and makes the record's effects new ones (``generation``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from flows.models import Installation
from runs.contention import tried_again
from runs.inbox import PRIORITY_IMPORT, PRIORITY_LIVE, News, news_store
from runs.models import ImportJob, InboxEvent, Record, RecordLink, Run, TakeBack
from runs.plans import plan_of
from runs.preview import PreviewItem, preview
from runs.steps import has_written_since
from tenants.audit import audit_record
from tenants.models import User

RECORD_TYPE = "order"
KEPT_FATES = {"credit"}
CHUNK = 500


class TakeBackRefused(ValueError):
    """It cannot be taken back, or posted again, like this; the text says why and what to do."""


@dataclass(frozen=True)
class Selection:
    """What to take back. ``value``: the shop's order id, a run's or import's public id, a day as 2026-11-20, or ""."""

    kind: str
    value: str = ""

    def __str__(self) -> str:
        return f"{TakeBack.Kind(self.kind).label.lower()} {self.value}".strip()


def selection_records(installation: Installation, selection: Selection) -> QuerySet[Record]:
    """Records with documents that stand, oldest first; what is taken back already is left out.

    An order belongs to the day on which the first of its documents was written.

    :raises TakeBackRefused: the pair cannot undo, or the selection is not understood.
    """
    operations = _operations(installation)
    standing = RecordLink.unscoped.filter(
        record=OuterRef("pk"), operation__in=operations, taken_back_at=None, organisation=installation.organisation_id
    )
    rows = Record.objects.for_tenant(installation.organisation_id).filter(
        Exists(standing), installation=installation, record_type=RECORD_TYPE, take_back=None
    )
    return _narrowed(rows, installation, selection, standing).order_by("pk")


def _operations(installation: Installation) -> tuple[str, ...]:
    if installation.state == Installation.State.REMOVED:
        raise TakeBackRefused("This pair was removed. Connect it again, then take back what it posted.")
    operations = plan_of(installation).takes_back(RECORD_TYPE)
    if not operations:
        raise TakeBackRefused("This version of the pair cannot take back. Update the pair, then try again.")
    return operations


def _narrowed(
    rows: QuerySet[Record], installation: Installation, selection: Selection, standing: QuerySet[RecordLink]
) -> QuerySet[Record]:
    try:
        match selection.kind:
            case TakeBack.Kind.START:
                return rows
            case TakeBack.Kind.RECORD:
                return rows.filter(record_id=selection.value)
            case TakeBack.Kind.RUN:
                run = Run.objects.for_tenant(installation.organisation_id).get(public_id=selection.value)
                return rows.filter(Exists(standing.filter(run=run)))
            case TakeBack.Kind.DAY:
                return _posted_between(rows, standing, *_day(installation, selection.value))
            case TakeBack.Kind.IMPORT:
                job = ImportJob.objects.for_tenant(installation.organisation_id).get(
                    public_id=selection.value, installation=installation, imported_at__isnull=False
                )
                return _posted_between(rows, standing, job.imported_at, None).filter(record_id__in=job.record_ids)
    except (ValueError, ValidationError, Run.DoesNotExist, ImportJob.DoesNotExist) as error:
        raise TakeBackRefused(f"There is no such {TakeBack.Kind(selection.kind).label.lower()[4:]}.") from error
    raise TakeBackRefused("Choose one order, one run, one day, one import, or everything since go-live.")


def _day(installation: Installation, text: str) -> tuple[datetime, datetime]:
    zone = ZoneInfo(installation.organisation.time_zone)
    day = date.fromisoformat(text)
    return datetime.combine(day, time.min, zone), datetime.combine(day + timedelta(days=1), time.min, zone)


def _posted_between(
    rows: QuerySet[Record], standing: QuerySet[RecordLink], first: datetime | None, end: datetime | None
) -> QuerySet[Record]:
    """By the first document that stands; the operations are those of the plan, read oldest first."""
    first_link = standing.order_by("pk").values("created_at")[:1]
    rows = rows.annotate(posted_at=Subquery(first_link))
    rows = rows.filter(posted_at__gte=first) if first else rows
    return rows.filter(posted_at__lt=end) if end else rows


def takeback_preview(
    installation: Installation, selection: Selection, *, first: int = 0, most: int = 25
) -> list[PreviewItem]:
    """What would happen to each record. ``facts["take_back"]`` lists its documents as they stand and their fates.

    Asks both systems, writes nothing. Blocking: a page asks for a page's worth.
    """
    records = selection_records(installation, selection)[first : first + most]
    return preview(installation, [(record.record_type, record.record_id) for record in records], taking_back=True)


def takeback_start(
    *, installation: Installation, selection: Selection, expected: int, at: datetime, by: User | None
) -> TakeBack:
    """Mark the records and put them into the inbox. Also a paused pair carries it out.

    :param expected: how many the person was told.
    :raises TakeBackRefused: there are more or fewer now, or none.
    """
    return _start(installation, selection, expected, at, by)


@tried_again
@transaction.atomic
def _start(installation: Installation, selection: Selection, expected: int, at: datetime, by: User | None) -> TakeBack:
    records = list(selection_records(installation, selection))
    if not records:
        raise TakeBackRefused("Nothing that we posted stands there.")
    if len(records) != expected:
        raise TakeBackRefused(f"There are {len(records)} of them now. Look again, then take them back.")
    take_back = TakeBack.objects.create(
        organisation=installation.organisation,
        installation=installation,
        kind=selection.kind,
        value=selection.value,
        count=len(records),
        by_label=by.email if by else "",
        created_at=at,
    )
    priority = PRIORITY_LIVE if len(records) == 1 else PRIORITY_IMPORT
    for start in range(0, len(records), CHUNK):
        chunk = records[start : start + CHUNK]
        # The event first, then its record: the order in which claims and flushes lock them. A worker that holds the
        # event just now does not see the mark; its event becomes dirty, and the next attempt does.
        _stir(installation, chunk, via=Run.Via.TAKE_BACK, at=at, priority=priority)
        Record.unscoped.filter(pk__in=[record.pk for record in chunk]).update(take_back=take_back)
    audit_record(
        organisation=installation.organisation,
        action="records.taken_back",
        actor=by,
        target=take_back,
        details={"selection": str(selection), "count": len(records)},
        at=at,
    )
    return take_back


def _stir(installation: Installation, records: list[Record], *, via: str, at: datetime, priority: int) -> None:
    news = [News(record.record_type, record.record_id, record.label) for record in records]
    news_store(installation=installation, news=news, via=via, at=at, priority=priority)


def record_post_again(*, record: Record, at: datetime, by: User | None) -> None:
    """Post one record that was taken back, as if for the first time.

    :raises TakeBackRefused: it was not taken back, or that is not through yet.
    """
    if not _post_again([record.pk], record.installation, at, by):
        raise TakeBackRefused("It is not taken back, or that is not finished yet. Look at what it waits for first.")


def takeback_post_again(*, take_back: TakeBack, at: datetime, by: User | None) -> int:
    """Post again what was taken back together; returns how many records. Those that are not through are left out."""
    rows = Record.unscoped.filter(take_back=take_back, taken_back_at__isnull=False).order_by("pk")
    return _post_again(list(rows.values_list("pk", flat=True)), take_back.installation, at, by)


@tried_again
@transaction.atomic
def _post_again(record_ids: list[int], installation: Installation, at: datetime, by: User | None) -> int:
    operations = _operations(installation)
    woken = 0
    for start in range(0, len(record_ids), CHUNK):
        ids = record_ids[start : start + CHUNK]
        list(InboxEvent.unscoped.select_for_update().filter(record__in=ids).order_by("pk").values_list("pk"))
        rows = Record.unscoped.select_for_update().filter(pk__in=ids, taken_back_at__isnull=False).order_by("pk")
        records = list(rows)
        for record in records:
            record.generation += 1
            record.reference_suffix = _suffix(record)
            record.take_back, record.taken_back_at = None, None
        Record.unscoped.bulk_update(records, ["generation", "reference_suffix", "take_back", "taken_back_at"])
        _links_end(records, operations, at)
        _stir(installation, records, via=Run.Via.MANUAL, at=at, priority=PRIORITY_IMPORT)
        woken += len(records)
    if woken:
        audit_record(
            organisation=installation.organisation_id,
            action="records.posted_again",
            actor=by,
            target=installation,
            details={"count": woken, "records": record_ids[:50]},
            at=at,
        )
    return woken


def _links_end(records: list[Record], operations: tuple[str, ...], at: datetime) -> None:
    """A worker that had lost its lease may have remembered something since; it belongs to what was taken back."""
    for record in records:
        stay = [row["number"] for row in record.facts.get("take_back") or [] if row["fate"] == "stay"]
        late = RecordLink.unscoped.filter(record=record, operation__in=operations, taken_back_at=None)
        late.exclude(external_id__in=stay).update(taken_back_at=at)


def _suffix(record: Record) -> str:
    """A credited invoice keeps its reference, so the next one needs another; a deleted one leaves it free."""
    kept = any(row["fate"] in KEPT_FATES for row in record.facts.get("take_back") or [])
    return f"-R{record.generation}" if kept or record.reference_suffix else ""


@tried_again
@transaction.atomic
def record_keep(*, record: Record, at: datetime, by: User | None) -> None:
    """Withdraw a take-back that has not changed anything yet, such as a held one; the record goes on as before.

    :raises TakeBackRefused: it is being worked on, or something of it was done or may have been.
    """
    event = InboxEvent.unscoped.select_for_update().filter(record=record).first()
    row = Record.unscoped.select_for_update().get(pk=record.pk)
    if row.take_back is None or row.taken_back_at is not None:
        raise TakeBackRefused("It is not being taken back.")
    if event is not None and event.state == InboxEvent.State.LEASED:
        raise TakeBackRefused("It is being worked on right now. Look again in a moment.")
    if row.attempt_open or has_written_since(row, row.take_back.created_at):
        raise TakeBackRefused("Part of it was taken back already. Let that finish, then post it again.")
    Record.unscoped.filter(pk=row.pk).update(take_back=None)
    _stir(row.installation, [row], via=Run.Via.MANUAL, at=at, priority=PRIORITY_LIVE)
    audit_record(
        organisation=row.organisation_id,
        action="record.take_back_withdrawn",
        actor=by,
        details={"record": f"{row.record_type}:{row.record_id}"},
        at=at,
    )


def takeback_progress(take_back: TakeBack) -> dict[str, int]:
    """How many of its records are taken back, still under way, waiting for a person, and posted again since."""
    rows = Record.unscoped.filter(take_back=take_back)
    done = rows.filter(taken_back_at__isnull=False).count()
    waiting = rows.filter(taken_back_at=None, latest_run__state__in=Run.NEEDS_A_PERSON).count()
    return {
        "done": done,
        "waiting": waiting,
        "open": rows.count() - done - waiting,
        "posted_again": take_back.count - rows.count(),
    }


def takeback_get(installation: Installation, public_id: UUID) -> TakeBack:
    """:raises TakeBack.DoesNotExist: not there or another tenant's."""
    rows = TakeBack.objects.for_tenant(installation.organisation_id).select_related("installation")
    return rows.get(public_id=public_id, installation=installation)
