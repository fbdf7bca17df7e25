"""A customer's neutral fields: their names, and how our record becomes them. Pure.

A group is written together or not at all, so that an address never ends up half ours and half a person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.base.records import Address, CustomerDraft

GROUPS: Mapping[str, tuple[str, ...]] = {
    "name": ("name",),
    "contact": ("contact", "first_name", "last_name"),
    "phone": ("phone",),
    "email": ("email",),
    "tax_number": ("tax_number", "trade_border"),
    "address": ("line1", "line2", "line3", "line4", "postcode", "country_code", "country_name"),
    "delivery_address": (
        "delivery_line1",
        "delivery_line2",
        "delivery_line3",
        "delivery_line4",
        "delivery_postcode",
        "delivery_country_code",
        "delivery_country_name",
    ),
}
NAMES: tuple[str, ...] = tuple(name for group in GROUPS.values() for name in group)

_EU = "AT BE BG HR CY CZ DK EE FI FR DE EL HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"
EUROPEAN_UNION = frozenset(_EU.split())
DOMESTIC = frozenset({"", "GB", "UK", "IM"})
TRADE_EU, TRADE_WORLD = "EU", "Rest of World"


@dataclass(frozen=True)
class Lengths:
    """KashFlow documents no lengths; these are ours, and settings of the connection."""

    name: int = 100
    address_line: int = 50


def country_to_kashflow(code: str) -> str:
    """KashFlow writes Greece as in VAT numbers."""
    return {"GR": "EL"}.get(code.upper(), code.upper())


def country_from_kashflow(code: str) -> str:
    return {"EL": "GR", "UK": "GB"}.get(code.upper(), code.upper())


def fields_of(draft: CustomerDraft, lengths: Lengths) -> dict[str, str]:
    """What we would write for this customer; blank means we have nothing to say."""
    address, delivery = draft.address, draft.delivery_address
    country = country_to_kashflow(address.country_code) if address else ""
    return {
        "name": _trim(draft.name, lengths.name),
        "contact": _trim(f"{draft.first_name} {draft.last_name}", lengths.name),
        "first_name": _trim(draft.first_name, lengths.name),
        "last_name": _trim(draft.last_name, lengths.name),
        "phone": _trim(draft.phone, lengths.address_line),
        "email": draft.email.strip(),
        "tax_number": draft.tax_number.strip(),
        "trade_border": _trade_border(draft.tax_number, country),
        **_address_fields(address, "", lengths),
        **_address_fields(delivery, "delivery_", lengths),
    }


def _trade_border(tax_number: str, country: str) -> str:
    """KashFlow's EC flags say "VAT registered there", so a foreign consumer has neither."""
    if not tax_number.strip() or country in DOMESTIC:
        return ""
    return TRADE_EU if country in EUROPEAN_UNION else TRADE_WORLD


def _address_fields(address: Address | None, prefix: str, lengths: Lengths) -> dict[str, str]:
    address = address or Address()
    country = country_to_kashflow(address.country_code)
    values = {
        "line1": address.line1,
        "line2": address.line2,
        "line3": address.city,
        "line4": address.region,
        "postcode": address.postcode,
        "country_code": country,
        "country_name": address.country_name,
    }
    return {f"{prefix}{name}": _trim(value, lengths.address_line) for name, value in values.items()}


def _trim(text: str, length: int) -> str:
    return " ".join(text.split())[:length].strip()


@dataclass(frozen=True)
class Update:
    """``changes`` by field; ``shown`` lists groups left alone because a person edited them in KashFlow."""

    changes: Mapping[str, str]
    shown: tuple[str, ...]


def update_for(current: Mapping[str, str], wanted: Mapping[str, str], last_written: Mapping[str, str]) -> Update:
    """What may be written over ``current``: blank fields, and fields that still hold what we last wrote.

    Nothing is ever blanked: a group that would need it (an address with fewer lines) is shown instead.
    """
    changes: dict[str, str] = {}
    shown = []
    for group, names in GROUPS.items():
        differing = [name for name in names if _differs(name, current.get(name, ""), wanted.get(name, ""))]
        if not any(wanted.get(name) for name in names) or not differing:
            continue
        if all(
            _writable(current.get(name, ""), wanted.get(name, ""), last_written.get(name, "")) for name in differing
        ):
            changes.update({name: wanted[name] for name in differing})
            changes.update(_country_names(differing, wanted))
        else:
            shown.append(group)
    return Update(changes, tuple(shown))


def _differs(name: str, current: str, wanted: str) -> bool:
    if name == "email":
        # One customer may hold several addresses; ours among them is enough.
        return bool(wanted) and wanted.lower() not in current.lower().replace(";", " ").replace(",", " ").split()
    if name.endswith("country_name"):
        # Derived from the code (read-only on REST); written along with it, never for its own sake.
        return False
    if name == "trade_border":
        return bool(wanted) and current != wanted
    return current.strip() != wanted


def _country_names(differing: list[str], wanted: Mapping[str, str]) -> dict[str, str]:
    codes = [name for name in differing if name.endswith("country_code")]
    names = [name.replace("country_code", "country_name") for name in codes]
    return {name: wanted[name] for name in names if wanted.get(name)}


def _writable(current: str, wanted: str, last_written: str) -> bool:
    return bool(wanted) and (not current.strip() or (bool(last_written) and current.strip() == last_written))
