"""Rate budget where a provider states a limit: one row per connection and bucket, from which processes lease blocks.

The row says when the budget will be full again; a block of n tokens moves that moment on by n intervals and is granted
while it does not lie further ahead than the burst reaches (generic cell rate algorithm). Times are the database's
clock, so all workers of all hosts spend one budget. A process spends its block in memory (connections/tokens.py) within
``Pace.life_seconds``; the pace leaves room for that delay, so that no window ever holds more calls than the limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from connections.models import RateBudget
from connectors.base.manifest import RateLimit

LONGEST_TOKEN_LIFE_SECONDS = 2.0
_STORED_TO_SECONDS = 1e-6  # a time is rounded so when it is stored; rounded up, it must not cost a token
_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Pace:
    """``burst`` calls at once, then one per ``interval_seconds``; each spent within ``life_seconds`` of its grant."""

    burst: int
    interval_seconds: float
    life_seconds: float = 0.0

    @property
    def most(self) -> int:
        """The largest block: what can be used up within its life, and never all of the burst."""
        return max(1, min(self.burst // 2, int(self.life_seconds / self.interval_seconds)))


def pace_of(limit: RateLimit) -> Pace:
    """The pace at which no window of the stated length ever holds more calls than stated.

    A tenth of the limit at once and the rest spread; or the provider's own bucket, where it keeps one.
    """
    calls, seconds = limit.calls, limit.per_seconds
    if calls < 1:
        calls, seconds = 1.0, seconds / calls
    if limit.burst is not None:
        interval = seconds / calls
        life = min(LONGEST_TOKEN_LIFE_SECONDS, limit.burst // 4 * interval)
        return Pace(max(1, limit.burst - math.ceil(life / interval)), interval, life)
    life = min(LONGEST_TOKEN_LIFE_SECONDS, seconds / 20)
    burst = max(1, int(calls) // 10)
    return Pace(burst, (seconds + life) / max(1.0, math.floor(calls) - burst), life)


@dataclass(frozen=True)
class Standing:
    """How a budget stands, in seconds from now: full after ``ahead``; until ``left_for`` no more than ``left``."""

    ahead: float
    left: int | None = None
    left_for: float = 0.0

    def at(self, seconds: float) -> Standing:
        """The same, so many seconds later."""
        return Standing(self.ahead - seconds, self.left, self.left_for - seconds)

    @property
    def bounded(self) -> bool:
        return self.left is not None and self.left_for > 0

    def could_grant(self, pace: Pace, seconds: float) -> float:
        """The most that may be granted from now until then."""
        steadily = pace.burst + (seconds - max(0.0, self.ahead)) / pace.interval_seconds
        return min(steadily, self.left) if self.left is not None and self.left_for > 0 else steadily


@dataclass(frozen=True)
class Taken:
    """A block, or after how many seconds to ask again. ``limit`` is the one in force, None where none is known."""

    tokens: int
    wait_seconds: float
    after: Standing
    limit: RateLimit | None


def grant(standing: Standing, limit: RateLimit, wanted: int) -> Taken:
    """At most ``wanted`` tokens from a budget that stands so."""
    pace = pace_of(limit)
    ahead = max(0.0, standing.ahead)
    room = math.floor(pace.burst - (ahead - _STORED_TO_SECONDS) / pace.interval_seconds)
    left = standing.left if standing.bounded else None
    tokens = max(0, min(wanted, room) if left is None else min(wanted, room, left))
    after = Standing(
        ahead + tokens * pace.interval_seconds, left if left is None else left - tokens, max(0.0, standing.left_for)
    )
    if tokens:
        return Taken(tokens, 0.0, after, limit)
    wait = ahead - (pace.burst - 1) * pace.interval_seconds
    if left is not None and left <= 0:
        wait = max(wait, standing.left_for)
    return Taken(0, max(0.01, wait), after, limit)


def block_take(connection_id: UUID, bucket: str, declared: RateLimit | None, wanted: int) -> Taken:
    """Lease up to ``wanted`` tokens.

    :param declared: the manifest's limit; what the provider's headers said of it since wins.
    """
    rows = _row(connection_id, bucket)
    with transaction.atomic():
        row = rows.select_for_update().annotate(present=Now()).get()
        limit = _in_force(row, declared)
        if limit is None:
            return Taken(wanted, 0.0, Standing(0.0), None)
        taken = grant(_standing(row, row.present), limit, wanted)
        if taken.tokens:
            rows.update(full_at=row.present + timedelta(seconds=taken.after.ahead), left=taken.after.left)
    return taken


def limit_learn(connection_id: UUID, bucket: str, calls: float, per_seconds: float) -> None:
    """The provider named its limit; all workers take it up with their next block."""
    _row(connection_id, bucket).update(calls=calls, per_seconds=per_seconds)


def budget_shrink(connection_id: UUID, bucket: str, left: int, seconds: float) -> None:
    """The provider counts fewer calls left than we do: no more than ``left`` are leased before ``seconds`` are over.

    A tighter bound that stands already is kept.
    """
    over = Q(left_until__isnull=True) | Q(left_until__lte=Now()) | Q(left__gt=left)
    _row(connection_id, bucket).filter(over).update(left=left, left_until=Now() + timedelta(seconds=seconds))


def _row(connection_id: UUID, bucket: str):  # type: ignore[no-untyped-def]
    RateBudget.objects.get_or_create(connection_id=connection_id, bucket=bucket, defaults={"full_at": _LONG_AGO})
    return RateBudget.objects.filter(connection_id=connection_id, bucket=bucket)


def _in_force(row: RateBudget, declared: RateLimit | None) -> RateLimit | None:
    if row.calls is None or row.per_seconds is None:
        return declared
    if declared is None:
        return RateLimit(row.calls, row.per_seconds, "the provider's headers")
    return replace(declared, calls=row.calls, per_seconds=row.per_seconds)


def _standing(row: RateBudget, present: datetime) -> Standing:
    left_for = (row.left_until - present).total_seconds() if row.left_until else 0.0
    return Standing((row.full_at - present).total_seconds(), row.left, left_for)
