"""The way in: news about a record becomes (or joins) the one open event of that record.

Nothing is answered to a sender before the transaction of ``news_store`` has committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Case, F, IntegerField, SmallIntegerField, Value, When

from flows.models import Installation
from runs.contention import tried_again
from runs.inbox_statement import Listening, can_store_at_once, news_store_at_once
from runs.models import InboxEvent, Record, Run
from runs.wake import nudge_after_commit, nudge_soon
from telemetry.metrics import NEWS
from tenants.clock import database_now

PRIORITY_LIVE, PRIORITY_IMPORT = InboxEvent.PRIORITIES


@dataclass(frozen=True)
class News:
    """Something may have changed about this record. ``fingerprint`` comes from polls; None is always news."""

    record_type: str
    record_id: str
    label: str = ""
    fingerprint: str | None = None


@tried_again
def news_store(
    *,
    installation: Installation,
    news: Iterable[News],
    via: str,
    at: datetime | None = None,
    priority: int = PRIORITY_LIVE,
    traceparent: str = "",
    listening: Listening | None = None,
) -> int:
    """Store news durably; returns how many records it woke (equal fingerprints wake nobody).

    :param at: when it came; the database's present moment where it is not said.
    :param traceparent: the trace the news belongs to; kept with an event that it opens.
    :param listening: store it only while this holds.
    :raises ListenersChanged: it does not.
    """
    # In one order everywhere, so that two senders of the same records wait for each other instead of deadlocking.
    items = {(item.record_type, item.record_id): item for item in sorted(news, key=_in_order)}
    if not items:
        return 0
    if _is_plain(items.values(), via) and can_store_at_once():
        told = [(item.record_type, item.record_id, item.label) for item in items.values()]
        opened = news_store_at_once(
            installation, told, via=via, priority=priority, traceparent=traceparent, listening=listening
        )
        if opened is not None:
            nudge_soon()
            _count(via, opened=opened, merged=len(items) - opened)
            return len(items)
    with transaction.atomic():
        at = at or database_now()
        fresh = _records_touch(installation, list(items.values()), at, imported=via == Run.Via.IMPORT)
        merged = _events_merge(installation, fresh, via, at, priority, traceparent)
        if fresh:
            nudge_after_commit()
    _count(via, opened=len(fresh) - merged, merged=merged, unchanged=len(items) - len(fresh))
    return len(fresh)


def _count(via: str, **results: int) -> None:
    for result, number in results.items():
        if number:
            NEWS.add(via, result, by=number)


def _is_plain(items: Iterable[News], via: str) -> bool:
    """News that needs no comparison with what is known of its record."""
    return via != Run.Via.IMPORT and all(item.fingerprint is None for item in items)


def _in_order(item: News) -> tuple[str, str]:
    return item.record_type, item.record_id


def _records_touch(installation: Installation, items: list[News], at: datetime, *, imported: bool) -> list[Record]:
    """Insert unknown records, note changed fingerprints, return the records for which this is news."""
    Record.unscoped.bulk_create(
        [
            Record(
                organisation_id=installation.organisation_id,
                installation=installation,
                lane=installation.lane,
                record_type=item.record_type,
                record_id=item.record_id,
                label=item.label[:200],
                imported=imported,
                created_at=at,
                updated_at=at,
            )
            for item in items
        ],
        ignore_conflicts=True,
    )
    known = {
        (record.record_type, record.record_id): record
        for record in Record.objects.for_tenant(installation.organisation).filter(
            lane=installation.lane,
            record_type__in={item.record_type for item in items},
            record_id__in=[item.record_id for item in items],
        )
    }
    # Events before records, by primary key: the order in which flushes and claims lock them.
    _events_lock([record.pk for record in known.values()])
    fresh, changed = [], []
    for item in items:
        record = known[item.record_type, item.record_id]
        if item.fingerprint is not None and item.fingerprint == record.fingerprint:
            continue
        fresh.append(record)
        if item.fingerprint is not None or imported or record.installation_id != installation.pk:
            record.fingerprint = item.fingerprint or record.fingerprint
            record.observation += 1
            record.imported |= imported
            record.installation = installation  # a second installation of the same accounts takes the record over
            changed.append(record)
    Record.unscoped.bulk_update(changed, ["fingerprint", "observation", "installation", "imported"])
    return fresh


def _events_lock(record_ids: list[int]) -> None:
    list(InboxEvent.unscoped.select_for_update().filter(record_id__in=record_ids).order_by("pk").values_list("pk"))


def _events_merge(
    installation: Installation, records: list[Record], via: str, at: datetime, priority: int, traceparent: str
) -> int:
    """Open an event per record, or merge into the open one: unclaimed ones wake, claimed ones become dirty (C9).

    :returns: how many were merged.
    """
    ids = [record.pk for record in records]
    # The events were locked before: one that is finishing just now is gone here and gets a successor. An event that
    # somebody else inserts between this line and the next is read by its worker after our news: nothing is lost.
    existing = set(InboxEvent.unscoped.filter(record_id__in=ids).values_list("record_id", flat=True))
    InboxEvent.unscoped.bulk_create(
        [
            InboxEvent(
                organisation_id=installation.organisation_id,
                record=record,
                installation=installation,
                via=via,
                priority=priority,
                due_at=at,
                received_at=at,
                traceparent=traceparent,
            )
            for record in records
            if record.pk not in existing
        ],
        ignore_conflicts=True,
    )
    _events_wake(installation, ids, at, priority, only=existing)
    return len(existing)


def _events_wake(installation: Installation, ids: list[int], at: datetime, priority: int, only: set[int]) -> None:
    merging = InboxEvent.unscoped.filter(record_id__in=[pk for pk in ids if pk in only])
    merging.filter(state=InboxEvent.State.LEASED).update(dirty=True, merged=F("merged") + 1)
    merging.exclude(state=InboxEvent.State.LEASED).update(
        state=InboxEvent.State.WAITING,
        # After a reconnect the accounts have a new installation; the old one's lane is never served again.
        installation=installation,
        merged=F("merged") + 1,
        # What had given up, or waited for a person, begins anew.
        counted_failures=Case(
            When(state__in=[InboxEvent.State.HELD, InboxEvent.State.DEAD], then=Value(0)),
            default=F("counted_failures"),
            output_field=IntegerField(),
        ),
        priority=Case(
            When(priority__gt=priority, then=Value(priority)), default=F("priority"), output_field=SmallIntegerField()
        ),
        # Waking never looks before the settle time of an unknown outcome is over (rule C3).
        due_at=Case(When(not_before__gt=at, then=F("not_before")), default=Value(at)),
    )
