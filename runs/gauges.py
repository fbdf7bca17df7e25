"""How the engine stands just now, read from the database: for ``/metrics`` and the operators' page.

Each question is one statement, asked when somebody looks, so no process has to keep a gauge up to date.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from connections.models import CircuitState, Connection
from connections.pauses import connectors_paused, pauses_in_force
from connections.standing import budgets_in_use
from flows.models import Installation
from runs.inbox import PRIORITY_IMPORT
from runs.models import Alert, InboxEvent, PollCursor, WorkerSlot
from runs.slots import STALE_HEARTBEAT
from tenants.clock import database_now


@dataclass(frozen=True)
class LaneQueue:
    """Open work of one installation in one state. ``due``: how many could be claimed now, if the lane is served."""

    installation_id: int
    state: str
    imported: bool
    events: int
    due: int
    oldest_due_at: datetime | None


@dataclass(frozen=True)
class Queue:
    """All open work, by lane, and which lanes are not served (paused, or a connection that is not active)."""

    now: datetime
    lanes: list[LaneQueue]
    stopped: frozenset[int]

    def age_seconds(self, lanes: Iterable[LaneQueue] | None = None) -> float:
        """How long the oldest event has been waiting that could have been claimed; 0 when none is waiting."""
        moments = [
            lane.oldest_due_at
            for lane in (self.lanes if lanes is None else lanes)
            if lane.oldest_due_at is not None and lane.installation_id not in self.stopped
        ]
        return max(0.0, (self.now - min(moments)).total_seconds()) if moments else 0.0


def queue_look() -> Queue:
    """Two statements: one over the queue table, one over the installations that have work in it."""
    now = database_now()
    due = Q(state=InboxEvent.State.WAITING, due_at__lte=now)
    rows = (
        InboxEvent.unscoped.order_by()
        .values("installation_id", "state", "priority")
        .annotate(events=Count("pk"), due=Count("pk", filter=due), oldest=Min("due_at", filter=due))
    )
    lanes = [
        LaneQueue(
            row["installation_id"],
            row["state"],
            row["priority"] >= PRIORITY_IMPORT,
            row["events"],
            row["due"],
            row["oldest"],
        )
        for row in rows
    ]
    return Queue(now, lanes, _stopped({lane.installation_id for lane in lanes}))


def _stopped(installations: set[int]) -> frozenset[int]:
    served = Q(
        state=Installation.State.ACTIVE,
        source__state=Connection.State.ACTIVE,
        target__state=Connection.State.ACTIVE,
    )
    off = Q(source__connector__in=connectors_paused()) | Q(target__connector__in=connectors_paused())
    rows = Installation.unscoped.filter(pk__in=installations)
    return frozenset(rows.filter(~served | off).values_list("pk", flat=True))


def drains_by_state(now: datetime) -> dict[str, int]:
    """Slots of drains: alive, silent (no heartbeat lately), empty."""
    counts = Counter({"alive": 0, "silent": 0, "empty": 0})
    for alive, beat in WorkerSlot.objects.values_list("alive", "heartbeat_at"):
        fresh = beat is not None and beat >= now - STALE_HEARTBEAT
        counts["alive" if alive and fresh else "silent" if alive else "empty"] += 1
    return dict(counts)


def circuits_by_state(now: datetime) -> dict[tuple[str, str], int]:
    """Circuits and pauses in force, by scope (connection, host) and state (open, half_open, paused)."""
    counts = {(scope, state): 0 for scope in ("connection", "host") for state in ("open", "half_open", "paused")}
    rows = CircuitState.objects.filter(Q(open_until__isnull=False) | Q(paused_until__gt=now))
    for key, open_until, paused_until in rows.values_list("key", "open_until", "paused_until"):
        scope = key.partition(":")[0]
        if open_until is not None:
            counts[scope, "open" if open_until > now else "half_open"] += 1
        if paused_until is not None and paused_until > now:
            counts[scope, "paused"] += 1
    return counts


def budgets_left(now: datetime) -> dict[str, float]:
    """By connector the share left of its emptiest budget; connectors whose budgets are all full are left out."""
    emptiest: dict[str, float] = {}
    for budget in budgets_in_use(now):
        emptiest[budget.connector] = min(budget.left, emptiest.get(budget.connector, 1.0))
    return emptiest


def connectors_off() -> list[str]:
    """Connectors that an operator has paused for all tenants."""
    return list(pauses_in_force().values_list("connector", flat=True))


def connections_by_state() -> dict[tuple[str, str], int]:
    """Connections by connector and state, revoked ones left out."""
    rows = Connection.unscoped.exclude(state=Connection.State.REVOKED).values("connector", "state").order_by()
    return {(row["connector"], row["state"]): row["number"] for row in rows.annotate(number=Count("pk"))}


def polls_look(now: datetime) -> dict[str, float]:
    """How many cursors fail, and how far the most overdue one of a working connection is behind its time."""
    working = PollCursor.unscoped.filter(connection__state=Connection.State.ACTIVE)
    found = working.aggregate(
        failing=Count("pk", filter=Q(failures__gt=0)),
        oldest=Min("due_at", filter=Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=now)),
    )
    overdue = (now - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    return {"failing": found["failing"], "overdue_seconds": max(0.0, overdue)}


def alerts_unseen() -> dict[str, int]:
    rows = Alert.unscoped.filter(seen_at__isnull=True).values("kind").order_by()
    return {row["kind"]: row["number"] for row in rows.annotate(number=Count("pk"))}
