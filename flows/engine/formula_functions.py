"""The functions a formula may call. Pure, total over plain values, and bounded: no result is longer than MAX_RESULT."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from flows.engine.paths import parse_path
from flows.engine.values import MISSING, as_text, jsonable

MAX_RESULT = 10_000
MAX_DIGITS = 30


class FunctionFailed(ValueError):
    """A function was given something it cannot use; the text says what it needs."""


def number(value: Any) -> Decimal:
    """``number("1,234.50")`` is 1234.50: thousands commas and surrounding blanks are allowed, nothing else."""
    if isinstance(value, bool) or value is None:
        raise FunctionFailed(f"{value!r} is not a number")
    if isinstance(value, (int, Decimal)):
        return Decimal(value)
    try:
        result = Decimal(as_text(value).strip().replace(",", ""))
    except InvalidOperation as error:
        raise FunctionFailed(f"'{as_text(value)[:40]}' is not a number") from error
    if not result.is_finite() or abs(result.adjusted()) > MAX_DIGITS:
        raise FunctionFailed(f"'{as_text(value)[:40]}' is not a number that can be used")
    return result


def rounded(value: Any, places: Any = 0) -> Decimal:
    """Commercial rounding: a half goes away from zero, as on an invoice."""
    return number(value).quantize(_step(places), rounding=ROUND_HALF_UP)


def floor(value: Any, places: Any = 0) -> Decimal:
    return number(value).quantize(_step(places), rounding=ROUND_FLOOR)


def ceiling(value: Any, places: Any = 0) -> Decimal:
    return number(value).quantize(_step(places), rounding=ROUND_CEILING)


def _step(places: Any) -> Decimal:
    count = int(number(places))
    if not 0 <= count <= 10:
        raise FunctionFailed("decimal places go from 0 to 10")
    return Decimal(1).scaleb(-count)


def replaced(value: Any, old: Any, new: Any) -> str:
    """Every ``old`` becomes ``new``; no patterns."""
    text, search, instead = as_text(value), as_text(old), as_text(new)
    if not search:
        raise FunctionFailed("replace needs something to look for")
    # Counted before it is built: the result of a hostile replace must never exist, not even for a moment.
    if len(text) + text.count(search) * len(instead) > MAX_RESULT:
        raise FunctionFailed("the result of replace would be too long")
    return text.replace(search, instead)


def joined(values: Any, separator: Any = "") -> str:
    """Empty parts are left out, so that a missing second address line leaves no stray comma."""
    parts = [part for part in (as_text(value) for value in _list(values)) if part]
    if sum(map(len, parts)) + len(as_text(separator)) * len(parts) > MAX_RESULT:
        raise FunctionFailed("the joined text would be too long")
    return as_text(separator).join(parts)


def parts_of(value: Any, separator: Any = ",") -> list[str]:
    if not as_text(separator):
        raise FunctionFailed("split needs a separator")
    return [part.strip() for part in as_text(value).split(as_text(separator))][:MAX_RESULT]


def total(values: Any, path: Any = "") -> Decimal:
    """``sum(order.lines, 'net')``; without a path the values themselves."""
    return sum((number(value) for value in plucked(values, path)), Decimal(0))


def plucked(values: Any, path: Any = "") -> list[Any]:
    items = _list(values)
    if not path:
        return items
    parsed = parse_path(as_text(path))
    return [found for found in (parsed.read(item) for item in items) if found is not MISSING]


def matching(values: Any, path: Any, wanted: Any) -> list[Any]:
    """``where(order.lines, 'kind', 'shipping')``: the elements whose field has that value."""
    parsed = parse_path(as_text(path))
    return [item for item in _list(values) if parsed.read(item) == wanted]


def distinct(values: Any, path: Any = "") -> list[Any]:
    """``distinct(order.lines, 'sku')``: the first element for each value of the field."""
    parsed = parse_path(as_text(path)) if path else None
    seen: dict[str, Any] = {}
    for item in _list(values):
        seen.setdefault(as_text(parsed.read(item) if parsed else item), item)
    return list(seen.values())


def moment(value: Any) -> datetime:
    """A moment as it is; a text is read as ISO 8601, a day begins at midnight UTC."""
    parsed = parse_moment(value) if isinstance(value, str) else value
    if isinstance(parsed, datetime):
        return parsed
    if isinstance(parsed, date):
        return datetime(parsed.year, parsed.month, parsed.day, tzinfo=UTC)
    raise FunctionFailed(f"'{as_text(value)[:40]}' is not a moment")


def _list(values: Any) -> list[Any]:
    if values is None:
        return []
    if isinstance(values, (str, Mapping)):
        raise FunctionFailed("a list is needed here")
    return list(values)


def day(value: Any, zone: Any = "") -> date:
    """A moment or an ISO text as a day; a moment is first moved to ``zone`` (an IANA name), else left in its own."""
    if isinstance(value, str):
        value = parse_moment(value)
    if isinstance(value, datetime):
        return (value.astimezone(zone_of(zone)) if zone else value).date()
    if isinstance(value, date):
        return value
    raise FunctionFailed(f"'{as_text(value)[:40]}' is not a date")


def parse_moment(text: str) -> datetime | date:
    """ISO 8601; without an offset a moment is UTC, as the canonical records state it."""
    try:
        if len(text.strip()) == 10:
            return date.fromisoformat(text.strip())
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise FunctionFailed(f"'{text[:40]}' is not a date") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def zone_of(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(as_text(name))
    except (KeyError, ValueError, OSError) as error:
        raise FunctionFailed(f"'{as_text(name)[:40]}' is not a time zone") from error


def add_days(value: Any, days: Any) -> date:
    try:
        return day(value) + timedelta(days=int(number(days)))
    except OverflowError as error:
        raise FunctionFailed("that date does not exist") from error


def looked_up(table: Any, key: Any, fallback: Any = MISSING) -> Any:
    """One row of a settings table. Keys are compared without regard to case and surrounding blanks."""
    if table is None or not isinstance(table, Mapping):
        raise FunctionFailed("lookup needs a table")
    wanted = as_text(key)
    if wanted in table:
        return table[wanted]
    folded = wanted.strip().casefold()
    for name, row in table.items():
        if name.strip().casefold() == folded:
            return row
    if fallback is MISSING:
        raise FunctionFailed(f"'{wanted[:40]}' is not in the table")
    return fallback


def fingerprint(value: Any) -> str:
    """A short name for a value: equal values have equal fingerprints, so a change shows without keeping the value."""
    text = json.dumps(jsonable(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_blank(value: Any = MISSING) -> bool:
    return value is None or value is MISSING or (isinstance(value, str) and not value.strip()) or value in ([], {})


def first_present(*values: Any) -> Any:
    """The first value that is neither missing nor null."""
    for value in values:
        if value is not MISSING and value is not None:
            return value
    return None


def _first(values: Any) -> Any:
    items = _list(values)
    return items[0] if items else None


def _last(values: Any) -> Any:
    items = _list(values)
    return items[-1] if items else None


def _count(values: Any) -> int:
    return len(values) if isinstance(values, (str, Mapping)) else len(_list(values))


def _smallest(*values: Any) -> Decimal:
    return min(number(value) for value in values)


def _largest(*values: Any) -> Decimal:
    return max(number(value) for value in values)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lambda value: abs(number(value)),
    "add_days": add_days,
    "blank": is_blank,
    "ceiling": ceiling,
    "coalesce": first_present,
    "concat": lambda *values: joined(list(values)),
    "contains": lambda value, part: as_text(part).casefold() in as_text(value).casefold(),
    "count": _count,
    "date": day,
    "days_between": lambda start, end: (day(end) - day(start)).days,
    "default": lambda value, fallback: fallback if value is MISSING or value is None else value,
    "distinct": distinct,
    "ends_with": lambda value, part: as_text(value).endswith(as_text(part)),
    "exists": lambda value: value is not MISSING,
    "fingerprint": fingerprint,
    "first": _first,
    "floor": floor,
    "join": joined,
    "last": _last,
    "left": lambda value, length: as_text(value)[: max(int(number(length)), 0)],
    "lookup": looked_up,
    "lower": lambda value: as_text(value).lower(),
    "max": _largest,
    "min": _smallest,
    "missing": lambda value: value is MISSING,
    "moment": moment,
    "number": number,
    "pluck": plucked,
    "replace": replaced,
    "round": rounded,
    "split": parts_of,
    "starts_with": lambda value, part: as_text(value).startswith(as_text(part)),
    "sum": total,
    "text": as_text,
    "trim": lambda value: as_text(value).strip(),
    "upper": lambda value: as_text(value).upper(),
    "where": matching,
}

# These may be handed a path that leads nowhere; everything else treats that as a mistake.
TOLERANT = frozenset({"blank", "coalesce", "default", "exists", "missing"})
