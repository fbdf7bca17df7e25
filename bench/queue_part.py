"""Does the queue's table stay small? A million events through it: stored, claimed and finished as the product does.

Also beside a transaction that somebody forgot to end, which keeps every dead row until it is over. PostgreSQL only.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from bench.figures import median, ratio
from bench.sixcall.tenant import Tenant
from bench.stack import Stack

RECORDS = 20_000
BATCH = 500
VACUUM_EVERY = 10_000  # events; the scheduler looks every ten seconds, so this is what it does at 1,000 events/s
SMALL, QUICK, LARGE = 10_000, 200_000, 1_000_000
OPEN_FOR = 200_000

_STORE = """
INSERT INTO runs_inboxevent (organisation_id, record_id, installation_id, via, priority, state, due_at, received_at,
                             merged, dirty, attempts, counted_failures, fence, worker, traceparent)
SELECT organisation_id, id, installation_id, 'webhook', 0, 'waiting', statement_timestamp(), statement_timestamp(),
       0, false, 0, 0, 0, '', ''
FROM runs_record WHERE id >= %s ORDER BY id LIMIT %s
"""
_LOOK = """
SELECT id FROM runs_inboxevent WHERE installation_id = %s AND state = 'waiting' AND due_at <= statement_timestamp()
ORDER BY priority, due_at, id LIMIT %s FOR UPDATE SKIP LOCKED
"""
_CLAIM = """
UPDATE runs_inboxevent SET state = 'leased', fence = fence + 1, attempts = attempts + 1, worker = 'bench', dirty = false,
       lease_expires_at = statement_timestamp() + interval '60 seconds'
WHERE id = ANY(%s)
"""
_RENEW = "UPDATE runs_inboxevent SET lease_expires_at = statement_timestamp() + interval '60 seconds' WHERE id = ANY(%s)"
_FINISH = "DELETE FROM runs_inboxevent WHERE id = ANY(%s)"


def measure(options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    with Stack(workers=1) as stack:
        if not stack.database_url:
            say("the queue's size needs PostgreSQL (DATABASE_URL); left out")
            return {}
        from bench.sixcall import seed

        queue = _Queue(seed.tenant("queue", stack.stub.address), say)
        small = queue.push(SMALL)
        large = queue.push((QUICK if options.quick else LARGE) - SMALL)
        with _forgotten(stack.database_url):
            held = queue.push(OPEN_FOR)
        after = queue.push(SMALL)
    return {
        "queue_events": queue.pushed,
        "queue_bytes_small": small["bytes"],
        "queue_bytes_large": large["bytes"],
        "queue_growth": ratio(large["bytes"], small["bytes"]),
        "queue_claim_ms_small": small["claim_ms"],
        "queue_claim_ms_large": large["claim_ms"],
        "queue_bytes_open_transaction": held["bytes"],
        "queue_claim_ms_open_transaction": held["claim_ms"],
        "queue_bytes_after_it": after["bytes"],
        "queue_claim_ms_after_it": after["claim_ms"],
    }


class _Queue:
    def __init__(self, tenant: Tenant, say: Callable[[str], None]) -> None:
        from django.db import connection

        self.installation, self.say, self.pushed, self._vacuum_at = tenant.installation_id, say, 0, 0
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO runs_record (organisation_id, installation_id, lane, record_type, record_id, label,"
                " fingerprint, observation, attempt_open, unclean, imported, facts, generation, reference_suffix,"
                " created_at, updated_at) SELECT organisation_id, id, 'bench', 'order', n, '', '', 0, false, false, false,"
                " '{}', 1, '', now(), now() FROM flows_installation, generate_series(1, %s) n WHERE id = %s",
                [RECORDS, self.installation],
            )
            cursor.execute("SELECT min(id) FROM runs_record")
            self.first = cursor.fetchone()[0]

    def push(self, events: int) -> dict[str, float]:
        """As many events through the queue, in batches; the largest size seen, and the median claim at the end."""
        from runs.upkeep import queue_vacuum

        began, largest, claims = time.monotonic(), 0, []
        for start in range(0, events, BATCH):
            claims.append(self._batch(self.first + (self.pushed + start) % RECORDS))
            if self.pushed + start >= self._vacuum_at:
                self._vacuum_at = self.pushed + start + VACUUM_EVERY
                largest = max(largest, self._bytes())
                queue_vacuum()
        self.pushed += events
        found = {"bytes": max(largest, self._bytes()), "claim_ms": round(median(claims[-20:]), 2)}
        self.say(f"{self.pushed} events, {found} in {time.monotonic() - began:.0f} s")
        return found

    def _batch(self, first: int) -> float:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(_STORE, [first, BATCH])
            began = time.perf_counter()
            cursor.execute(_LOOK, [self.installation, BATCH])
            ids = [pk for (pk,) in cursor.fetchall()]
            cursor.execute(_CLAIM, [ids])
            took = (time.perf_counter() - began) * 1000
            cursor.execute(_RENEW, [ids])
            cursor.execute(_FINISH, [ids])
        return took

    def _bytes(self) -> int:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_total_relation_size('runs_inboxevent')")
            return int(cursor.fetchone()[0])


class _forgotten:
    """A transaction that has seen the database and then does nothing, as a stuck report or a debugger leaves it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> None:
        import psycopg

        self.connection = psycopg.connect(self.url)
        self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.connection.execute("SELECT count(*) FROM runs_inboxevent")

    def __exit__(self, *exc: object) -> None:
        self.connection.rollback()
        self.connection.close()
