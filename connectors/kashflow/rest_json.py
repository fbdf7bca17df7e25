"""REST v2's JSON, read and written at the level of single members. Pure; what cannot be read raises Unreadable.

Only the day of a date counts: KashFlow renders midnight as 12:00:00 and sometimes adds a foreign offset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

NO_DATES = ("0001-01-01", "1900-01-01", "1970-01-01")


class Unreadable(Exception):
    """The answer is not of the documented shape; the text says where."""


def record(answer: Any) -> Mapping[str, Any]:
    if not isinstance(answer, Mapping):
        raise Unreadable("no object")
    return answer


def rows(answer: Any) -> list[Mapping[str, Any]]:
    """A bare array, or the Data of a list envelope."""
    found = answer.get("Data") if isinstance(answer, Mapping) else answer
    if not isinstance(found, list):
        raise Unreadable("no list")
    return [record(row) for row in found]


def page(answer: Any) -> tuple[list[Mapping[str, Any]], bool]:
    """Rows, and whether this is the last page."""
    found = rows(answer)
    meta = answer.get("MetaData") or {} if isinstance(answer, Mapping) else {}
    return found, not meta.get("NextPageUrl")


def integer(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value != int(value):
        raise Unreadable(f"{name} is no whole number")
    return int(value)


def number(row: Mapping[str, Any], name: str) -> Decimal:
    value = row.get(name)
    try:
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            raise InvalidOperation
        return Decimal(value)
    except InvalidOperation as error:
        raise Unreadable(f"{name} is no number") from error


def text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def flag(row: Mapping[str, Any], name: str) -> bool:
    """Seen as true/false, 0/1 and their texts."""
    return str(row.get(name)).strip().lower() in {"true", "1", "yes"}


def day(value: Any) -> date | None:
    """The date part; None for null and for KashFlow's several ways to say never."""
    start = str(value or "")[:10]
    if not start or start in NO_DATES:
        return None
    try:
        return date.fromisoformat(start)
    except ValueError as error:
        raise Unreadable(f"{start!r} is no date") from error


def day_of(row: Mapping[str, Any], name: str) -> date:
    found = day(row.get(name))
    if found is None:
        raise Unreadable(f"{name} is no date")
    return found


def date_text(value: date) -> str:
    return f"{value.isoformat()} 00:00:00"


def refusal_text(content: bytes) -> str:
    """``{"Error": code, "Message": words}``, or whatever came instead."""
    try:
        body = json.loads(content)
    except ValueError:
        return content[:500].decode("utf-8", "replace")
    if not isinstance(body, Mapping):
        return str(body)[:500]
    return str(body.get("Message") or body.get("Error") or "").strip()
