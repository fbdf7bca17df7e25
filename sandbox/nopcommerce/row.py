"""The base of all rows, and the way between rows and JSON bodies of the official plug-in."""

import dataclasses
import datetime as dt
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar

ZERO = Decimal(0)
NEVER = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
"""What .NET writes for a date that was never set."""
NO_GUID = "00000000-0000-0000-0000-000000000000"
UNSEEN = {"unseen": True}
"""Metadata of a column that the DTO does not show."""
MONEY_PLACES = Decimal("0.0001")

R = TypeVar("R", bound="Row")
F = TypeVar("F", bound=Callable[..., Any])


def _per_class(function: F) -> F:
    """Remember the answer for each row class; typed by hand since checkers take dataclasses for unhashable."""
    return typing.cast(F, cache(function))


@dataclass
class Row:
    id: int = 0


class BadBody(ValueError):
    """A body the model binder refuses; the text names the member."""


def stored(amount: Decimal) -> Decimal:
    """An amount as the database keeps it: decimal(18,4)."""
    return amount.quantize(MONEY_PLACES, ROUND_HALF_UP)


def store_amounts(row: Row) -> None:
    for name, hint in members(type(row)).items():
        value = getattr(row, name)
        if hint is Decimal and isinstance(value, Decimal):
            setattr(row, name, stored(value))


@_per_class
def members(cls: type["Row"]) -> dict[str, type]:
    """Of a row class: member → plain type (``None`` taken off), unseen ones included."""
    hints = typing.get_type_hints(cls)
    return {field.name: _plain(hints[field.name]) for field in dataclasses.fields(cls)}


@_per_class
def nullable(cls: type["Row"]) -> frozenset[str]:
    hints = typing.get_type_hints(cls)
    return frozenset(name for name, hint in hints.items() if isinstance(hint, types.UnionType))


@_per_class
def shown_members(cls: type["Row"]) -> tuple[str, ...]:
    """Members of the DTO; the id comes last as in the plug-in's description."""
    names = [f.name for f in dataclasses.fields(cls) if not f.metadata.get("unseen") and f.name != "id"]
    return (*names, "id")


def dto(row: Row) -> dict[str, Any]:
    """The row as the official plug-in shows it: snake_case, decimals as JSON numbers, dates in UTC."""
    return {name: as_json_value(getattr(row, name)) for name in shown_members(type(row))}


def as_json_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dt.datetime):
        return as_utc_text(value)
    return value


def as_utc_text(moment: dt.datetime) -> str:
    text = moment.astimezone(dt.UTC).replace(tzinfo=None) if moment != NEVER else moment.replace(tzinfo=None)
    return text.isoformat(timespec="microseconds" if text.microsecond else "seconds") + "Z"


def overwrite(row: Row, body: Any) -> None:
    """Write a whole DTO over a row: members the body lacks become null, zero or false, as a model binder has it.

    :raises BadBody: the body is no object or a member has the wrong type.
    """
    if not isinstance(body, dict):
        raise BadBody("A non-empty request body is required.")
    kinds, may_be_null = members(type(row)), nullable(type(row))
    values = {}
    for name in shown_members(type(row)):
        if name != "id":
            values[name] = bind(name, kinds[name], body.get(name), may_be_null=name in may_be_null)
    for name, value in values.items():
        setattr(row, name, value)


def _plain(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint


_EMPTY: dict[Any, Any] = {int: 0, bool: False, Decimal: ZERO, str: NO_GUID, dt.datetime: NEVER}


def bind(name: str, kind: Any, value: Any, *, may_be_null: bool) -> Any:
    """:raises BadBody: the value does not fit the member."""
    if value is None:
        return None if may_be_null else _EMPTY[kind]
    try:
        return _PARSERS[kind](value)
    except (ValueError, TypeError, InvalidOperation) as error:
        raise BadBody(f"The JSON value could not be converted. Path: $.{name}") from error


def parse_moment(value: Any) -> dt.datetime:
    """A date-time of any offset; a naive one is UTC.

    :raises ValueError: not a date-time.
    """
    moment = dt.datetime.fromisoformat(str(value))
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _parse_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("not a whole number")
    return value


def _parse_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a boolean")
    return value


def _parse_decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return stored(Decimal(str(value)))


def _parse_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


_PARSERS: dict[Any, Any] = {
    int: _parse_int,
    bool: _parse_bool,
    Decimal: _parse_decimal,
    str: _parse_text,
    dt.datetime: parse_moment,
}
