"""Many rows in one statement, the same call on both databases.

The ORM spends more time on a row than the database does, and the queue's hot path writes a dozen rows per order. On
PostgreSQL every column travels as one array; elsewhere the rows are sent one by one inside the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from runs.statement import statement_run

Columns = Mapping[str, str]
"""Column → PostgreSQL type. ``jsonb`` columns take Python values."""


def rows_insert(table: str, columns: Columns, rows: Sequence[Sequence[Any]]) -> None:
    """Insert all of them, or raise what the database raises."""
    if rows:
        _insert(table, columns, rows, "")


def rows_insert_new(
    table: str, columns: Columns, rows: Sequence[Sequence[Any]], *, unique: Sequence[str]
) -> set[tuple]:
    """Insert those whose ``unique`` columns are not taken yet.

    :returns: the values of these columns in the rows that were inserted.
    """
    if not rows:
        return set()
    places = [list(columns).index(name) for name in unique]
    if connection.vendor == "postgresql":
        named = ", ".join(unique)
        return set(_insert(table, columns, rows, f"ON CONFLICT ({named}) DO NOTHING RETURNING {named}"))
    names = ", ".join(columns)
    marks = ", ".join(["%s"] * len(columns))
    inserted = set()
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute(
                f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - our own names
                _plain(columns, row),
            )
            if cursor.rowcount == 1:
                inserted.add(tuple(row[place] for place in places))
    return inserted


def rows_update(table: str, key: Columns, columns: Columns, rows: Sequence[Sequence[Any]], *, only: str = "") -> int:
    """Set ``columns`` of the rows named by ``key``; each row holds the key's values first.

    :param only: a further condition on the row as it is (``t`` is the table), e.g. ``t.state = 'open'``.
    :returns: how many rows were changed.
    """
    if not rows:
        return 0
    everything = {**key, **columns}
    condition = f" AND {only}" if only else ""
    if connection.vendor == "postgresql":
        changes = ", ".join(f"{name} = v.{name}" for name in columns)
        same = " AND ".join(f"t.{name} = v.{name}" for name in key)
        statement = f"UPDATE {table} t SET {changes} FROM {_arrays(everything)} WHERE {same}{condition}"  # noqa: S608
        return statement_run(statement, _columns(everything, rows), returns=False)[1]
    with connection.cursor() as cursor:
        changes = ", ".join(f"{name} = %s" for name in columns)
        same = " AND ".join(f"t.{name} = %s" for name in key)
        changed = 0
        for row in rows:
            values = _plain(everything, row)
            cursor.execute(
                f"UPDATE {table} AS t SET {changes} WHERE {same}{condition}",  # noqa: S608 - our own names
                [*values[len(key) :], *values[: len(key)]],
            )
            changed += cursor.rowcount
        return changed


def _insert(table: str, columns: Columns, rows: Sequence[Sequence[Any]], ending: str) -> list[tuple]:
    names = ", ".join(columns)
    if connection.vendor == "postgresql":
        statement = f"INSERT INTO {table} ({names}) SELECT {names} FROM {_arrays(columns)} {ending}"  # noqa: S608
        return statement_run(statement, _columns(columns, rows), returns=bool(ending))[0]
    with connection.cursor() as cursor:
        marks = ", ".join(["%s"] * len(columns))
        cursor.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - our own names
            [_plain(columns, row) for row in rows],
        )
        return []


def _arrays(columns: Columns) -> str:
    # jsonb travels as text: an array of jsonb would be parsed twice.
    types = ", ".join(f"%b::{'text' if kind == 'jsonb' else kind}[]" for kind in columns.values())
    names = ", ".join(columns)
    read = ", ".join(f"{name}::jsonb" if kind == "jsonb" else name for name, kind in columns.items())
    return f"(SELECT {read} FROM unnest({types}) AS u({names})) AS v({names})"  # noqa: S608


def _columns(columns: Columns, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    turned = zip(columns.values(), zip(*rows, strict=True), strict=True)
    return [[_READ[kind](value) for value in column] if kind in _READ else list(column) for kind, column in turned]


def _plain(columns: Columns, row: Sequence[Any]) -> list[Any]:
    """As the ORM writes them on SQLite: moments as text in UTC, ids without dashes, JSON as text."""
    values: list[Any] = []
    for kind, value in zip(columns.values(), row, strict=True):
        if kind in _READ:
            value = _READ[kind](value)
        elif isinstance(value, datetime):
            value = connection.ops.adapt_datetimefield_value(value)
        elif isinstance(value, UUID):
            value = value.hex
        values.append(value)
    return values


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _text(value: Any) -> str | None:
    # A member of an enumeration of texts would travel by its name.
    return value if value is None or type(value) is str else str(value)


_READ = {"jsonb": _json, "text": _text}
