"""Claiming open events: in batches, in fair turns, under a lease with a fencing number.

The database is the one queue. Two claims never get the same event (``SKIP LOCKED`` on PostgreSQL, the write lock of an
IMMEDIATE transaction on SQLite), and a worker that lost its lease cannot finish anything (its fence is old).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, F, Q, Value, When

from flows.engine.ports import Link
from flows.models import Installation
from runs.causes import GAVE_UP, cause_of_facts
from runs.claim_statement import events_take
from runs.contention import tried_again
from runs.lanes import BEING_TAKEN_BACK, Turns, shares_of
from runs.links import links_load
from runs.models import InboxEvent, Record, Run
from telemetry.metrics import RECOVERED
from tenants.clock import database_now

MOST_COUNTED_FAILURES = 25
"""In a row, without any new effect."""

_LOST_AT_ONCE = 3
_LONGEST_LOST_WAIT_SECONDS = 900.0


@dataclass
class Claimed:
    """One event this worker may work on, until ``lease_until`` (monotonic seconds, read before the claim was sent).

    ``links`` are the effects remembered for its record; no other worker adds to them while this one has the event.
    Where they could not be read, nothing may be written: ``links_broken`` says why.
    """

    event_id: int
    fence: int
    attempt: int
    counted_failures: int
    may_be_a_repeat: bool
    record: Record
    run: Run
    installation_id: int
    organisation_id: int
    via: str
    lease_until: float
    lost: bool = field(default=False)
    links: list[Link] = field(default_factory=list)
    links_broken: Exception | None = None


@tried_again
def events_claim(*, worker: str, limit: int, lease_seconds: float, turns: Turns | None = None) -> list[Claimed]:
    """Take up to ``limit`` due events, lanes in turn, beginning behind the lane where ``turns`` has come to.

    The claim counts the attempt and marks the record's attempt as open: this is the mark before the work (C2).
    """
    taken_at = time.monotonic()
    turns = turns or Turns()
    if connection.vendor == "postgresql":
        shares = shares_of(limit=limit, turns=turns)
        events = events_take(shares, worker=worker, lease_seconds=lease_seconds) if shares else []
    else:
        events = _events_take_portable(limit, turns, worker, lease_seconds)
    links, broken = links_load([event.record for event in events])
    return [
        Claimed(
            event_id=event.pk,
            fence=event.fence,
            attempt=event.attempts,
            counted_failures=event.counted_failures,
            # An import may meet documents made by hand or by another tool: always look (rule C27).
            may_be_a_repeat=event.record.unclean or event.record.attempt_open or event.record.imported,
            record=event.record,
            run=event.run,  # type: ignore[arg-type]
            installation_id=event.installation_id,
            organisation_id=event.organisation_id,
            via=event.via,
            lease_until=taken_at + lease_seconds,
            links=links.get(event.record.pk, []),
            links_broken=broken.get(event.record.pk),
        )
        for event in events
    ]


def _events_take_portable(limit: int, turns: Turns, worker: str, lease_seconds: float) -> list[InboxEvent]:
    """Under the write lock of an IMMEDIATE transaction, which nobody else has meanwhile."""
    with transaction.atomic():
        now = database_now()
        ids: list[int] = []
        for share in shares_of(limit=limit, turns=turns, now=now):
            rows = InboxEvent.unscoped.filter(
                state=InboxEvent.State.WAITING, due_at__lte=now, installation_id=share.lane.installation_id
            )
            if share.lane.undoing:
                rows = rows.filter(BEING_TAKEN_BACK)
            ids.extend(rows.order_by("priority", "due_at", "id").values_list("pk", flat=True)[: share.most])
        if not ids:
            return []
        InboxEvent.unscoped.filter(pk__in=ids).update(
            state=InboxEvent.State.LEASED,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            worker=worker,
            dirty=False,
            lease_expires_at=now + timedelta(seconds=lease_seconds),
        )
        events = list(InboxEvent.unscoped.filter(pk__in=ids).select_related("record", "run"))
        _attempts_open(events)
        _runs_open(events, now)
    return events


def _attempts_open(events: list[InboxEvent]) -> None:
    """Mark each record's attempt as open; where one already is, an earlier attempt never ended cleanly: unclean.

    The events keep the values read before, so that the caller sees what was found.
    """
    Record.unscoped.filter(pk__in=[event.record_id for event in events]).update(
        unclean=Case(When(attempt_open=True, then=Value(True)), default=F("unclean")), attempt_open=True
    )


def _runs_open(events: list[InboxEvent], now: datetime) -> None:
    versions = dict(
        Installation.unscoped.filter(pk__in={event.installation_id for event in events}).values_list(
            "pk", "pair_version_id"
        )
    )
    fresh = [event for event in events if event.run is None]
    runs = Run.unscoped.bulk_create(
        [
            Run(
                organisation_id=event.organisation_id,
                installation_id=event.installation_id,
                pair_version_id=versions[event.installation_id],
                record_id=event.record_id,
                via=event.via,
                state=Run.State.OPEN,
                received_at=event.received_at,
                started_at=now,
                traceparent=event.traceparent,
            )
            for event in fresh
        ]
    )
    for event, run in zip(fresh, runs, strict=True):
        event.run = run
        event.record.latest_run = run
    InboxEvent.unscoped.bulk_update(fresh, ["run"])
    Record.unscoped.bulk_update([event.record for event in fresh], ["latest_run"])
    Run.unscoped.filter(pk__in=[event.run_id for event in events]).update(
        state=Run.State.OPEN, attempts=F("attempts") + 1, next_attempt_at=None
    )


@tried_again
def leases_renew(*, held: list[Claimed], lease_seconds: float) -> None:
    """Push the leases forward; whoever is no longer the holder learns it here (``lost``)."""
    if not held:
        return
    asked_at = time.monotonic()
    with transaction.atomic():
        expires = database_now() + timedelta(seconds=lease_seconds)
        mine = Q()
        for claimed in held:
            mine |= Q(pk=claimed.event_id, fence=claimed.fence)
        rows = InboxEvent.unscoped.filter(mine, state=InboxEvent.State.LEASED)
        still = set(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
        rows.update(lease_expires_at=expires)
    for claimed in held:
        if claimed.event_id in still:
            claimed.lease_until = asked_at + lease_seconds
        else:
            claimed.lost = True


def leases_recover(*, settle_of: dict[int, float] | None = None, default_settle: float) -> int:
    """Return events of dead workers to the queue, no earlier than last possible send + settle (rule C3).

    The last moment a dead worker can have sent anything is the end of its lease.
    """
    with transaction.atomic():
        now = database_now()
        rows = InboxEvent.unscoped.filter(state=InboxEvent.State.LEASED, lease_expires_at__lt=now)
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        expired = list(rows)
        for event in expired:
            settle = (settle_of or {}).get(event.installation_id, default_settle)
            free_at = (event.lease_expires_at or now) + timedelta(seconds=settle)
            event.state, event.worker, event.lease_expires_at = InboxEvent.State.WAITING, "", None
            event.fence += 1  # from here on the old worker can finish nothing
            event.counted_failures += 1
            # Work that kills its workers must come to an end; news that came meanwhile is reason for one more look.
            if event.counted_failures >= MOST_COUNTED_FAILURES:
                event.state = InboxEvent.State.WAITING if event.dirty else InboxEvent.State.DEAD
                event.counted_failures = 0 if event.dirty else event.counted_failures
            free_at = max(free_at, event.not_before or free_at)
            # News and people may wake it earlier than its turn, but never before the settle time is over.
            event.not_before = free_at
            event.due_at = free_at + timedelta(seconds=_lost_wait_seconds(event.counted_failures))
        InboxEvent.unscoped.bulk_update(
            expired, ["state", "worker", "lease_expires_at", "fence", "not_before", "due_at", "counted_failures"]
        )
        for event in expired:
            Run.unscoped.filter(pk=event.run_id or 0).exclude(state__in=Run.TERMINAL).update(**_run_of_lost(event))
    for event in expired:
        RECOVERED.add(event.state)
    return len(expired)


def _lost_wait_seconds(failures: int) -> float:
    """Anybody's worker may die. Work that has failed time and again may be what kills them: less and less often."""
    return 0.0 if failures <= _LOST_AT_ONCE else min(_LONGEST_LOST_WAIT_SECONDS, 2.0 ** (failures - _LOST_AT_ONCE))


def _run_of_lost(event: InboxEvent) -> dict[str, Any]:
    if event.state == InboxEvent.State.DEAD:
        text = f"{event.counted_failures} attempts failed, the last because its worker was lost. We have been told."
        cure = "We look into why. Nothing is sent before we have looked what is there; replay it when we say so."
        facts = {"class": "WorkerLost", "code": GAVE_UP, "text": text, "cure": cure}
        return {"state": Run.State.DEAD, "reason": text, "error": facts, "cause": cause_of_facts(facts)}
    return {
        "state": Run.State.WAITING,
        "reason": "The worker that had this was lost. What it may have sent is looked for before anything else.",
        "next_attempt_at": event.due_at,
    }
