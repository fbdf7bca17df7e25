"""Dataclasses to JSON values and back, without loss: Decimal as text, dates in ISO format."""

import dataclasses
import datetime as dt
import types
import typing
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """A JSON value; keys of mappings become text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    return value


def from_json(wanted: type[T], value: Any) -> T:
    """Rebuild what ``to_json`` wrote, guided by annotations; members a snapshot lacks take their defaults.

    :raises TypeError: a member without default is missing.
    """
    return typing.cast(T, _build(wanted, value))


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _build(wanted: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _build(next(a for a in arguments if a is not type(None)), value)
    if origin is list:
        return [_build(arguments[0], item) for item in value]
    if origin is tuple:
        return tuple(_build(arguments[0], item) for item in value)
    if origin is dict:
        return {_build(arguments[0], key): _build(arguments[1], item) for key, item in value.items()}
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        hints = _hints(wanted)
        known = {f.name for f in dataclasses.fields(wanted)}
        return wanted(**{name: _build(hints[name], item) for name, item in value.items() if name in known})
    if wanted is dt.datetime or wanted is dt.date:
        return wanted.fromisoformat(value)
    if wanted in (Decimal, int, float, str):
        return wanted(value)
    return value
