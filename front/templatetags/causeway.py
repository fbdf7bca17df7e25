"""How moments, money and states are written on pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

ABBREVIATIONS = {"vat": "VAT", "sku": "SKU", "url": "URL", "api": "API"}
SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}
TONES = {
    "done": "good", "active": "good", "would_write": "good", "adopted": "good", "planned": "good",
    "waiting": "wait", "open": "wait", "leased": "wait", "collecting": "wait", "importing": "wait", "temporary": "wait",
    "held": "hold", "needs_attention": "hold", "paused": "hold", "circuit_open": "hold", "rate_pause": "wait",
    "dead": "bad", "failed": "bad", "refused": "bad", "revoked": "bad",
}  # fmt: skip


@register.filter
def money(amount: Any, currency: str = "") -> str:
    """``1234.5``, ``GBP`` → ``£1,234.50``; a dash where there is no amount."""
    try:
        number = Decimal(str(amount))
    except InvalidOperation:
        return "–"
    if not number.is_finite():
        return "–"
    minus, figures = ("−" if number < 0 else ""), f"{abs(number):,.2f}"
    if currency in SIGNS:
        return f"{minus}{SIGNS[currency]}{figures}"
    return f"{minus}{figures} {currency}".rstrip()


@register.filter
def worth(facts: Mapping[str, Any]) -> str:
    """The amount a record's facts state, in its currency. Not every kind of record has one."""
    return money(facts.get("amount", ""), str(facts.get("currency", "")))


@register.filter
def moneys(totals: Mapping[str, Decimal]) -> str:
    """Totals per currency in one line."""
    return " + ".join(money(amount, currency) for currency, amount in sorted(totals.items())) or "–"


@register.simple_tag
def moment(value: datetime | None, empty: str = "–") -> SafeString | str:
    """A moment in the organisation's time zone; UTC shows on hovering. Today's moments go without their date."""
    if value is None:
        return empty
    local, now = timezone.localtime(value), timezone.localtime()
    text = f"{local:%H:%M:%S}" if local.date() == now.date() else f"{local.day} {local:%b %Y, %H:%M}"
    utc = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>', utc.isoformat(), f"{utc:%Y-%m-%d %H:%M:%S}", text
    )


@register.filter
def age(value: datetime | None) -> str:
    """How long ago, in its largest unit."""
    if value is None:
        return "–"
    return span((timezone.now() - value).total_seconds())


@register.filter
def span(seconds: float) -> str:
    """``0.0123`` → ``12 ms``; ``125`` → ``2 min``."""
    if seconds < 0.0005:
        return "under 1 ms"
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    for unit, name in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if seconds >= 2 * unit.total_seconds() or name == "min":
            return f"{seconds // unit.total_seconds():.0f} {name}"
    return ""


@register.filter
def tone(state: str) -> str:
    """Which colour goes with the word of a state."""
    return TONES.get(str(state), "plain")


@register.filter
def words(code: str) -> str:
    """``create_invoice`` → ``Create invoice``."""
    text = " ".join(ABBREVIATIONS.get(word, word) for word in str(code).replace("_", " ").replace("-", " ").split())
    return text[:1].upper() + text[1:]


@register.filter
def outcome_of(operation: str) -> str:
    """What an operation leaves behind: ``create_invoice`` → ``Invoice``."""
    return words(operation.partition("_")[2] or operation)


@register.filter
def item(mapping: Mapping[str, Any], key: str) -> Any:
    return mapping.get(key, "")


@register.filter
def figures(details: Mapping[str, Any]) -> dict[str, Any]:
    """What of an error's details is for people: not the place in the definition, not the formula that was checked."""
    return {key: value for key, value in (details or {}).items() if key not in ("step", "check")}


@register.inclusion_tag("_facts.html")
def fact_rows(value: Any) -> dict[str, Any]:
    """Nested facts as rows of a small table; lists of records become tables of their own."""
    return {"rows": _rows(value)}


def _rows(value: Any) -> list[tuple[str, Any, list[dict[str, Any]]]]:
    if not isinstance(value, Mapping):
        return [("", "–" if value in (None, "") else value, [])]
    rows: list[tuple[str, Any, list[dict[str, Any]]]] = []
    for key, inner in value.items():
        if isinstance(inner, list) and inner and all(isinstance(one, Mapping) for one in inner):
            rows.append((str(key), "", [dict(one) for one in inner[:50]]))
        elif isinstance(inner, Mapping):
            rows += [(f"{key} · {name}" if name else str(key), one, table) for name, one, table in _rows(inner)]
        elif isinstance(inner, list):
            rows.append((str(key), ", ".join(str(one) for one in inner[:50]) or "–", []))
        else:
            rows.append((str(key), "–" if inner in (None, "") else inner, []))
    return rows
