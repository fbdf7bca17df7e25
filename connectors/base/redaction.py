"""Secrets out of what is shown: headers, addresses, JSON, XML and form bodies, by the name of the field.

What cannot be parsed and mentions a secret's name is withheld as a whole. E-mails and the like stay: whoever stores
an exchange seals it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from lxml import etree

from connectors.base import exact_json

REDACTED = "[redacted]"
SHOWN_BYTES = 8 * 1024
_PARSED_BYTES = 256 * 1024  # a larger body is not worth its parsing; its beginning is shown if it names no secret
_NESTING = 8
_RECOGNISABLE = 6  # characters; a shorter value would be found in ordinary words

# Compared with the field's name in lower case without punctuation. First: anywhere in the name; second: the whole name.
_SECRET_PARTS = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "authorization",
    "memorable",
    "credential",
    "cookie",
    "apikey",
    "accesskey",
    "privatekey",
    "authkey",
    "secretkey",
    "sessionid",
    "sessionkey",
    "signature",
    "cardnumber",
    "creditcard",
    "cvv",
    "cvc",
    "securitycode",
    "codeverifier",
    "clientassertion",
    "hmac",
    "jwt",
)
_SECRET_NAMES = frozenset(("pwd", "pass", "auth", "pin", "pan", "sig", "assertion", "bearer"))
# In a query or a form these are an API key and an OAuth code; in a document a member name, a country or a nominal.
_SECRET_FORM_NAMES = _SECRET_NAMES | {"key", "code"}
_LABELS = frozenset(("name", "key", "field", "id"))
_FORM = re.compile(r"[^\s<{\[=&]+=\S*")  # a form sent without saying so
_NAMED_ALONE = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(sorted(_SECRET_NAMES))})(?![a-z0-9])")


def is_secret(name: str, names: frozenset[str] = _SECRET_NAMES) -> bool:
    plain = "".join(filter(str.isalnum, name.casefold()))
    return plain in names or any(part in plain for part in _SECRET_PARTS)


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): REDACTED if is_secret(name) else value for name, value in headers.items()}


def secret_values(headers: Mapping[str, str]) -> set[str]:
    """The secrets a request carries in its headers, with and without a scheme such as ``Bearer``."""
    values = [value for name, value in headers.items() if is_secret(name)]
    return {part for value in values for part in (value, value.rpartition(" ")[2]) if len(part) >= _RECOGNISABLE}


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Replace these very values wherever they stand."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def redact_url(url: str) -> str:
    """Without user information and fragment, and with secret query values replaced."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, _redact_form(parts.query), ""))


# ``name: value``, ``name=value``, ``"name": "value"``; ``<name>value</name>``.
_NAMED = re.compile(r"""(?<![\w.-])(?P<name>[A-Za-z][\w.-]*+)["']?\s*[:=]\s*""")
_ELEMENT = re.compile(r"<(?:[\w.-]+:)?(?P<name>[\w.-]+)[^<>]*>")
# A scheme such as Bearer belongs to the value.
_VALUE = re.compile(r"""\s*(?:"[^"]*"|'[^']*'|(?:(?:bearer|basic|token|digest)\s+)?[^\s,;&<>)}\]"']+)""", re.IGNORECASE)
_IN_A_QUERY = re.compile(r"(?P<name>[?&](?:key|code)=)[^\s&#\"']+", re.IGNORECASE)
_SCHEME = re.compile(r"(?P<name>\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}", re.IGNORECASE)
_USER_INFORMATION = re.compile(r"(?P<name>://)[^/\s@\"']+(?=@)")


def redact_line(text: str) -> str:
    """A line of free text, as a log has it, with values replaced that stand behind a secret's name."""
    if "=" in text or ":" in text or "<" in text:
        text = _redact_after(_NAMED, text)
        if "<" in text:
            text = _redact_after(_ELEMENT, text)
        for pattern in (_USER_INFORMATION, _IN_A_QUERY):
            text = pattern.sub(rf"\g<name>{REDACTED}", text)
    return _SCHEME.sub(rf"\g<name>{REDACTED}", text)


_is_secret_word = lru_cache(maxsize=2048)(is_secret)


def _redact_after(names: re.Pattern[str], text: str) -> str:
    kept, place = [], 0
    for found in names.finditer(text):
        if found.start() < place or not _is_secret_word(found["name"]):
            continue
        if value := _VALUE.match(text, found.end()):
            kept += [text[place : found.end()], REDACTED]
            place = value.end()
    return "".join([*kept, text[place:]])


def redact_body(content: bytes, content_type: str = "") -> str:
    """Text fit to be shown, at most 8 kB."""
    text = content[:_PARSED_BYTES].decode("utf-8", "replace")
    if len(content) > _PARSED_BYTES:
        return _cut(_unparsed(text))
    if "x-www-form-urlencoded" in content_type.lower() or _FORM.fullmatch(text):
        return _cut(_redact_form(text))
    return _cut(_redact_text(text, _NESTING))


def _cut(text: str) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= SHOWN_BYTES else data[:SHOWN_BYTES].decode("utf-8", "ignore") + " [cut]"


def _unparsed(text: str) -> str:
    return f"[withheld: {len(text)} characters that name a secret]" if _mentions(text) else text


def _mentions(text: str) -> bool:
    plain = text.casefold()
    run_together = re.sub(r"[\W_]+", "", plain)
    return any(part in run_together for part in _SECRET_PARTS) or _NAMED_ALONE.search(plain) is not None


def _redact_text(text: str, depth: int) -> str:
    """A document or a text field: many providers put JSON or XML inside a string."""
    start = text.lstrip("\ufeff \t\r\n")[:1]
    try:
        if depth and start in ("{", "["):
            return _show_json(_redact_json(exact_json.loads(text.lstrip("\ufeff")), depth - 1))
        if depth and start == "<":
            return _redact_xml(text, depth - 1)
    except (ValueError, RecursionError, etree.LxmlError):
        pass
    return _unparsed(text)


def _show_json(value: Any) -> str:
    try:
        return exact_json.dumps(value).decode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _redact_json(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        labelled = any(_is_label(key, item) for key, item in value.items())
        return {key: _redact_member(key, item, labelled, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [_redact_json(item, depth) for item in value]
    if isinstance(value, str):
        return _redact_text(value, depth)
    return value


def _is_label(key: str, item: Any) -> bool:
    """``{"name": "password", "value": "…"}``: the name of the secret is itself a value."""
    return key.casefold() in _LABELS and isinstance(item, str) and is_secret(item)


def _redact_member(key: str, item: Any, labelled: bool, depth: int) -> Any:
    if is_secret(key) or (labelled and not _is_label(key, item)):
        return REDACTED
    return _redact_json(item, depth)


def _redact_form(text: str) -> str:
    pairs = parse_qsl(text, keep_blank_values=True)
    return urlencode([(name, REDACTED if is_secret(name, _SECRET_FORM_NAMES) else value) for name, value in pairs])


def _redact_xml(text: str, depth: int) -> str:
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        return _unparsed(text)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    root = etree.fromstring(text.lstrip("\ufeff \t\r\n").encode("utf-8", "replace"), parser)
    _redact_element(root, depth)
    return etree.tostring(root, encoding="unicode")


def _redact_element(element: Any, depth: int) -> None:
    labelled = any(_is_label(etree.QName(name).localname, value) for name, value in element.attrib.items())
    if is_secret(etree.QName(element).localname) or labelled:
        tail = element.tail
        element.clear()
        element.text, element.tail = REDACTED, tail
        return
    for name, value in element.attrib.items():
        element.set(name, REDACTED if is_secret(etree.QName(name).localname) else _redact_text(value, depth))
    element.text = _redact_text(element.text, depth) if element.text else element.text
    for child in element:
        _redact_element(child, depth)
        child.tail = _redact_text(child.tail, depth) if child.tail else child.tail
