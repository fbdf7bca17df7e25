"""Questions pages and commands ask about what happened, each answered with few queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Count, Max, Min

from flows.models import Installation
from runs.models import InboxEvent, PollCursor, Record, RecordLink, Run, StepAttempt
from runs.payloads import STEP, payload_open, step_object
from tenants.models import Organisation


@dataclass(frozen=True)
class CauseGroup:
    """Open runs that wait for a person for the same reason. ``money`` is at stake, per currency."""

    cause: str
    state: str
    count: int
    title: str
    cure: str
    code: str
    error_class: str
    first_at: Any
    latest_at: Any
    money: dict[str, Decimal]
    examples: Sequence[Run]


@dataclass(frozen=True)
class TimelineAttempt:
    number: int
    steps: Sequence[StepAttempt]


@dataclass(frozen=True)
class Overview:
    """One installation at a glance."""

    by_state: dict[str, int]
    waiting_events: int
    oldest_waiting_at: Any
    cursors: Sequence[PollCursor] = field(default_factory=list)


def records_recent(installation: Installation, *, record_type: str, limit: int = 50, state: str = "") -> list[Record]:
    """Latest records of one kind with their latest run, newest first."""
    rows = (
        Record.objects.for_tenant(installation.organisation_id)
        .filter(installation=installation, record_type=record_type)
        .select_related("latest_run")
        .order_by("-updated_at", "-pk")
    )
    return list((rows.filter(latest_run__state=state) if state else rows)[:limit])


def overview(installation: Installation) -> Overview:
    runs = Record.objects.for_tenant(installation.organisation_id).filter(installation=installation)
    states = dict(runs.filter(latest_run__isnull=False).values_list("latest_run__state").annotate(Count("pk")))
    waiting = InboxEvent.objects.for_tenant(installation.organisation_id).filter(
        installation=installation, state=InboxEvent.State.WAITING
    )
    return Overview(
        by_state=states,
        waiting_events=waiting.count(),
        oldest_waiting_at=waiting.aggregate(oldest=Min("received_at"))["oldest"],
        cursors=list(
            PollCursor.objects.for_tenant(installation.organisation_id)
            .filter(connection__in=[installation.source_id, installation.target_id])
            .select_related("connection")
        ),
    )


def causes_open(organisation: Organisation, *, examples: int = 5) -> list[CauseGroup]:
    """What waits for a person, grouped by cause, most numerous first."""
    rows = Run.objects.for_tenant(organisation).filter(state__in=Run.NEEDS_A_PERSON)
    groups = rows.values("cause", "state").annotate(
        count=Count("pk"), first=Min("received_at"), latest=Max("received_at"), newest=Max("pk")
    )
    result = []
    for group in groups.order_by("-count", "cause"):
        members = rows.filter(cause=group["cause"], state=group["state"])
        newest = members.get(pk=group["newest"])
        error = newest.error or {}
        result.append(
            CauseGroup(
                cause=group["cause"],
                state=group["state"],
                count=group["count"],
                title=newest.reason,
                cure=str(error.get("cure", "")),
                code=str(error.get("code", "")),
                error_class=str(error.get("class", "")),
                first_at=group["first"],
                latest_at=group["latest"],
                money=money_at_stake(members.values_list("facts", flat=True)),
                examples=list(members.select_related("record", "installation").order_by("-pk")[:examples]),
            )
        )
    return result


def money_at_stake(facts: Any) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for item in facts:
        try:
            amount = Decimal(str(item.get("amount", "")))
        except InvalidOperation:
            continue
        currency = str(item.get("currency", ""))
        totals[currency] = totals.get(currency, Decimal(0)) + amount
    return totals


def run_timeline(run: Run) -> list[TimelineAttempt]:
    """Every attempt of one run with its steps in order."""
    attempts: dict[int, list[StepAttempt]] = {}
    for step in StepAttempt.objects.for_tenant(run.organisation_id).filter(run=run).order_by("attempt", "sequence"):
        attempts.setdefault(step.attempt, []).append(step)
    return [TimelineAttempt(number, steps) for number, steps in attempts.items()]


def step_payload(step: StepAttempt) -> dict[str, Any]:
    """Input and output of a step, opened for a member of its tenant; empty when it has been purged."""
    if step.sealed is None:
        return {}
    place = step_object(step.run_id, step.attempt, step.sequence)
    opened: dict[str, Any] = payload_open(step.organisation_id, STEP, place, step.sealed)
    return opened


def documents_of(record: Record) -> list[RecordLink]:
    """What this record became over there, oldest first."""
    return list(RecordLink.objects.for_tenant(record.organisation_id).filter(record=record).order_by("pk"))
