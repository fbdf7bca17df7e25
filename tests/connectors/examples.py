"""A smallest valid value for any declared shape, so that a promise can be asked of every operation there is."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

PLAIN: dict[type, Any] = {
    str: "1",
    int: 1,
    bool: True,
    Decimal: Decimal("1.00"),
    datetime: datetime(2026, 3, 4, 12, 0, tzinfo=UTC),
    date: date(2026, 3, 4),
}


def example(shape: type[BaseModel]) -> BaseModel:
    """An instance with every required member filled and nothing else."""
    filled = {name: value_of(field.annotation) for name, field in shape.model_fields.items() if field.is_required()}
    return shape.model_validate(filled)


def value_of(annotation: Any) -> Any:
    """:raises TypeError: a kind of member nobody has needed yet; add it here."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return value_of(arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin in (Union, UnionType):
        return value_of(next(part for part in arguments if part is not NoneType))
    if origin in (tuple, list):
        return [value_of(arguments[0])]
    if origin is dict:
        return {}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return example(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation))
    if annotation in PLAIN:
        return PLAIN[annotation]
    raise TypeError(f"no example for {annotation!r}")
