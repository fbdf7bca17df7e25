"""Questions pages and commands ask about what happened, each answered with few queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Count, Min

from connections.models import Connection
from connections.selectors import connections_of
from flows.models import Installation
from runs.models import Alert, ImportJob, InboxEvent, PollCursor, Record, RecordLink, Run
from runs.steps import Step, attempts_of, steps_of_run, steps_of_runs
from tenants.models import Organisation


@dataclass(frozen=True)
class TimelineFlow:
    """The steps of one flow within an attempt. ``written``: ids over there that it wrote or met again."""

    key: str
    steps: Sequence[Step]

    @property
    def written(self) -> list[str]:
        return list(dict.fromkeys(step.external_id for step in self.steps if step.external_id))

    @property
    def has_trouble(self) -> bool:
        return any(step.error for step in self.steps)

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)


@dataclass(frozen=True)
class TimelineAttempt:
    number: int
    steps: Sequence[Step]

    @property
    def flows(self) -> list[TimelineFlow]:
        """The steps by flow, in the order the flows ran; a step's path begins with its flow's key."""
        grouped: dict[str, list[Step]] = {}
        for step in self.steps:
            grouped.setdefault(step.path.partition(".")[0], []).append(step)
        return [TimelineFlow(key, steps) for key, steps in grouped.items()]


@dataclass(frozen=True)
class Overview:
    """One installation at a glance."""

    waiting_events: int
    oldest_waiting_at: Any
    cursors: Sequence[PollCursor] = field(default_factory=list)


@dataclass
class InstallationRow:
    """One installation on the organisation's home: today's ended runs by state, open work, money at stake in it."""

    installation: Installation
    today: dict[str, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    money: dict[str, Decimal] = field(default_factory=dict)

    @property
    def needs_a_person(self) -> int:
        return sum(self.open.get(state, 0) for state in Run.NEEDS_A_PERSON)


@dataclass(frozen=True)
class Home:
    """What the first page of an organisation shows. ``money`` waits in runs that have not ended, per currency."""

    rows: Sequence[InstallationRow]
    connections: Sequence[Connection]
    alerts: Sequence[Alert]
    money: dict[str, Decimal]


@dataclass(frozen=True)
class RunTimeline:
    run: Run
    attempts: Sequence[TimelineAttempt]


MOST_SHOWN = 100
MOST_ADDED_UP = 20_000


def home_of(organisation: Organisation, *, since: datetime) -> Home:
    """:param since: the beginning of the organisation's day."""
    installations = Installation.objects.for_tenant(organisation).exclude(state=Installation.State.REMOVED)
    rows = {
        installation.pk: InstallationRow(installation)
        for installation in installations.select_related("source", "target", "pair_version")[:MOST_SHOWN]
    }
    runs = Run.objects.for_tenant(organisation).filter(installation__in=rows)
    ended = runs.filter(finished_at__gte=since).values_list("installation", "state").annotate(Count("pk"))
    for installation, state, count in ended.order_by():
        rows[installation].today[state] = count
    still_open = defaultdict(list)
    waiting = runs.filter(state__in=Run.OPEN).values_list("installation", "state", "facts")[:MOST_ADDED_UP]
    for installation, state, facts in waiting:
        rows[installation].open[state] = rows[installation].open.get(state, 0) + 1
        still_open[installation].append(facts)
    for installation, facts in still_open.items():
        rows[installation].money = money_at_stake(facts)
    return Home(
        rows=list(rows.values()),
        connections=list(connections_of(organisation)[:MOST_SHOWN]),
        alerts=list(Alert.objects.for_tenant(organisation).filter(seen_at=None).order_by("-created_at", "-pk")[:20]),
        money=money_at_stake(one for facts in still_open.values() for one in facts),
    )


def attention_count(organisation: Organisation) -> int:
    """How many runs wait for a person."""
    return Run.objects.for_tenant(organisation).filter(state__in=Run.NEEDS_A_PERSON).count()


def installation_get(organisation: Organisation, installation_id: int) -> Installation:
    """With its connections and version. :raises Installation.DoesNotExist: not there or another tenant's."""
    rows = Installation.objects.for_tenant(organisation).select_related("source", "target", "pair_version")
    return rows.get(pk=installation_id)


def record_get(organisation: Organisation, record_id: int) -> Record:
    """:raises Record.DoesNotExist: not there or another tenant's."""
    rows = Record.objects.for_tenant(organisation).select_related(
        "installation__source", "installation__target", "installation__pair_version", "latest_run"
    )
    return rows.get(pk=record_id)


def record_timelines(record: Record, *, runs: int = 10) -> list[RunTimeline]:
    """The latest runs of a record, newest first, each with its attempts and steps in order."""
    latest = list(Run.objects.for_tenant(record.organisation_id).filter(record=record).order_by("-pk")[:runs])
    steps = steps_of_runs(record.organisation_id, latest)
    return [RunTimeline(run, _attempts(steps[run.pk])) for run in latest]


def _attempts(steps: Sequence[Step]) -> list[TimelineAttempt]:
    return [TimelineAttempt(number, tried) for number, tried in attempts_of(steps).items()]


def import_progress(job: ImportJob) -> dict[str, int]:
    """What became of a started import: records still waiting, and its runs by state."""
    events = InboxEvent.objects.for_tenant(job.organisation_id).filter(
        installation=job.installation_id, via=Run.Via.IMPORT, state=InboxEvent.State.WAITING, run=None
    )
    runs = Run.objects.for_tenant(job.organisation_id).filter(
        installation=job.installation_id, via=Run.Via.IMPORT, started_at__gte=job.imported_at
    )
    return {"queued": events.count(), **dict(runs.values_list("state").annotate(Count("pk")).order_by())}


def overview(installation: Installation) -> Overview:
    waiting = InboxEvent.objects.for_tenant(installation.organisation_id).filter(
        installation=installation, state=InboxEvent.State.WAITING
    )
    return Overview(
        waiting_events=waiting.count(),
        oldest_waiting_at=waiting.aggregate(oldest=Min("received_at"))["oldest"],
        cursors=list(
            PollCursor.objects.for_tenant(installation.organisation_id)
            .filter(connection__in=[installation.source_id, installation.target_id])
            .select_related("connection")
        ),
    )


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
    return _attempts(steps_of_run(run))


def documents_of(record: Record) -> list[RecordLink]:
    """What this record became over there, oldest first."""
    return list(RecordLink.objects.for_tenant(record.organisation_id).filter(record=record).order_by("pk"))
