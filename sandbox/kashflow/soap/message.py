"""SOAP envelopes, both versions: taken apart, answered, refused."""

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web
from lxml import etree

from sandbox.kashflow.soap.codec import NAMESPACE, XSI, Unreadable, encode, parse
from sandbox.kashflow.soap.operations import OPERATIONS, STATUS, Operation
from sandbox.kashflow.soap.types import Member

ENVELOPES = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
CONTENT_TYPES = {"1.1": "text/xml", "1.2": "application/soap+xml"}
REFERENCES = ("CustomerReference", "PayNote", "Comment", "CustomerEmail", "Code")
"""Members that carry the caller's own key, in this order."""


class Fault(Exception):
    """Answered as a SOAP Fault with HTTP 500; the text is the ``faultstring``."""

    def __init__(self, text: str, version: str = "1.1") -> None:
        super().__init__(text)
        self.text = text
        self.version = version


@dataclass(frozen=True)
class Message:
    """``operation`` is the body element's local name, known or not; ``element`` the body element itself."""

    version: str
    operation: str
    element: etree._Element

    def reference(self) -> str | None:
        for name in REFERENCES:
            found = self.element.findtext(f".//{{{NAMESPACE}}}{name}")
            if found:
                return found
        return None


def read_message(body: bytes) -> Message:
    """:raises Fault: no XML, no envelope of either version, or an empty body."""
    try:
        root = parse(body)
    except Unreadable as error:
        raise Fault(unreadable_text(error)) from error
    version = next((v for v, namespace in ENVELOPES.items() if root.tag == f"{{{namespace}}}Envelope"), None)
    if version is None:
        raise Fault("Possible SOAP version mismatch: Envelope namespace was unexpected.")
    holder = root.find(f"{{{ENVELOPES[version]}}}Body")
    element = next(holder.iterchildren(etree.Element), None) if holder is not None else None
    if element is None:
        raise Fault(NO_ACTION, version)
    return Message(version, etree.QName(element).localname, element)


NO_ACTION = (
    "System.Web.Services.Protocols.SoapException: Unable to handle request without a valid action parameter. "
    "Please supply a valid soap action."
)


def known_operation(message: Message) -> Operation:
    """:raises Fault: the service has no such operation, or it is not in the service's namespace."""
    operation = OPERATIONS.get(message.operation)
    if operation is None or etree.QName(message.element).namespace != NAMESPACE:
        raise Fault(
            "System.Web.Services.Protocols.SoapException: Server did not recognize the value of HTTP Header "
            f"SOAPAction: {NAMESPACE}/{message.operation}.",
            message.version,
        )
    return operation


def unreadable_text(error: Unreadable) -> str:
    return (
        "System.Web.Services.Protocols.SoapException: Server was unable to read request. "
        f"---> System.InvalidOperationException: {error}"
    )


def answer(operation: Operation, version: str, result: Any, *, refusal: str | None = None) -> web.Response:
    """Status OK with the result, or Status NO with the text of the refusal and an empty result."""
    name = f"{operation.name}Response"
    parts = []
    if operation.result is not None:
        value = _no_result(operation.result) if refusal is not None else result
        parts.append(encode(operation.result.name, value, operation.result))
    status, detail = STATUS
    parts.append(encode(status.name, "OK" if refusal is None else "NO", status))
    parts.append(encode(detail.name, refusal or "", detail))
    return _envelope(version, f'<{name} xmlns="{NAMESPACE}">{"".join(parts)}</{name}>')


def _no_result(result: Member) -> Any:
    """Zero or false for value types, nil for objects and arrays, nothing for a text."""
    return 0 if result.required else None


def fault_answer(fault: Fault) -> web.Response:
    text = escape(fault.text)
    if fault.version == "1.2":
        code = "<soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code>"
        body = f'{code}<soap:Reason><soap:Text xml:lang="en">{text}</soap:Text></soap:Reason>'
    else:
        body = f"<faultcode>soap:Client</faultcode><faultstring>{text}</faultstring><detail />"
    return _envelope(fault.version, f"<soap:Fault>{body}</soap:Fault>", status=500)


def _envelope(version: str, body: str, *, status: int = 200) -> web.Response:
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{ENVELOPES[version]}" '
        f'xmlns:xsi="{XSI}" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soap:Body>{body}</soap:Body></soap:Envelope>'
    )
    return web.Response(status=status, text=text, content_type=CONTENT_TYPES[version], charset="utf-8")
