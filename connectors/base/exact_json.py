"""JSON without floats: amounts go out and come in as the exact decimal numbers that stand in the text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# Within this many places either side of the point a plain number is written; beyond it, with an exponent, so that
# Decimal("1E+999999") does not become a million digits.
_PLAIN_PLACES = 40


def dumps(value: Any) -> bytes:
    """UTF-8 JSON; a ``Decimal`` becomes a JSON number with all its digits.

    :raises TypeError: a float (it has lost its exact value already), or anything else JSON has no form for.
    :raises ValueError: NaN or infinity.
    """
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode()


def loads(content: bytes | str) -> Any:
    """Whole numbers become ``int``, all others ``Decimal``.

    :raises ValueError: not JSON, a NaN or Infinity literal, nested too deeply, or a number beyond all bounds.
    """
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_refuse_constant)
    except (RecursionError, ArithmeticError) as error:
        raise ValueError(f"JSON beyond what is readable: {type(error).__name__}") from error


def _refuse_constant(literal: str) -> Any:
    raise ValueError(f"{literal} is no JSON number")


def _write(value: Any, parts: list[str]) -> None:
    if value is None or value is True or value is False:
        parts.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        parts.append(json.dumps(str(value)))
    elif isinstance(value, int):
        parts.append(int.__repr__(value))
    elif isinstance(value, Decimal):
        parts.append(_number(value))
    elif isinstance(value, Mapping):
        _write_object(value, parts)
    elif isinstance(value, list | tuple):
        _write_array(value, parts)
    else:
        raise TypeError(f"{type(value).__name__} has no exact form in JSON")


def _write_object(value: Mapping[Any, Any], parts: list[str]) -> None:
    parts.append("{")
    for index, (key, item) in enumerate(value.items()):
        if not isinstance(key, str):
            raise TypeError("the keys of a JSON object are text")
        parts.append(f"{',' if index else ''}{json.dumps(str(key))}:")
        _write(item, parts)
    parts.append("}")


def _write_array(value: list[Any] | tuple[Any, ...], parts: list[str]) -> None:
    parts.append("[")
    for index, item in enumerate(value):
        if index:
            parts.append(",")
        _write(item, parts)
    parts.append("]")


def _number(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("NaN and infinity have no form in JSON")
    exponent = value.as_tuple().exponent
    plain = isinstance(exponent, int) and abs(exponent) <= _PLAIN_PLACES
    return format(value, "f") if plain else str(value)
