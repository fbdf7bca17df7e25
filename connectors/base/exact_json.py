"""JSON without floats: amounts go out and come in as the exact decimal numbers that stand in the text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import Any

# Within this many places either side of the point a plain number is written; beyond it, with an exponent, so that
# Decimal("1E+999999") does not become a million digits.
_PLAIN_PLACES = 40


def dumps(value: Any) -> bytes:
    """UTF-8 JSON; a ``Decimal`` becomes a JSON number with all its digits.

    :raises TypeError: a float (it has lost its exact value already), or anything else JSON has no form for.
    :raises ValueError: NaN or infinity.
    """
    return _WRITERS[type(value)](value).encode()


def loads(content: bytes | str) -> Any:
    """Whole numbers become ``int``, all others ``Decimal``.

    :raises ValueError: not JSON, a NaN or Infinity literal, nested too deeply, or a number beyond all bounds.
    """
    try:
        if not isinstance(content, str):
            content = content.decode(json.detect_encoding(content), "surrogatepass")
        elif content.startswith("\ufeff"):
            raise ValueError("JSON text begins with a byte order mark")
        return _DECODER.decode(content)
    except (RecursionError, ArithmeticError) as error:
        raise ValueError(f"JSON beyond what is readable: {type(error).__name__}") from error


def _refuse_constant(literal: str) -> Any:
    raise ValueError(f"{literal} is no JSON number")


# Made once: ``json.loads`` makes one per call when it is told how to read numbers.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


class _Writers(dict[type, Callable[[Any], str]]):
    """How a value of each type is written; what is derived from one of them is written as that."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        for known, writer in _OF_BASES:
            if issubclass(kind, known):
                return writer
        raise TypeError(f"{kind.__name__} has no exact form in JSON")


def _object(value: Mapping[Any, Any]) -> str:
    return "{" + ",".join([f"{_key(key)}:{_WRITERS[type(item)](item)}" for key, item in value.items()]) + "}"


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError("the keys of a JSON object are text")
    return encode_basestring_ascii(key)


def _array(value: list[Any] | tuple[Any, ...]) -> str:
    return "[" + ",".join([_WRITERS[type(item)](item) for item in value]) + "]"


def _number(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("NaN and infinity have no form in JSON")
    text = str(value)
    if "E" not in text:
        return text
    exponent = value.as_tuple().exponent
    plain = isinstance(exponent, int) and abs(exponent) <= _PLAIN_PLACES
    return format(value, "f") if plain else text


_WRITERS = _Writers(
    {
        str: encode_basestring_ascii,
        Decimal: _number,
        bool: lambda value: "true" if value else "false",
        int: int.__repr__,
        type(None): lambda value: "null",
        dict: _object,
        list: _array,
        tuple: _array,
    }
)
_OF_BASES: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, encode_basestring_ascii),
    (int, int.__repr__),
    (Decimal, _number),
    (Mapping, _object),
    ((list, tuple), _array),
)
