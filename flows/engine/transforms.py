"""The named transforms a mapping field may apply, in order. Each is pure and takes keyword arguments.

In a definition a transform is its name, ``"trim"``, or an object with its arguments,
``{"truncate": {"length": 50}}``. An argument ``{"from": "settings.time_zone"}`` is read when the flow runs.
"""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, get_args

from flows.engine import formula_functions as functions
from flows.engine.formula_functions import FunctionFailed
from flows.engine.merging import records_merge
from flows.engine.values import as_text

_BREAK = re.compile(r"<\s*(?:br|/p|/div|/li|/tr|/h[1-6])[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_BLANKS = re.compile(r"[ \t\r\f\v\xa0]+")
TypeName = Literal["text", "number", "integer", "boolean", "date", "datetime"]
_TRUE = frozenset({"true", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "no", "n", "off", "0", ""})


def trim(value: Any) -> str:
    """Without blanks at both ends; runs of blanks inside become one."""
    return " ".join(as_text(value).split())


def upper(value: Any) -> str:
    return as_text(value).upper()


def lower(value: Any) -> str:
    return as_text(value).lower()


def title_case(value: Any) -> str:
    """Capital first letters: ``ANNA o'neil`` becomes ``Anna O'neil``."""
    return " ".join(word[:1].upper() + word[1:].lower() for word in as_text(value).split(" "))


def strip_html(value: Any) -> str:
    """Text of a snippet of HTML: breaks and block ends become line ends, tags vanish, entities are decoded."""
    text = html.unescape(_TAG.sub("", _BREAK.sub("\n", as_text(value))))
    lines = (_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def truncate(value: Any, length: int, ellipsis: str = "") -> str:
    """At most ``length`` characters, the ellipsis counted."""
    text = as_text(value)
    if len(text) <= length:
        return text
    return text[: max(length - len(ellipsis), 0)] + ellipsis[:length]


def prefix(value: Any, text: str) -> str:
    return text + as_text(value)


def suffix(value: Any, text: str) -> str:
    return as_text(value) + text


def pad_left(value: Any, length: int, fill: str = "0") -> str:
    """``42`` padded to 5 is ``00042``."""
    if not 0 <= length <= 200 or len(fill) != 1:
        raise FunctionFailed("pad_left needs a length up to 200 and one fill character")
    return as_text(value).rjust(length, fill)


def split(value: Any, separator: str = ",", index: int | None = None, limit: int | None = None) -> Any:
    """Parts of a text as a list, or with ``index`` one of them (null where there is none); ``limit`` caps the parts."""
    if not separator:
        raise FunctionFailed("split needs a separator")
    cuts = -1 if limit is None else max(limit - 1, 0)
    parts = [part.strip() for part in as_text(value).split(separator, cuts)]
    if index is None:
        return parts
    return parts[index] if -len(parts) <= index < len(parts) else None


def join(value: Any, separator: str = " ") -> str:
    return functions.joined(value, separator)


def replace(value: Any, old: str, new: str = "") -> str:
    return functions.replaced(value, old, new)


def round_half_up(value: Any, places: int = 2) -> Decimal:
    return functions.rounded(value, places)


def absolute(value: Any) -> Decimal:
    return abs(functions.number(value))


def negate(value: Any) -> Decimal:
    return -functions.number(value)


def convert(value: Any, to: TypeName) -> Any:
    """Change the type; a text that does not read as the type is a mistake, never a silent null."""
    if to == "text":
        return as_text(value)
    if to == "number":
        return functions.number(value)
    if to == "integer":
        return _integer(value)
    if to == "boolean":
        return _boolean(value)
    return functions.day(value) if to == "date" else _moment(value)


def to_date(value: Any, zone: str = "", format: str = "") -> date:
    """The day of a moment in ``zone``; ``format`` (``%d/%m/%Y``) reads texts that are not ISO."""
    return functions.day(_parsed(value, format), zone)


def to_datetime(value: Any, zone: str = "UTC", format: str = "") -> datetime:
    """An aware moment. A text or day without an offset is understood in ``zone``."""
    parsed = _parsed(value, format, zone)
    if isinstance(parsed, datetime):
        return parsed.astimezone(functions.zone_of(zone))
    return datetime.combine(parsed, time.min, functions.zone_of(zone))


def format_date(value: Any, format: str = "%d/%m/%Y", zone: str = "") -> str:
    """A date as text, for systems that want their own shape."""
    moment = _parsed(value, "")
    if zone and isinstance(moment, datetime):
        moment = moment.astimezone(functions.zone_of(zone))
    return moment.strftime(format)


def add_days(value: Any, days: int) -> date:
    return functions.add_days(value, days)


def translate(value: Any, table: Mapping[str, Any], default: Any = None, keep: bool = False) -> Any:
    """A row of a translation table; without a row the ``default``, or with ``keep`` the value itself."""
    marker = object()
    row = functions.looked_up(table, value, marker)
    if row is not marker:
        return row
    if keep:
        return value
    if default is not None:
        return default
    raise FunctionFailed(f"'{as_text(value)[:40]}' is not in the translation table")


def merge(value: Any, rule: str, by: str = "", order: list[str] | None = None, fill_blanks: bool = True) -> Any:
    """One record out of several candidates; see ``flows.engine.merging``."""
    return records_merge(value or [], rule=rule, by=by, order=order or (), fill_blanks=fill_blanks)


def pluck(value: Any, path: str) -> list[Any]:
    return functions.plucked(value, path)


def total(value: Any, path: str = "") -> Decimal:
    return functions.total(value, path)


def first(value: Any) -> Any:
    return functions.FUNCTIONS["first"](value)


def _integer(value: Any) -> int:
    exact = functions.number(value)
    if exact != exact.to_integral_value():
        raise FunctionFailed(f"'{as_text(value)[:40]}' is not a whole number")
    return int(exact)


def _boolean(value: Any) -> bool:
    if isinstance(value, (bool, int, Decimal)):
        return bool(value)
    word = as_text(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise FunctionFailed(f"'{word[:40]}' is neither yes nor no")
    return word in _TRUE


def _moment(value: Any) -> datetime:
    return to_datetime(value)


def _parsed(value: Any, format: str, zone: str = "") -> datetime | date:
    if isinstance(value, (datetime, date)):
        return value
    text = as_text(value).strip()
    try:
        # The pattern carries no zone; who calls attaches it.
        moment = datetime.strptime(text, format) if format else datetime.fromisoformat(text)  # noqa: DTZ007
    except ValueError as error:
        raise FunctionFailed(f"'{text[:40]}' is not a date{f' of the form {format}' if format else ''}") from error
    if moment.tzinfo is None and not _has_time(text, format):
        return moment.date()
    return moment if moment.tzinfo else moment.replace(tzinfo=functions.zone_of(zone) if zone else UTC)


def _has_time(text: str, format: str) -> bool:
    return any(sign in format for sign in ("%H", "%I", "%c", "%X")) if format else len(text) > 10


@dataclass(frozen=True)
class Transform:
    """One named transform. ``passes_null``: null goes through untouched, there is nothing to change about it."""

    name: str
    apply: Callable[..., Any]
    passes_null: bool = True


TRANSFORMS: dict[str, Transform] = {
    entry.name: entry
    for entry in (
        Transform("trim", trim),
        Transform("upper", upper),
        Transform("lower", lower),
        Transform("title_case", title_case),
        Transform("strip_html", strip_html),
        Transform("truncate", truncate),
        Transform("prefix", prefix),
        Transform("suffix", suffix),
        Transform("pad_left", pad_left),
        Transform("split", split),
        Transform("join", join, passes_null=False),
        Transform("replace", replace),
        Transform("round", round_half_up),
        Transform("abs", absolute),
        Transform("negate", negate),
        Transform("convert", convert),
        Transform("date", to_date),
        Transform("datetime", to_datetime),
        Transform("format_date", format_date),
        Transform("add_days", add_days),
        Transform("translate", translate),
        Transform("merge", merge, passes_null=False),
        Transform("pluck", pluck),
        Transform("sum", total, passes_null=False),
        Transform("first", first),
    )
}


@dataclass(frozen=True)
class Argument:
    """What a designer needs to draw one argument."""

    name: str
    type: str
    required: bool
    default: Any = None


@lru_cache(maxsize=128)
def transform_arguments(name: str) -> tuple[Argument, ...]:
    """The arguments of a transform, in order. :raises KeyError: no transform of that name."""
    parameters = list(inspect.signature(TRANSFORMS[name].apply).parameters.values())[1:]
    return tuple(
        Argument(
            name=parameter.name,
            type=str(parameter.annotation),
            required=parameter.default is inspect.Parameter.empty,
            default=None if parameter.default is inspect.Parameter.empty else parameter.default,
        )
        for parameter in parameters
    )


def transform_problem(name: str, arguments: Mapping[str, Any]) -> str:
    """:returns: what is wrong with this use of a transform, in words; empty when nothing is."""
    if name not in TRANSFORMS:
        return f"there is no transform '{name}'; there are {', '.join(TRANSFORMS)}"
    known = transform_arguments(name)
    names = {argument.name for argument in known}
    unknown = [given for given in arguments if given not in names]
    if unknown:
        return f"{name} has no argument '{unknown[0]}'" + (f"; it has {', '.join(sorted(names))}" if names else "")
    lacking = [argument.name for argument in known if argument.required and argument.name not in arguments]
    if lacking:
        return f"{name} needs '{lacking[0]}'"
    if name == "convert" and arguments["to"] not in get_args(TypeName):
        return f"convert knows {', '.join(get_args(TypeName))}, not '{arguments['to']}'"
    return ""
