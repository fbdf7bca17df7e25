"""SOAP 1.1 envelopes, written and read. Pure; decides nothing about what an answer means for a run.

Reading is safe against hostile XML: no entities, no network, no document type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from connectors.kashflow.soap_types import DELIVERY_ADDRESS, INVOICE_LINE, Kind, Members

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
KASHFLOW = "KashFlow"  # the namespace is this word, no scheme

NO_DATE = "0001-01-01T00:00:00"
_DEFAULT_NAMESPACE: Any = {None: KASHFLOW}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Unreadable(Exception):
    """The answer is not what the service description promises; the text says where."""


@dataclass(frozen=True)
class Record:
    """A value of one of KashFlow's types: its members and what they are set to."""

    members: Members
    values: Mapping[str, Any]
    extra: Mapping[str, str] | None = None


@dataclass(frozen=True)
class SoapReply:
    """``result`` is None when the method has none; ``status`` is OK or NO."""

    status: str
    detail: str
    result: etree._Element | None


@dataclass(frozen=True)
class SoapFault:
    code: str
    text: str


# Writing


def envelope(method: str, arguments: Sequence[tuple[str, Any]]) -> bytes:
    """The request for ``method``; arguments in the order of the service description, a ``Record`` for a typed one."""
    root = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"soap": ENVELOPE, "xsi": INSTANCE})
    body = etree.SubElement(root, f"{{{ENVELOPE}}}Body")
    call = etree.SubElement(body, f"{{{KASHFLOW}}}{method}", nsmap=_DEFAULT_NAMESPACE)
    for name, value in arguments:
        _append(call, name, value)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _append(parent: etree._Element, name: str, value: Any) -> None:
    element = etree.SubElement(parent, f"{{{KASHFLOW}}}{name}")
    if isinstance(value, Record):
        _fill(element, value)
    else:
        element.text = _text(value)


def _fill(element: etree._Element, record: Record) -> None:
    for name, kind in record.members:
        _append_member(element, name, kind, record.values.get(name))
    for name, text in (record.extra or {}).items():
        _append(element, name, text)


def _append_member(parent: etree._Element, name: str, kind: Kind, value: Any) -> None:
    if kind is Kind.LINES:
        _append_lines(parent, name, value or ())
    elif kind is Kind.DELIVERY:
        if value:
            _append(parent, name, Record(DELIVERY_ADDRESS, value))
    elif value in (None, ""):
        if (default := _DEFAULTS.get(kind)) is not None:
            _append(parent, name, default)
    else:
        _append(parent, name, value)


_DEFAULTS = {Kind.INT: "0", Kind.DECIMAL: "0", Kind.BOOL: "false", Kind.DATE_TIME: NO_DATE}


def _append_lines(parent: etree._Element, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
    holder = etree.SubElement(parent, f"{{{KASHFLOW}}}{name}")
    for line in lines:
        element = etree.SubElement(holder, f"{{{KASHFLOW}}}anyType")
        # A line without its type is refused; the value is a name in the default namespace.
        element.set(f"{{{INSTANCE}}}type", "InvoiceLine")
        _fill(element, Record(INVOICE_LINE, line))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S")
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    return _NOT_XML.sub("", str(value))


# Reading


def read_reply(content: bytes, method: str) -> SoapReply | SoapFault:
    """:raises Unreadable: no XML, no envelope, another method's answer, or no status."""
    body = _child(_root(content), ENVELOPE, "Body")
    if body is None or not len(body):
        raise Unreadable("no SOAP body")
    if (fault := _child(body, ENVELOPE, "Fault")) is not None:
        return SoapFault(code=_plain(fault, "faultcode"), text=_plain(fault, "faultstring"))
    answer = _child(body, KASHFLOW, f"{method}Response")
    if answer is None:
        raise Unreadable(f"no {method}Response")
    status = (text_of(answer, "Status") or "").strip().upper()
    if status not in {"OK", "NO"}:
        raise Unreadable("Status is neither OK nor NO")
    return SoapReply(status, text_of(answer, "StatusDetail").strip(), _child(answer, KASHFLOW, f"{method}Result"))


def _root(content: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"no well-formed XML: {error.msg}") from error
    tree: Any = root.getroottree()
    if tree.docinfo.doctype:
        raise Unreadable("a document type is not allowed")
    if root.tag != f"{{{ENVELOPE}}}Envelope":
        raise Unreadable("no SOAP envelope")
    return root


def _child(parent: etree._Element, namespace: str, name: str) -> etree._Element | None:
    return parent.find(f"{{{namespace}}}{name}")


def _plain(parent: etree._Element, name: str) -> str:
    """Text of an unqualified child, as in a SOAP fault."""
    return (parent.findtext(name) or "").strip()


def children(parent: etree._Element | None, name: str) -> list[etree._Element]:
    """Members of an array; an empty or missing array has none."""
    return [] if parent is None else parent.findall(f"{{{KASHFLOW}}}{name}")


def members(parent: etree._Element, name: str) -> list[etree._Element]:
    """Members of an array whatever they are called (untyped lines are ``anyType``)."""
    array = _child(parent, KASHFLOW, name)
    return [] if array is None else [row for row in array if isinstance(row.tag, str) and not is_nil(row)]


def is_nil(element: etree._Element | None) -> bool:
    return element is None or element.get(f"{{{INSTANCE}}}nil") in {"true", "1"}


def text_of(parent: etree._Element, name: str) -> str:
    element = _child(parent, KASHFLOW, name)
    return "" if element is None else (element.text or "")


def int_of(parent: etree._Element, name: str) -> int:
    return _int(text_of(parent, name), name)


def decimal_of(parent: etree._Element, name: str) -> Decimal:
    return _decimal(text_of(parent, name), name)


def date_of(parent: etree._Element, name: str) -> date:
    moment = date_time_of(parent, name)
    if moment is None:
        raise Unreadable(f"{name} is no date")
    return moment.date()


def date_time_of(parent: etree._Element, name: str) -> datetime | None:
    """None for KashFlow's "no date"; naive, UK local."""
    text = text_of(parent, name).strip()
    if not text or text.startswith("0001-01-01"):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise Unreadable(f"{name} is no date") from error


def result_int(result: etree._Element | None, method: str) -> int:
    return _int("" if result is None else (result.text or ""), f"{method}Result")


def result_bool(result: etree._Element | None) -> bool:
    return result is not None and (result.text or "").strip().lower() in {"true", "1"}


def texts(element: etree._Element) -> dict[str, str]:
    """All simple children by name, as read."""
    return {etree.QName(child).localname: child.text or "" for child in element if not len(child)}


def _int(text: str, name: str) -> int:
    try:
        return int(text.strip())
    except ValueError as error:
        raise Unreadable(f"{name} is no whole number") from error


def _decimal(text: str, name: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise Unreadable(f"{name} is no decimal number") from error
    if not value.is_finite():
        raise Unreadable(f"{name} is no decimal number")
    return value
