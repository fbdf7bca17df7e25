"""A hot statement on PostgreSQL: its values travel in binary, and the server keeps its plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection


def statement_run(statement: str, values: Sequence[Any], *, returns: bool = True) -> tuple[list[tuple[Any, ...]], int]:
    """:param statement: with ``%b`` where a value belongs and a cast wherever the server cannot tell the type.

    :returns: the rows, and how many were returned or changed.
    """
    import psycopg  # there on PostgreSQL only

    connection.ensure_connection()
    # Django's own cursor writes values into the text, so an array is escaped and parsed element by element, and no plan
    # can be kept. This one shares Django's connection and transaction.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, values)
        return (cursor.fetchall() if returns else []), cursor.rowcount
