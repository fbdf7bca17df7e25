"""Addresses in one form before they are posted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from connectors.base.records import Address

LINE_LIMIT = 50
"""Characters; the ledger's own limit is not published, its printed forms hold this much."""
PRINTED = ("line1", "line2", "city", "region")

_UK_POSTCODE = re.compile(r"(GIR0AA|[A-Z]{1,2}[0-9][A-Z0-9]?[0-9][A-Z]{2})")
_BRITAIN = {"UK": "GB", "GBR": "GB"}
_GREECE = {"EL": "GR", "GRC": "GR"}
_BRITAIN_NAMES = {
    "uk",
    "u.k.",
    "gb",
    "great britain",
    "britain",
    "united kingdom",
    "united kingdom of great britain and northern ireland",
}


def standard_address(address: Address, *, limit: int = LINE_LIMIT) -> Address:
    """Spaces trimmed and collapsed, lines within ``limit`` without cutting words, no line twice, codes in capitals.

    What does not fit into a line moves to the next empty one; only what fits nowhere is cut. A UK postcode gets its
    one space (``SW1A1AA`` → ``SW1A 1AA``); the country code is ISO (UK → GB, EL → GR).
    """
    tidy = {name: _tidy(getattr(address, name)) for name in Address.model_fields}
    country = _country_code(tidy["country_code"], tidy["country_name"])
    lines = _distinct([tidy["line1"], tidy["line2"]], than=(tidy["city"], tidy["postcode"]))
    line1, line2 = _flow(lines, limit)
    region = "" if _same(tidy["region"], tidy["city"]) else tidy["region"]
    return Address(
        recipient=_cut(tidy["recipient"], limit),
        company="" if _same(tidy["company"], tidy["recipient"]) else _cut(tidy["company"], limit),
        line1=line1,
        line2=line2,
        city=_cut(tidy["city"], limit),
        region=_cut(region, limit),
        postcode=standard_postcode(tidy["postcode"], country),
        country_code=country,
        country_name="United Kingdom" if country == "GB" else tidy["country_name"],
        phone=tidy["phone"],
    )


def address_lines(address: Address, *, order: Sequence[str] = PRINTED) -> tuple[str, ...]:
    """The members named in ``order`` that hold something, each once, as they are printed from top to bottom."""
    return tuple(_distinct([getattr(address, name) for name in order]))


def standard_postcode(postcode: str, country_code: str) -> str:
    """Capitals; UK postcodes with the one space before the last three characters, whatever was typed."""
    shown = _tidy(postcode).upper()
    squeezed = re.sub(r"[^A-Z0-9]", "", shown)
    if country_code in ("GB", "IM", "JE", "GG", "") and _UK_POSTCODE.fullmatch(squeezed):
        return f"{squeezed[:-3]} {squeezed[-3:]}"
    return shown


def _country_code(code: str, name: str) -> str:
    code = code.upper()
    if not code and name.casefold() in _BRITAIN_NAMES:
        return "GB"
    return _BRITAIN.get(code) or _GREECE.get(code) or code


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(" ,;")


def _same(left: str, right: str) -> bool:
    return left.casefold() == right.casefold()


def _distinct(lines: Sequence[str], *, than: Sequence[str] = ()) -> list[str]:
    seen = {line.casefold() for line in than}
    kept = []
    for line in lines:
        if line and line.casefold() not in seen:
            seen.add(line.casefold())
            kept.append(line)
    return kept


def _flow(lines: Sequence[str], limit: int) -> tuple[str, str]:
    """Two lines as they are when they fit, else their words set anew over both."""
    first, second = (*lines, "", "")[:2]
    if len(first) > limit or len(second) > limit:
        whole = ", ".join(line for line in (first, second) if line)
        first = _cut(whole, limit)
        second = whole[len(first) :].strip(" ,")
    return first, _cut(second, limit)


def _cut(text: str, limit: int) -> str:
    """At the last space within the limit; a single word longer than the limit is cut hard."""
    if len(text) <= limit:
        return text
    at = text.rfind(" ", 0, limit + 1)
    return text[: at if at > 0 else limit].rstrip(" ,")
