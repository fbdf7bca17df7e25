"""Plain values: what formulas, mappings and the journal see instead of objects.

A canonical record becomes a ``Record``: a dict that also keeps the model it came from, so that handing it on to an
action or a built-in costs no second validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel


class Missing:
    """The value of a path that leads nowhere. Null is a value; missing is the absence of one."""

    _instance: Missing | None = None

    def __new__(cls) -> Missing:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "missing"


MISSING: Final = Missing()


class Record(dict[str, Any]):
    """A model as a dict, with the model beside it (never reachable from a formula, which reads keys only)."""

    __slots__ = ("model",)

    def __init__(self, values: Mapping[str, Any], model: BaseModel) -> None:
        super().__init__(values)
        self.model = model


_JSON_ALREADY = frozenset({type(None), str, bool, int})
_PLAIN_ALREADY = _JSON_ALREADY | {Decimal, datetime, date, time, Record}


def plain(value: Any) -> Any:
    """Models to records, dataclasses to dicts, tuples to lists, enumerations to their codes.

    Floats become the decimals they were written as; Decimals, dates and moments stay themselves.
    """
    if type(value) in _PLAIN_ALREADY:
        return value
    if isinstance(value, BaseModel):
        return Record({name: plain(getattr(value, name)) for name in type(value).model_fields}, value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Record):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, float):
        return Decimal(repr(value))  # only from JSON columns, where 0.1 was written as 0.1
    return value


def jsonable(value: Any) -> Any:
    """For the journal and the links: Decimals, dates and moments as strings; missing as null."""
    kind = type(value)
    if kind in _JSON_ALREADY:
        return value
    if kind is Record or kind is dict:  # what nearly everything is, before the slow look for a Mapping
        return {str(key): jsonable(item) for key, item in value.items() if item is not MISSING}
    if kind is list:
        return [jsonable(item) for item in value]
    if isinstance(value, (str, bool, int)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items() if item is not MISSING}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item) for item in value]
    if isinstance(value, BaseModel):
        return jsonable(plain(value))
    if isinstance(value, Enum):
        return value.value
    return None if value is MISSING else str(value)


def as_text(value: Any) -> str:
    """A value as people read it: null and missing empty, amounts never in exponent form."""
    if value is None or value is MISSING:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        # A formula can make 1e30; written out that is still short, and beyond it the exponent form is the honest one.
        return format(value, "f") if abs(value.adjusted()) <= 30 else str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(item) for item in value)
    return str(value)
