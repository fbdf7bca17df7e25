"""How circuits, pauses and budgets stand, for operators: what is open, who waits, what is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from connections.budget import pace_of
from connections.circuits import CONNECTION
from connections.models import CircuitState, Connection, RateBudget
from connectors.base.manifest import RateLimit
from connectors.registry import CONNECTORS


@dataclass(frozen=True)
class Trouble:
    """One circuit that is not closed, or a pause the provider asked for. ``name``: the host, or whose connection."""

    scope: str  # connection, host
    state: str  # open, half_open, paused
    name: str
    since: datetime | None
    until: datetime | None
    failures: int


def troubles_standing(now: datetime) -> list[Trouble]:
    """Longest open first."""
    rows = list(CircuitState.objects.filter(Q(open_until__isnull=False) | Q(paused_until__gt=now)))
    names = _names({row.key.removeprefix(CONNECTION) for row in rows if row.key.startswith(CONNECTION)})
    found = []
    for row in rows:
        scope, _, key = row.key.partition(":")
        name = names.get(key, key)
        if row.open_until is not None:
            state = "open" if row.open_until > now else "half_open"
            found.append(Trouble(scope, state, name, row.opened_at, row.open_until, row.failures))
        if row.paused_until is not None and row.paused_until > now:
            found.append(Trouble(scope, "paused", name, None, row.paused_until, 0))
    return sorted(found, key=lambda trouble: (trouble.since is None, trouble.since or now))


def _names(ids: set[str]) -> dict[str, str]:
    rows = Connection.unscoped.filter(pk__in=[pk for pk in ids if _is_uuid(pk)]).select_related("organisation")
    return {str(row.pk): f"{row.organisation}: {row.name}" for row in rows}


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


@dataclass(frozen=True)
class BudgetLeft:
    """A budget that is not full. ``left``: share of what may be spent at once, 0 to 1."""

    connection_id: UUID
    connector: str
    bucket: str
    left: float
    full_in_seconds: float


def budgets_in_use(now: datetime) -> list[BudgetLeft]:
    """Emptiest first; budgets that are full are left out."""
    rows = RateBudget.objects.filter(Q(full_at__gt=now) | Q(left_until__gt=now)).select_related("connection")
    return sorted((_left(row, now) for row in rows), key=lambda budget: budget.left)


def _left(row: RateBudget, now: datetime) -> BudgetLeft:
    limit = _limit_of(row)
    ahead = max(0.0, (row.full_at - now).total_seconds())
    left = 1.0
    if limit is not None:
        pace = pace_of(limit)
        room = pace.burst - ahead / pace.interval_seconds
        if row.left is not None and row.left_until is not None and row.left_until > now:
            room = min(room, row.left)
        left = min(1.0, max(0.0, room / pace.burst))
    return BudgetLeft(row.connection_id, row.connection.connector, row.bucket, left, ahead)


def _limit_of(row: RateBudget) -> RateLimit | None:
    if row.calls is not None and row.per_seconds is not None:
        return RateLimit(row.calls, row.per_seconds, "the provider's headers")
    connector = CONNECTORS.get(row.connection.connector)
    if connector is None:
        return None
    return connector.operation_limits.get(row.bucket) if row.bucket else connector.limit
