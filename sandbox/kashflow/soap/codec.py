"""SOAP messages to Python values and back, with the strictness and the leniency of an ASMX service."""

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from sandbox.kashflow.money import ZERO, half_up
from sandbox.kashflow.soap.types import TYPES, Member

NAMESPACE = "KashFlow"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
UNSET_DATE = "0001-01-01T00:00:00"
_EMPTY: Mapping[str, Any] = {"s": "", "i": 0, "d": ZERO, "b": False, "t": None, "n": 0}
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")


class Unreadable(Exception):
    """The request cannot be taken apart; the text is .NET's for the ``faultstring``."""


@cache
def snake(name: str) -> str:
    """The attribute for a member: InvoiceDBID → invoice_dbid, VATAmount → vat_amount."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


# Reading


def parse(body: bytes) -> etree._Element:
    """The document element; no entities, no network, no huge trees.

    :raises Unreadable: no well-formed XML.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(f"There is an error in XML document. ---> System.Xml.XmlException: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("For security reasons DTD is prohibited in this XML document.")
    return root


def decode(element: etree._Element, wanted: list[Member] | tuple[Member, ...]) -> dict[str, Any]:
    """Values of the wanted children by snake name: what is missing is empty, what is unknown is ignored.

    :raises Unreadable: text that is no value of its type, or an array member of no known type.
    """
    children = {child.tag: child for child in element if isinstance(child.tag, str)}
    return {
        snake(member.name): _decode_member(children.get(f"{{{NAMESPACE}}}{member.name}"), member) for member in wanted
    }


def _decode_member(child: etree._Element | None, member: Member) -> Any:
    if member.array:
        return [] if child is None else _decode_array(child, member)
    if child is None:
        return _EMPTY.get(member.kind)
    if not member.is_scalar:
        return None if _is_nil(child) else decode(child, TYPES[member.kind].members)
    return _decode_scalar(child.text or "", member.kind)


def _is_nil(element: etree._Element) -> bool:
    return element.get(f"{{{XSI}}}nil") in ("true", "1")


def _decode_array(element: etree._Element, member: Member) -> list[dict[str, Any]]:
    wanted = member.kind if member.array == "typed" else "anyType"
    found = []
    for child in element.iterchildren(f"{{{NAMESPACE}}}{wanted}"):
        if member.array == "any":
            _check_xsi_type(child, member.kind)
        found.append(decode(child, TYPES[member.kind].members))
    return found


def _check_xsi_type(element: etree._Element, wanted: str) -> None:
    prefix, _, name = (element.get(f"{{{XSI}}}type") or "").rpartition(":")
    namespace = element.nsmap.get(prefix or None)
    if name != wanted or namespace != NAMESPACE:
        raise Unreadable(
            "There is an error in XML document. ---> System.InvalidOperationException: The specified type was not "
            f"recognized: name='{name}', namespace='{namespace or ''}', at <anyType xmlns='{NAMESPACE}'>."
        )


def _decode_scalar(text: str, kind: str) -> Any:
    if kind == "s":
        return text
    try:
        return _READERS[kind](text.strip())
    except (ValueError, InvalidOperation) as error:
        wording = _WRONG[kind].format(text=text)
        raise Unreadable(f"There is an error in XML document. ---> System.FormatException: {wording}") from error


def _read_int(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(text)
    value = int(text)
    if not -(2**31) <= value < 2**31:
        raise ValueError(text)
    return value


def _read_decimal(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _read_bool(text: str) -> bool:
    if text not in ("true", "1", "false", "0"):
        raise ValueError(text)
    return text in ("true", "1")


def _read_moment(text: str) -> dt.datetime | None:
    """As written; an offset is dropped, and the year 1 means no date."""
    moment = dt.datetime.fromisoformat(text).replace(tzinfo=None)
    return None if moment.year == 1 else moment


_READERS: Mapping[str, Any] = {
    "i": _read_int,
    "n": lambda text: _read_int(text) if text else 0,
    "d": _read_decimal,
    "b": _read_bool,
    "t": _read_moment,
}
_WRONG = {
    "i": "Input string was not in a correct format.",
    "n": "Input string was not in a correct format.",
    "d": "Input string was not in a correct format.",
    "b": "The string '{text}' is not a valid Boolean value.",
    "t": "The string '{text}' is not a valid AllXsd value.",
}


# Writing


def encode(name: str, value: Any, member: Member) -> str:
    """One element; a null object or array is written as nil, a null text is left out."""
    if member.array:
        return _encode_array(name, value, member)
    if not member.is_scalar:
        if value is None:
            return f'<{name} xsi:nil="true" />'
        return f"<{name}>{encode_members(value, member.kind)}</{name}>"
    if value is None and member.kind in ("s", "n"):
        return ""
    return f"<{name}>{encode_scalar(value, member.kind)}</{name}>"


def encode_members(row: Any, type_name: str) -> str:
    """The children of an element of this type; ``row`` is a mapping by snake name or an object with such attributes."""
    parts = []
    for member in TYPES[type_name].members:
        attribute = snake(member.name)
        value = row.get(attribute) if isinstance(row, Mapping) else getattr(row, attribute, None)
        if value is None and not member.required:
            # Null members of an object are left out, as the .NET serialiser does.
            continue
        parts.append(encode(member.name, value, member))
    return "".join(parts)


def _encode_array(name: str, rows: Any, member: Member) -> str:
    if rows is None:
        return f'<{name} xsi:nil="true" />'
    if member.array == "any":
        opening, closing = f'<anyType xsi:type="{member.kind}">', "</anyType>"
    else:
        opening, closing = f"<{member.kind}>", f"</{member.kind}>"
    return f"<{name}>{''.join(opening + encode_members(row, member.kind) + closing for row in rows)}</{name}>"


def encode_scalar(value: Any, kind: str) -> str:
    if kind == "s":
        return escape(_xml_text(str(value)))
    if kind in ("i", "n"):
        return str(int(value or 0))
    if kind == "d":
        return f"{half_up(Decimal(value or 0), 4):f}"
    if kind == "b":
        return "true" if value else "false"
    return encode_moment(value)


def _xml_text(text: str) -> str:
    """Without the control characters that XML cannot carry."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text)


def encode_moment(value: dt.date | None) -> str:
    if value is None:
        return UNSET_DATE
    return value.isoformat() if isinstance(value, dt.datetime) else f"{value.isoformat()}T00:00:00"
