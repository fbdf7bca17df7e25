"""A claim on PostgreSQL: one statement that takes the events, marks their records and opens their runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from runs.lanes import Share
from runs.models import InboxEvent, Record, Run
from runs.statement import statement_run

_EVENT, _RECORD, _RUN = InboxEvent._meta.db_table, Record._meta.db_table, Run._meta.db_table
_RECORD_COLUMNS = [field.attname for field in Record._meta.concrete_fields]
_RECORD_JSON = _RECORD_COLUMNS.index("facts")
_PRIORITIES = ", ".join(f"({priority})" for priority in InboxEvent.PRIORITIES)

_FINAL = ", ".join(f"'{state}'" for state in Run.TERMINAL)

# An event never points at a run that has ended; should one all the same, it gets a new run instead of stopping claims.
_OF_EVENT = f"""e.id, e.record_id, e.priority, e.due_at,
            (SELECT r.id FROM {_RUN} r WHERE r.id = e.run_id AND r.state NOT IN ({_FINAL})) AS run_id"""  # noqa: S608 - our own names, here and below
_DUE = "e.state = 'waiting' AND e.due_at <= statement_timestamp()"

# Each lane's share is read off its index, priority by priority: events that wait for a later time cost nothing. Locked
# are at most as many rows per priority as the share; those not taken are free again when the statement has committed.
_PICK = f"""
    SELECT c.* FROM (VALUES {_PRIORITIES}) AS q(priority) CROSS JOIN LATERAL (
        SELECT {_OF_EVENT} FROM {_EVENT} e
        WHERE e.installation_id = w.lane AND e.priority = q.priority AND {_DUE}
        ORDER BY e.due_at, e.id LIMIT w.share FOR UPDATE SKIP LOCKED
    ) AS c ORDER BY c.priority, c.due_at, c.id LIMIT w.share"""  # noqa: S608
# Of a paused lane only what is being taken back, read off the index of such records: the others may be many.
_PICK_UNDOING = f"""
    SELECT {_OF_EVENT} FROM {_RECORD} r JOIN {_EVENT} e ON e.record_id = r.id
    WHERE r.installation_id = w.lane AND r.take_back_id IS NOT NULL AND r.taken_back_at IS NULL AND {_DUE}
    ORDER BY e.priority, e.due_at, e.id LIMIT w.share FOR UPDATE OF e SKIP LOCKED"""  # noqa: S608

# The run's number is drawn before its row is written; the constraint between them is checked at the commit. The record
# is the one that was marked, never the statement's snapshot: somebody may have changed it before the event was locked.
_STATEMENT = """
WITH wanted AS (
    SELECT * FROM unnest(%b::bigint[], %b::int[], %b::bigint[]) AS w(lane, share, version)
), picked AS (
    SELECT p.id, p.run_id, w.version FROM wanted w CROSS JOIN LATERAL ({pick}) AS p
), leased AS (
    UPDATE {event} e SET
        state = 'leased', fence = e.fence + 1, attempts = e.attempts + 1, worker = %b, dirty = false,
        lease_expires_at = statement_timestamp() + %b::float8 * interval '1 second',
        run_id = COALESCE(p.run_id, nextval(pg_get_serial_sequence('{run}', 'id')))
    FROM picked p WHERE e.id = p.id
    RETURNING e.*, p.run_id IS NULL AS is_fresh, p.version
), marked AS (
    UPDATE {record} r SET unclean = r.unclean OR r.attempt_open, attempt_open = true, latest_run_id = l.run_id
    FROM leased l WHERE r.id = l.record_id
    RETURNING r.*
), opened AS (
    INSERT INTO {run} (id, public_id, organisation_id, installation_id, pair_version_id, record_id, via, state,
                        attempts, reason, cause, calls, facts, received_at, started_at, traceparent)
    SELECT l.run_id, gen_random_uuid(), l.organisation_id, l.installation_id, l.version, l.record_id, l.via, 'open', 1,
           '', '', '{{}}', '{{}}', l.received_at, statement_timestamp(), l.traceparent
    FROM leased l WHERE l.is_fresh
    RETURNING id, public_id
), resumed AS (
    UPDATE {run} r SET state = 'open', attempts = r.attempts + 1, next_attempt_at = NULL
    FROM leased l WHERE r.id = l.run_id AND NOT l.is_fresh
    RETURNING r.id, r.public_id, r.calls, r.pair_version_id, r.attempts
)
SELECT l.id, l.fence, l.attempts, l.counted_failures, l.installation_id, l.organisation_id, l.via, l.received_at,
       l.run_id, COALESCE(o.public_id, u.public_id), u.calls, COALESCE(u.pair_version_id, l.version),
       COALESCE(u.attempts, 1), l.traceparent, {record_columns}
FROM leased l JOIN marked r ON r.id = l.record_id
LEFT JOIN opened o ON o.id = l.run_id LEFT JOIN resumed u ON u.id = l.run_id
"""


def _statement(pick: str) -> str:
    columns = ", ".join(f"r.{name}" for name in _RECORD_COLUMNS)
    return _STATEMENT.format(pick=pick, event=_EVENT, record=_RECORD, run=_RUN, record_columns=columns)


_TAKE, _TAKE_UNDOING = _statement(_PICK), _statement(_PICK_UNDOING)


def events_take(shares: Sequence[Share], *, worker: str, lease_seconds: float) -> list[InboxEvent]:
    """The events taken, each with its record and its run. A record whose attempt was open is unclean now."""
    events = []
    for statement, undoing in ((_TAKE, False), (_TAKE_UNDOING, True)):
        these = [share for share in shares if share.lane.undoing is undoing]
        if these:
            lanes = [share.lane.installation_id for share in these]
            versions = [share.lane.pair_version_id for share in these]
            values = [lanes, [share.most for share in these], versions, worker, lease_seconds]
            events += [_event(row) for row in statement_run(statement, values)[0]]
    return events


def _event(row: Sequence[Any]) -> InboxEvent:
    pk, fence, attempts, failures, installation, organisation, via, received, run_id, public_id = row[:10]
    calls, version, tries, traceparent = row[10:14]
    columns = list(row[14:])
    columns[_RECORD_JSON] = json.loads(columns[_RECORD_JSON])
    record = Record.from_db("default", _RECORD_COLUMNS, columns)
    record.attempt_open = False  # it is this claim's own mark; an earlier one has made the record unclean
    event = InboxEvent(
        pk=pk,
        fence=fence,
        attempts=attempts,
        counted_failures=failures,
        installation_id=installation,
        organisation_id=organisation,
        via=via,
        received_at=received,
    )
    event.record = record
    event.run = Run(
        pk=run_id,
        public_id=public_id,
        organisation_id=organisation,
        installation_id=installation,
        pair_version_id=version,
        record=record,
        via=via,
        attempts=tries,
        calls=json.loads(calls) if calls else {},
        received_at=received,
        traceparent=traceparent,
    )
    return event
