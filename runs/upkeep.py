"""Keeping the database's small, busy tables small (PostgreSQL), and noticing what keeps them from it."""

from __future__ import annotations

import logging
import time

from django.db import connection

log = logging.getLogger(__name__)

QUEUE = "runs_inboxevent"
LOOK_SECONDS = 10.0
DEAD_ROWS = 5_000
OLD_TRANSACTION_SECONDS = 300.0


class Upkeep:
    """``round()`` looks now and then; several schedulers do no harm."""

    def __init__(self) -> None:
        self._look_next = 0.0

    def round(self) -> bool:
        """:returns: True when the queue's table was vacuumed."""
        if time.monotonic() < self._look_next:
            return False
        self._look_next = time.monotonic() + LOOK_SECONDS
        if connection.vendor != "postgresql":
            return False
        age = oldest_transaction_seconds()
        if age > OLD_TRANSACTION_SECONDS:
            log.warning("a transaction has been open for %.0f s: until it ends, dead rows of the queue stay", age)
        return dead_rows() >= DEAD_ROWS and queue_vacuum()


def dead_rows() -> int:
    """Rows of the queue that nobody sees any more, as the statistics have them; 0 where there are none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = %s::regclass", [QUEUE])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def queue_vacuum() -> bool:
    """Free what finished events left behind. Autovacuum would come at most once a minute, or may be off."""
    with connection.cursor() as cursor:
        # Whoever is at it already does it for all. Its statistics are of an empty or a full queue, both are wrong soon.
        cursor.execute(f"VACUUM (SKIP_LOCKED, TRUNCATE false) {QUEUE}")
    return True


def oldest_transaction_seconds() -> float:
    """Age of the oldest snapshot or prepared transaction on this database; 0 without PostgreSQL.

    Sessions of other database users show only to users with ``pg_read_all_stats``.
    """
    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(extract(epoch FROM now() - least("
            " (SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database()"
            "  AND pid <> pg_backend_pid() AND backend_type = 'client backend'),"
            " (SELECT min(prepared) FROM pg_prepared_xacts WHERE database = current_database()))), 0)"
        )
        return max(0.0, float(cursor.fetchone()[0]))
