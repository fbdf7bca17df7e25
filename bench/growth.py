"""Years of finished runs by COPY: every tenant's first real order, multiplied with all rows that belong to it.

The rows are taken from the database itself (``COPY … TO``), so whatever columns and tables the product has are filled;
only keys, ids, moments and the order's number differ from copy to copy. PostgreSQL only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from runs.models import Record, Run

RUNS_PER_BATCH = 20_000
CONNECTIONS = 2
_NULL = "\\N"


@dataclass(frozen=True)
class _Line:
    """One row of a template as a format: ``%(id)s`` and its like where copies differ."""

    format: str
    with_payload: str


@dataclass(frozen=True)
class Template:
    """A finished order of one installation, by table."""

    order: str
    lines: dict[str, list[_Line]]


def fill(
    installations: Sequence[int],
    runs: int,
    *,
    newest: datetime,
    every: timedelta,
    payloads_from: datetime | None = None,
) -> None:
    """Add ``runs`` finished runs, in turn over the installations, one per ``every`` backwards from ``newest``.

    Each installation needs one finished order, which is what is multiplied.

    :param payloads_from: older copies have forgotten their payloads, as retention leaves them; None: all keep them.
    """
    templates = [template_of(installation) for installation in installations]
    tables = list(templates[0].lines)
    next_ids = {table: _next_id(table) for table in tables}
    unique = int.from_bytes(os.urandom(4), "big") << 96

    def batch(numbers: range, ids: dict[str, int]) -> None:
        with closing(connection), transaction.atomic():
            _checks_off()
            for table in tables:
                _copy(table, _rows(table, templates, numbers, ids, unique, newest, every, payloads_from))

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        running = []
        for start in range(0, runs, RUNS_PER_BATCH):
            numbers = range(start, min(start + RUNS_PER_BATCH, runs))
            running.append(pool.submit(batch, numbers, dict(next_ids)))
            _advance(next_ids, templates, numbers)
        for each in running:
            each.result()
    for table in tables:
        _sequence_set(table, next_ids[table])
    settle(tables)


def settle(tables: Iterable[str] = ()) -> None:
    """What autovacuum would have done by then: visibility and statistics of the filled tables."""
    with connection.cursor() as cursor:
        for table in tables or [model._meta.db_table for model in history()]:
            cursor.execute(f'VACUUM (ANALYZE) "{table}"')


def history() -> list[type[models.Model]]:
    """Record and Run, then every table of the product whose rows belong to one of them, the queue aside."""
    others = [
        model
        for model in apps.get_app_config("runs").get_models()
        if model not in (Record, Run) and model.__name__ not in ("InboxEvent", "Alert") and _owner(model) is not None
    ]
    return [Record, Run, *others]


def _owner(model: type[models.Model]) -> models.ForeignKey | None:
    fields = [field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)]
    for owner in (Run, Record):
        for field in fields:
            if field.related_model is owner and not field.null:
                return field
    return None


def template_of(installation: int) -> Template:
    """:raises Run.DoesNotExist: the installation has no finished run."""
    # The first one: it is a real order, later ones may be copies that have forgotten their payloads.
    done = Run.unscoped.filter(installation_id=installation, state=Run.State.DONE).select_related("record")
    run = done.earliest("pk")
    chosen = {Record: {"pk": run.record_id}, Run: {"pk": run.pk}}
    for model in history()[2:]:
        field = _owner(model)
        assert field is not None
        chosen[model] = {field.attname: run.pk if field.related_model is Run else run.record_id}
    order = run.record.record_id
    lines = {
        model._meta.db_table: [_line(model, row, order) for row in _text_rows(model, where)]
        for model, where in chosen.items()
    }
    return Template(order, {table: found for table, found in lines.items() if found})


def _text_rows(model: type[models.Model], where: dict[str, Any]) -> list[list[str]]:
    """Rows as COPY writes them, column by column in the model's order."""
    columns = ", ".join(f'"{field.column}"' for field in model._meta.concrete_fields)
    ((name, value),) = where.items()
    column = model._meta.pk.column if name == "pk" else name
    query = f'COPY (SELECT {columns} FROM "{model._meta.db_table}" WHERE "{column}" = {int(value)}) TO STDOUT'
    with connection.cursor() as cursor, cursor.cursor.copy(query) as copy:  # type: ignore[union-attr]
        return [line.split("\t") for line in b"".join(map(bytes, copy)).decode().splitlines()]


def _line(model: type[models.Model], values: list[str], order: str) -> _Line:
    forgotten, whole = [], []
    for field, value in zip(model._meta.concrete_fields, values, strict=True):
        text = _placeholder(field, value) or value.replace("%", "%%").replace(order, "%(order)s")
        whole.append(text)
        forgotten.append(_NULL if field.name == "sealed" and field.null else text)
    return _Line("\t".join(forgotten) + "\n", "\t".join(whole) + "\n")


def _placeholder(field: models.Field, value: str) -> str:
    if value == _NULL:
        return _NULL
    if field.primary_key:
        return "%(id)d"
    if isinstance(field, models.ForeignKey) and field.related_model in (Record, Run):
        return "%(record)d" if field.related_model is Record else "%(run)d"
    if isinstance(field, models.UUIDField) and field.unique:
        return "%(uuid)s"
    if isinstance(field, models.DateTimeField):
        return "%(at)s"
    if field.name == "digest":
        return f"%(id)0{len(value)}x"
    return ""


def _rows(
    table: str,
    templates: list[Template],
    numbers: range,
    ids: dict[str, int],
    unique: int,
    newest: datetime,
    every: timedelta,
    payloads_from: datetime | None,
) -> Iterator[str]:
    """``numbers`` count all copies; ids go on from what the tables hold."""
    record_table, run_table = Record._meta.db_table, Run._meta.db_table
    at = newest - numbers.start * every
    next_id = ids[table]
    for place, number in enumerate(numbers):
        template = templates[number % len(templates)]
        record = ids[record_table] + place
        values = {
            "record": record,
            "run": ids[run_table] + place,
            "order": f"g{record}",
            "uuid": f"{unique + record:032x}",
            "at": at.isoformat(),
        }
        old = payloads_from is not None and at < payloads_from
        for line in template.lines.get(table, ()):
            values["id"] = next_id
            next_id += 1
            yield (line.format if old else line.with_payload) % values
        at -= every


def _advance(ids: dict[str, int], templates: list[Template], numbers: range) -> None:
    for table in ids:
        per_template = [len(template.lines.get(table, ())) for template in templates]
        ids[table] += sum(per_template[number % len(templates)] for number in numbers)


def _copy(table: str, rows: Iterator[str]) -> None:
    model = next(model for model in history() if model._meta.db_table == table)
    columns = ", ".join(f'"{field.column}"' for field in model._meta.concrete_fields)
    with connection.cursor() as cursor, cursor.cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy:  # type: ignore[union-attr]
        chunk: list[str] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) == 500:
                copy.write("".join(chunk))
                chunk.clear()
        copy.write("".join(chunk))


def _checks_off() -> None:
    """Every copy refers to copies of this batch: checking each row again would only cost time (superusers may)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone()[0]:
            cursor.execute("SET LOCAL session_replication_role = replica")


def _next_id(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT coalesce(max(id), 0) + 1 FROM "{table}"')
        return int(cursor.fetchone()[0])


def _sequence_set(table: str, following: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s, false)", [f'"{table}"', following])
