"""Rate budget where a provider states a limit: one row per connection, one conditional update per call.

The row says when the budget will be full again; a call moves that moment on by one interval and is granted while it
does not lie further ahead than the burst reaches (generic cell rate algorithm). Times are the database's clock, so all
workers spend one budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Greatest, Now

from connections.models import RateBudget
from connectors.base.manifest import RateLimit
from tenants.clock import database_now


@dataclass(frozen=True)
class Pace:
    """``burst`` calls at once, then one per ``interval_seconds``."""

    burst: int
    interval_seconds: float


def pace_of(limit: RateLimit) -> Pace:
    """A tenth of the limit at once, the rest spread, so that no window of the stated length ever holds more."""
    burst = max(1, limit.calls // 10)
    return Pace(burst, limit.per_seconds / max(1, limit.calls - burst))


def budget_take(connection_id: UUID, pace: Pace) -> float:
    """Spend one call. :returns: 0 when granted, else after how many seconds to ask again."""
    RateBudget.objects.get_or_create(connection_id=connection_id, defaults={"full_at": datetime.fromtimestamp(0, UTC)})
    rows = RateBudget.objects.filter(connection_id=connection_id)
    ahead = timedelta(seconds=(pace.burst - 1) * pace.interval_seconds)
    granted = rows.filter(full_at__lte=Now() + ahead).update(
        full_at=Greatest(F("full_at"), Now()) + timedelta(seconds=pace.interval_seconds)
    )
    if granted:
        return 0.0
    full_at = rows.values_list("full_at", flat=True).get()
    return max(0.01, (full_at - ahead - database_now()).total_seconds())
