"""The one clock that all processes share: the database's (rule C11)."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection


def database_now() -> datetime:
    """The database's present moment, aware, in UTC (milliseconds on SQLite)."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT statement_timestamp()")
            return cursor.fetchone()[0].astimezone(UTC)
        cursor.execute("SELECT strftime('%%Y-%%m-%%dT%%H:%%M:%%f', 'now')", [])
        return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)
