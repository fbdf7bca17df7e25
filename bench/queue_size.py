"""Does the queue's table stay small? Events through it as the product's statements do, and the scheduler's upkeep.

Also beside a transaction that somebody forgot to end, which keeps every dead row until it is over. PostgreSQL only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from bench.figures import median, ratio

RECORDS = 20_000
BATCH = 500
UPKEEP_EVENTS = 10_000  # the scheduler looks every ten seconds: what it does at 1,000 events/s
SMALL = 10_000

_RECORDS = """
INSERT INTO runs_record (organisation_id, installation_id, lane, record_type, record_id, label, fingerprint,
                         observation, attempt_open, unclean, imported, facts, generation, reference_suffix,
                         created_at, updated_at)
SELECT organisation_id, id, 'queue-size', 'order', n, '', '', 0, false, false, false, '{}', 1, '', now(), now()
FROM flows_installation, generate_series(1, %s) n WHERE id = %s
RETURNING id
"""
_STORE = """
INSERT INTO runs_inboxevent (organisation_id, record_id, installation_id, via, priority, state, due_at, received_at,
                             merged, dirty, attempts, counted_failures, fence, worker, traceparent)
SELECT organisation_id, id, installation_id, 'webhook', 0, 'waiting', statement_timestamp(), statement_timestamp(),
       0, false, 0, 0, 0, '', ''
FROM runs_record WHERE id = ANY(%s)
"""
_LOOK = """
SELECT id FROM runs_inboxevent
WHERE installation_id = %s AND state = 'waiting' AND priority = 0 AND due_at <= statement_timestamp()
ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED
"""
_CLAIM = """
UPDATE runs_inboxevent
SET state = 'leased', fence = fence + 1, attempts = attempts + 1, worker = 'bench', dirty = false,
    lease_expires_at = statement_timestamp() + interval '60 seconds'
WHERE id = ANY(%s)
"""
_RENEW = """
UPDATE runs_inboxevent SET lease_expires_at = statement_timestamp() + interval '60 seconds' WHERE id = ANY(%s)
"""
_FINISH = "DELETE FROM runs_inboxevent WHERE id = ANY(%s)"


class QueueSize:
    """Stored, claimed, renewed once and finished, ``BATCH`` events at a time."""

    def __init__(self, installation_id: int, say: Callable[[str], None]) -> None:
        from django.db import connection

        self.installation_id, self.say, self.pushed = installation_id, say, 0
        with connection.cursor() as cursor:
            cursor.execute(_RECORDS, [RECORDS, installation_id])
            self.records = [pk for (pk,) in cursor.fetchall()]

    def measure(self, events: int) -> dict[str, Any]:
        from django.db import connection

        small = self.push(SMALL)
        large = self.push(events - SMALL)
        with forgotten_transaction():
            held = self.push(events // 5)
        after = self.push(SMALL)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM runs_record WHERE id = ANY(%s)", [self.records])
        return {
            "queue_events": events,
            "queue_table_kb": large["kb"],
            "queue_table_growth": ratio(large["kb"], small["kb"]),
            "queue_claim_ms": [small["claim_ms"], large["claim_ms"]],
            "queue_open_transaction": {**held, "events": events // 5, "after_it": after},
        }

    def push(self, events: int) -> dict[str, Any]:
        """The table's largest size, indexes included, and the median of the last claims."""
        from runs.upkeep import queue_vacuum

        began, largest, claims = time.monotonic(), 0, []
        for _ in range(max(1, events // BATCH)):
            claims.append(self._batch())
            if self.pushed % UPKEEP_EVENTS == 0:
                largest = max(largest, _table_bytes())
                queue_vacuum()
        found = {"kb": round(max(largest, _table_bytes()) / 1024), "claim_ms": round(median(claims[-20:]), 2)}
        self.say(f"queue table after {self.pushed} events: {found} ({time.monotonic() - began:.0f} s)")
        return found

    def _batch(self) -> float:
        from django.db import connection

        first = self.pushed % RECORDS
        self.pushed += BATCH
        with connection.cursor() as cursor:
            cursor.execute(_STORE, [self.records[first : first + BATCH]])
            began = time.perf_counter()
            cursor.execute(_LOOK, [self.installation_id, BATCH])
            ids = [pk for (pk,) in cursor.fetchall()]
            cursor.execute(_CLAIM, [ids])
            took = (time.perf_counter() - began) * 1000
            assert len(ids) == BATCH, f"claimed {len(ids)}"
            cursor.execute(_RENEW, [ids])
            cursor.execute(_FINISH, [ids])
        return took


@contextmanager
def forgotten_transaction():
    """It has seen the database and then does nothing, as a stuck report or a debugger leaves it."""
    import psycopg
    from django.db import connection

    parameters = connection.get_connection_params()
    keep = {name: parameters[name] for name in ("dbname", "user", "password", "host", "port") if parameters.get(name)}
    with psycopg.connect(**keep) as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM runs_inboxevent")
        yield
        other.rollback()


def _table_bytes() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('runs_inboxevent')")
        return int(cursor.fetchone()[0])
