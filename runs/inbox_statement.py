"""The way in for a provider's call on PostgreSQL: records and events in one statement, committed by itself.

It says exactly what ``runs.inbox`` says with several; whatever is not the common case it leaves to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection

from flows.models import Installation
from runs.models import InboxEvent, Record
from runs.statement import statement_run

_RECORD, _EVENT = Record._meta.db_table, InboxEvent._meta.db_table

# Records are never locked here (DO NOTHING): flushes and claims lock events before records. An event that is being
# finished makes the upsert wait, and is then gone: its successor is inserted. One that is being claimed is told: dirty.
# Everything a webhook's acceptance rests on. ``updated_at`` moves with every change of an installation.
_STAMP = """
SELECT md5(concat_ws('|', c.state, c.account_id, md5(c.sealed_webhook_secret), (
    SELECT string_agg(concat_ws(':', i.id, i.state, i.pair_version_id, i.updated_at), ',' ORDER BY i.id)
    FROM flows_installation i WHERE i.source_id = c.id OR i.target_id = c.id)))
FROM connections_connection c WHERE c.id = %b"""

# The record is looked up by its key alone, the installation compared afterwards: a planner without statistics of this
# tenant would choose the index by installation and read all its records for every webhook.
_TEXT = """
WITH given AS (
    SELECT * FROM {news} AS g(record_type, record_id, label)
    WHERE %b::text IS NULL OR %b = ({stamp})
), made AS (
    INSERT INTO {record} (organisation_id, installation_id, lane, record_type, record_id, label, fingerprint,
                           observation, attempt_open, unclean, imported, facts, generation, reference_suffix,
                           created_at, updated_at)
    SELECT %b::bigint, %b::bigint, %b, record_type, record_id, label, '', 0, false, false, false, '{{}}', 1, '',
           statement_timestamp(), statement_timestamp()
    FROM given
    ON CONFLICT (organisation_id, lane, record_type, record_id) DO NOTHING
    RETURNING id
), known AS (
    SELECT r.id FROM given g CROSS JOIN LATERAL (
        SELECT id, installation_id FROM {record}
        WHERE organisation_id = %b AND lane = %b AND record_type = g.record_type AND record_id = g.record_id
        LIMIT 1
    ) AS r
    WHERE r.installation_id = %b
)
INSERT INTO {event} AS e (organisation_id, record_id, installation_id, via, priority, state, due_at, received_at,
                           merged, dirty, attempts, counted_failures, fence, worker, traceparent)
SELECT %b::bigint, id, %b::bigint, %b, %b::int2, 'waiting', statement_timestamp(), statement_timestamp(),
       0, false, 0, 0, 0, '', %b
FROM (SELECT id FROM made UNION SELECT id FROM known) AS r
ORDER BY id
ON CONFLICT (record_id) DO UPDATE SET
    merged = e.merged + 1,
    dirty = e.dirty OR e.state = 'leased',
    counted_failures = CASE WHEN e.state IN ('held', 'dead') THEN 0 ELSE e.counted_failures END,
    state = CASE e.state WHEN 'leased' THEN e.state ELSE 'waiting' END,
    installation_id = CASE e.state WHEN 'leased' THEN e.installation_id ELSE EXCLUDED.installation_id END,
    priority = CASE e.state WHEN 'leased' THEN e.priority ELSE LEAST(e.priority, EXCLUDED.priority) END,
    due_at = CASE e.state WHEN 'leased' THEN e.due_at ELSE GREATEST(EXCLUDED.due_at, e.not_before) END
RETURNING e.merged
"""
_NAMES = {"stamp": _STAMP, "record": _RECORD, "event": _EVENT}
_SEVERAL = _TEXT.format(news="unnest(%b::text[], %b::text[], %b::text[])", **_NAMES)
_ONE = _TEXT.format(news="(VALUES (%b::text, %b::text, %b::text))", **_NAMES)  # most deliveries; no array to take apart


@dataclass(frozen=True)
class Listening:
    """That these installations listen to the connection was true when ``stamp`` was taken."""

    connection_id: UUID
    stamp: str


class ListenersChanged(Exception):
    """Somebody switched, connected or revoked meanwhile. Nothing was stored; find out anew who listens."""


def stamp_of(connection_id: UUID) -> str:
    """Empty where there is no such connection (any more)."""
    rows, _ = statement_run(_STAMP, [connection_id])
    return str(rows[0][0]) if rows else ""


def listening_confirm(listening: Listening) -> None:
    """:raises ListenersChanged: it does not hold any more."""
    if stamp_of(listening.connection_id) != listening.stamp:
        raise ListenersChanged


def can_store_at_once() -> bool:
    """Only on PostgreSQL, and only outside a transaction: the statement commits by itself."""
    return connection.vendor == "postgresql" and not connection.in_atomic_block


def _told(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Once more on a new connection where the old one is gone (the database restarted): storing twice is harmless."""
    try:
        return statement_run(statement, values)[0]
    except OperationalError:
        if connection.is_usable():
            raise
        connection.close()
        return statement_run(statement, values)[0]


def news_store_at_once(
    installation: Installation,
    items: Sequence[tuple[str, str, str]],
    *,
    via: str,
    priority: int,
    traceparent: str = "",
    listening: Listening | None = None,
) -> int | None:
    """Store news without fingerprints; durable when it returns.

    :param items: record type, record id and label, each record once.
    :returns: how many events were opened, the others were merged. None where a record belongs to another installation
        of the same accounts, or another sender was just inserting it: the news is then to be stored the long way
        (again, for those that are stored already).
    :raises ListenersChanged: ``listening`` does not hold any more.
    """
    tenant, own, lane = installation.organisation_id, installation.pk, installation.lane
    # In one order everywhere, so that two senders of the same records wait for each other instead of deadlocking.
    types, ids, labels = zip(*sorted(items), strict=True)
    record = (tenant, own, lane)
    known = (tenant, lane, own)
    event = (tenant, own, via, priority, traceparent)
    columns = (list(types), list(ids), [label[:200] for label in labels])
    statement, given = (_ONE, [column[0] for column in columns]) if len(items) == 1 else (_SEVERAL, list(columns))
    stamp, connection_id = (listening.stamp, listening.connection_id) if listening else (None, None)
    told = _told(statement, [*given, stamp, stamp, connection_id, *record, *known, *event])
    if len(told) != len(items):
        if listening is not None:
            listening_confirm(listening)
        return None
    return sum(merged == 0 for (merged,) in told)
