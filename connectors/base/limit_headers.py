"""What providers say of their call limits in the headers of an answer. Pure; a connector declares which it uses.

Names of headers are lower-cased. What cannot be read says nothing: a limit is never guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT_SECONDS = 3600.0  # a Retry-After beyond this is a mistake of the sender
_NUMBER = re.compile(r"\d{1,18}(\.\d{1,18})?", re.ASCII)
_EPOCH_SECONDS = 1_000_000_000  # a reset beyond this is a moment, not a duration


@dataclass(frozen=True)
class Learned:
    """What one answer said; None where it said nothing.

    ``left``: calls that may still be made until ``reset_seconds`` from now. ``calls`` per ``per_seconds``: the limit
    itself.
    """

    left: int | None = None
    reset_seconds: float | None = None
    calls: float | None = None
    per_seconds: float | None = None


def window_limit(headers: Mapping[str, str]) -> Learned | None:
    """``X-Rate-Limit-Requests-Left``, ``-Quota``, ``-Time-Window-Ms`` and ``-Time-Reset-Ms``, as BigCommerce sends."""
    left = _number(headers, "x-rate-limit-requests-left")
    reset = _number(headers, "x-rate-limit-time-reset-ms")
    quota = _number(headers, "x-rate-limit-requests-quota")
    window = _number(headers, "x-rate-limit-time-window-ms")
    return _learned(left, reset and reset / 1000, quota, window and window / 1000)


def steady_limit(headers: Mapping[str, str]) -> Learned | None:
    """``x-amzn-RateLimit-Limit``: calls per second, such as 0.0167, as Amazon's Selling Partner API sends."""
    return _learned(None, None, _number(headers, "x-amzn-ratelimit-limit"), 1.0)


def standard_limit(headers: Mapping[str, str]) -> Learned | None:
    """``RateLimit-Limit``, ``-Remaining``, ``-Reset`` (IETF draft), with or without ``X-`` in front.

    Reset is a number of seconds; where it is a moment since 1970 it is measured from the sender's ``Date``. The length
    of the window is not told, so the limit itself stays as declared.
    """
    left = _either(headers, "ratelimit-remaining")
    reset = _either(headers, "ratelimit-reset")
    if reset is not None and reset >= _EPOCH_SECONDS:
        now = _http_date(headers.get("date", "")) or datetime.now(UTC)
        reset = max(0.0, reset - now.timestamp())
    return _learned(left, reset, None, None)


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Retry-After as seconds or as an HTTP date (measured from the sender's own ``Date``); capped at one hour.

    :param now: used where the sender gives no ``Date``; default: the present.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        return min(float(value), LONGEST_WAIT_SECONDS)
    moment = _http_date(value)
    if moment is None:
        return None
    now = _http_date(headers.get("date", "")) or now or datetime.now(UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)


def _learned(left: float | None, reset: float | None, calls: float | None, window: float | None) -> Learned | None:
    stated = calls is not None and window is not None and calls > 0 and window > 0
    bounded = left is not None and reset is not None
    if not stated and not bounded:
        return None
    return Learned(
        left=math.floor(left) if bounded and left is not None else None,
        reset_seconds=min(reset, LONGEST_WAIT_SECONDS * 24) if bounded and reset is not None else None,
        calls=calls if stated else None,
        per_seconds=window if stated else None,
    )


def _either(headers: Mapping[str, str], name: str) -> float | None:
    plain = _number(headers, name)
    return plain if plain is not None else _number(headers, f"x-{name}")


def _number(headers: Mapping[str, str], name: str) -> float | None:
    value = headers.get(name, "").strip()
    return float(value) if _NUMBER.fullmatch(value) else None


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
