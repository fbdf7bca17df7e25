"""Whose turn it is: lanes with due work, served in turn, each capped per tenant and per connection.

A lane is an installation. However many events wait in one, a claim looks at a bounded number of lanes and takes a share
from each, so a tenant with 100,000 waiting events delays another's single event by no more than one batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q

from connections.pauses import connectors_paused
from flows.models import Installation
from runs.models import InboxEvent, Record
from runs.statement import statement_run

MOST_LANES = 64
# Lanes without anything to serve are passed by; the next look begins behind them.
MOST_SEEN = 256
BEING_TAKEN_BACK = Q(record__take_back__isnull=False, record__taken_back_at__isnull=True)


@dataclass(frozen=True)
class Lane:
    """An installation with due work. ``undoing``: it is paused, only what is being taken back is served (rule C27)."""

    installation_id: int
    organisation_id: int
    pair_version_id: int
    source_id: Any
    target_id: Any
    undoing: bool = False


@dataclass
class Turns:
    """Where a worker's turn has come to: the lane it looked at last. ``capped``: a cap cut the latest claim.

    ``more``: the latest look met only lanes that cannot be served, and has not been round yet since ``began_after``.
    """

    after: int = 0
    capped: bool = False
    more: bool = False
    began_after: int | None = None

    def look_was(self, came_from: int, latest: int, *, at_an_end: bool) -> None:
        """:param at_an_end: it found somebody to serve, or there is nobody it has not looked at."""
        self.after = latest
        if at_an_end:
            self.more, self.began_after = False, None
            return
        self.began_after = came_from if self.began_after is None else self.began_after
        passed = came_from < self.began_after <= latest
        wrapped = latest <= came_from and (self.began_after > came_from or self.began_after <= latest)
        self.more = not passed and not wrapped
        if not self.more:
            self.began_after = None


@dataclass(frozen=True)
class Share:
    """How many events a claim may take from a lane."""

    lane: Lane
    most: int


def shares_of(*, limit: int, turns: Turns, now: datetime | None = None) -> list[Share]:
    """Divide ``limit`` among the lanes whose turn it is, and move the turn on.

    The caps count what all workers have in flight. They are looked at before the claim, so several workers that claim
    in the same moment may pass a cap by what they take just then.
    """
    came_from = turns.after
    lanes, latest, at_an_end = lanes_due(after=came_from, most=min(limit, MOST_LANES), now=now)
    turns.look_was(came_from, latest, at_an_end=at_an_end)
    turns.capped = False
    if not lanes:
        return []
    room = _Room(lanes)
    shares: list[Share] = []
    for position, lane in enumerate(lanes):
        left = limit - sum(share.most for share in shares)
        fair, free = -(-left // (len(lanes) - position)), room.of(lane)
        turns.capped |= free < fair
        most = min(fair, free)
        if most > 0:
            room.take(lane, most)
            shares.append(Share(lane, most))
    return shares


class _Room:
    """What the caps leave free, by tenant and by connection."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._taken: Counter[Any] = Counter()
        # Counted over leased events only: as many as all workers together have in flight.
        leased = InboxEvent.unscoped.filter(state=InboxEvent.State.LEASED).order_by()
        sides = ("organisation_id", "installation__source_id", "installation__target_id")
        for organisation, source, target, count in leased.values_list(*sides).annotate(Count("pk")):
            self._add(organisation, {source, target}, count)

    def _add(self, organisation: int, connections: Iterable[Any], count: int) -> None:
        self._taken["tenant", organisation] += count
        for side in connections:
            self._taken["connection", side] += count

    def of(self, lane: Lane) -> int:
        tenant = settings.TENANT_IN_FLIGHT - self._taken["tenant", lane.organisation_id]
        sides = [
            settings.CONNECTION_IN_FLIGHT - self._taken["connection", side] for side in (lane.source_id, lane.target_id)
        ]
        return max(0, min(tenant, *sides))

    def take(self, lane: Lane, count: int) -> None:
        self._add(lane.organisation_id, {lane.source_id, lane.target_id}, count)


def lanes_due(*, after: int, most: int, now: datetime | None = None) -> tuple[list[Lane], int, bool]:
    """Up to ``most`` lanes with due work that may be served, from the one behind ``after`` on and round again.

    Not served: an installation that is off, a connection that needs attention, a connector that is paused for all.

    :returns: the lanes in turn; the last one looked at, behind which the next look begins; whether that look found
        some, or saw all there are.
    """
    if connection.vendor == "postgresql":
        seen = _lanes_postgresql(after)
    else:
        seen = _lanes_portable(after, cast(datetime, now))
    lanes: list[Lane] = []
    latest = after
    for lane, is_served in seen:
        if len(lanes) == most:
            break
        latest = lane.installation_id
        if is_served:
            lanes.append(lane)
    return lanes, latest, bool(lanes) or len(seen) < MOST_SEEN


# One index probe per lane, however many events wait in it: a plain DISTINCT would read them all. Scalar subqueries
# with a LIMIT stay probes; as EXISTS they may be planned as a scan over everything that waits.
_WALK = """
    {name} AS (
        (SELECT installation_id AS id FROM {event} WHERE state = 'waiting' AND installation_id > {start}
         ORDER BY installation_id LIMIT 1)
        UNION ALL
        SELECT (SELECT e.installation_id FROM {event} e WHERE e.state = 'waiting' AND e.installation_id > l.id
                ORDER BY e.installation_id LIMIT 1)
        FROM {name} l WHERE l.id IS NOT NULL
    )"""
_DUE = """(SELECT 1 FROM {event} e WHERE e.installation_id = i.id AND e.state = 'waiting' AND e.priority = {priority}
               AND e.due_at <= statement_timestamp() LIMIT 1) IS NOT NULL"""
_UNDOING = """(SELECT 1 FROM {record} r JOIN {event} e ON e.record_id = r.id
               WHERE r.installation_id = i.id AND r.take_back_id IS NOT NULL AND r.taken_back_at IS NULL
                 AND e.state = 'waiting' AND e.due_at <= statement_timestamp() LIMIT 1) IS NOT NULL"""
_EVENT, _RECORD = InboxEvent._meta.db_table, Record._meta.db_table
_DUE_NOW = " OR ".join(_DUE.format(event=_EVENT, priority=priority) for priority in InboxEvent.PRIORITIES)
_LANES = f"""
WITH RECURSIVE {_WALK.format(name="onward", event=_EVENT, start="%b")},
    {_WALK.format(name="again", event=_EVENT, start="0")},
seen AS (
    (SELECT 1 AS way, id FROM onward WHERE id IS NOT NULL LIMIT {MOST_SEEN})
    UNION ALL
    (SELECT 2 AS way, id FROM again WHERE id <= %b LIMIT {MOST_SEEN})
)
SELECT i.id, i.organisation_id, i.pair_version_id, i.source_id, i.target_id, i.state = 'paused',
       s.state = 'active' AND t.state = 'active' AND s.connector <> ALL (%b::text[]) AND t.connector <> ALL (%b::text[])
       AND CASE i.state WHEN 'active' THEN {_DUE_NOW}
                        WHEN 'paused' THEN {_UNDOING.format(event=_EVENT, record=_RECORD)} ELSE false END
FROM seen JOIN flows_installation i ON i.id = seen.id
JOIN connections_connection s ON s.id = i.source_id JOIN connections_connection t ON t.id = i.target_id
ORDER BY seen.way, seen.id LIMIT {MOST_SEEN}
"""  # noqa: S608 - our own table names

Seen = list[tuple[Lane, bool]]
"""Lanes in turn, and whether each may be served."""


def _lanes_postgresql(after: int) -> Seen:
    paused = list(connectors_paused())
    rows, _ = statement_run(_LANES, [after, after, paused, paused])
    return [(Lane(*row[:-1]), row[-1]) for row in rows]


def _lanes_portable(after: int, now: datetime) -> Seen:
    due = InboxEvent.unscoped.filter(state=InboxEvent.State.WAITING, due_at__lte=now).order_by()
    served = Q(state=Installation.State.ACTIVE) | Q(
        state=Installation.State.PAUSED,
        pk__in=due.filter(BEING_TAKEN_BACK).values("installation_id").distinct(),
    )
    rows = Installation.unscoped.filter(
        served,
        pk__in=due.values("installation_id").distinct(),
        source__state="active",
        target__state="active",
    ).exclude(Q(source__connector__in=connectors_paused()) | Q(target__connector__in=connectors_paused()))
    columns = ("pk", "organisation_id", "pair_version_id", "source_id", "target_id", "state")
    found = [
        Lane(pk, organisation, version, source, target, undoing=state == Installation.State.PAUSED)
        for pk, organisation, version, source, target, state in rows.order_by("pk").values_list(*columns)
    ]
    onward = [lane for lane in found if lane.installation_id > after]
    again = [lane for lane in found if lane.installation_id <= after]
    return [(lane, True) for lane in [*onward, *again]]
