"""A planted secret never survives, wherever it stands and however deep."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base.redaction import SHOWN_BYTES, is_secret, redact_body, redact_headers, redact_url

SECRET = "pl4nted-Secre7-v4lue"
KEYS = [
    "password",
    "Password",
    "user_password",
    "passwd",
    "client_secret",
    "clientSecret",
    "accessToken",
    "access_token",
    "refresh-token",
    "TOKEN",
    "Authorization",
    "MemorableWord",
    "memorable_word",
    "api_key",
    "apiKey",
    "X-API-Key",
    "cardNumber",
    "card_number",
    "CreditCardNumber",
    "CVV2",
    "Cookie",
    "session_id",
    "private_key",
    "pwd",
    "pin",
    "signature",
]
WORDS = st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=8).filter(lambda word: SECRET not in word)


def wrapped(inner, wrappers):
    """``inner`` inside lists and objects, or inside JSON inside a text."""
    for kind, name in wrappers:
        match kind:
            case "list":
                inner = [1, inner, "x"]
            case "object":
                inner = {"a": 1, name or "b": inner, "z": None}
            case "text":
                inner = {"payload": json.dumps(inner)}
    return inner


WRAPPERS = st.lists(st.tuples(st.sampled_from(["list", "object", "text"]), WORDS), max_size=6)
PLANTED = st.sampled_from(
    [SECRET, [SECRET], {"a": {"b": SECRET}}, [[{"x": SECRET}]], f"{{{SECRET}", json.dumps({"a": SECRET})]
)


@given(st.sampled_from(KEYS), PLANTED, WRAPPERS, st.integers(0, 200))
def test_json(key, value, wrappers, lost):
    body = json.dumps(wrapped({key: value, "total": 1.10}, wrappers))
    assert SECRET not in redact_body(body.encode(), "application/json")
    assert SECRET not in redact_body(body.encode())
    assert SECRET not in redact_body(body[: len(body) - lost].encode()), "half an answer is withheld"


@given(st.sampled_from(KEYS), st.sampled_from(["name", "key", "Name", "field"]))
def test_json_that_names_the_field_beside_the_value(key, label):
    body = json.dumps([{"value": SECRET, label: key}, {label: "colour", "value": "red"}])
    assert SECRET not in redact_body(body.encode())
    assert "red" in redact_body(body.encode())


@given(
    st.sampled_from(KEYS),
    st.integers(0, 5),
    st.sampled_from(["text", "attribute", "child", "cdata", "label"]),
    st.integers(0, 60),
)
def test_xml(key, depth, place, lost):
    planted = {
        "text": f"<k:{key}>{escape(SECRET)}</k:{key}>",
        "attribute": f"<k:a {key}={quoteattr(SECRET)}/>",
        "child": f"<{key}><a><b>{SECRET}</b></a>{SECRET}</{key}>",
        "cdata": f"<a><![CDATA[<x><{key}>{SECRET}</{key}></x>]]></a>",
        "label": f"<param name='{key}'>{SECRET}</param>",
    }[place]
    body = "<n>" * depth + f"<e xmlns:k='urn:k'><Total>1.10</Total>{planted}tail</e>" + "</n>" * depth
    shown = redact_body(body.encode(), "text/xml")
    assert SECRET not in shown and "1.10" in shown
    assert SECRET not in redact_body(body[: len(body) - lost].encode(), "text/xml")


def test_a_soap_envelope_stays_readable():
    body = (
        b'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">'
        b'<soap:Body><GetCustomer xmlns="KashFlow"><UserName>ann</UserName><Password>'
        + SECRET.encode()
        + b"</Password>"
        b"<CustomerCode>C-1</CustomerCode></GetCustomer></soap:Body></soap:Envelope>"
    )
    shown = redact_body(body, "text/xml; charset=utf-8")
    assert SECRET not in shown
    assert "C-1" in shown and "ann" in shown and "[redacted]" in shown


def test_xml_with_a_document_type_is_not_expanded():
    body = f'<!DOCTYPE a [<!ENTITY s "{SECRET}">]><a><password>&s;</password></a>'
    assert SECRET not in redact_body(body.encode(), "text/xml")


@given(st.sampled_from([*KEYS, "code", "key"]), WORDS, WORDS)
def test_forms_and_addresses(key, name, value):
    query = urlencode([("a" + name, value), (key, SECRET), ("z", value)])
    assert SECRET not in redact_body(query.encode(), "application/x-www-form-urlencoded")
    assert SECRET not in redact_body(query.encode()), "sent without a content type"
    shown = redact_url(f"https://user:{quote(SECRET)}@shop.example/a/b?{query}#token={SECRET}")
    assert SECRET not in shown and shown.startswith("https://shop.example/a/b?")


@given(
    st.dictionaries(WORDS.filter(bool), WORDS),
    st.sampled_from(["Authorization", "Cookie", "SET-COOKIE", "X-Auth-Token", "Proxy-Authorization", "x-api-key"]),
)
def test_headers(others, name):
    assert SECRET not in str(redact_headers({**others, name: f"Bearer {SECRET}"}))


@given(
    st.binary(max_size=300), st.sampled_from(["", "application/json", "text/xml", "application/x-www-form-urlencoded"])
)
def test_any_bytes_are_shown_somehow(body, content_type):
    assert isinstance(redact_body(body, content_type), str)


@pytest.mark.parametrize("size", [SHOWN_BYTES + 1, 300_000])
def test_a_long_body_is_cut(size):
    shown = redact_body(json.dumps({"note": "ü" * size}, ensure_ascii=False).encode())
    assert len(shown.encode()) <= SHOWN_BYTES + len(" [cut]")
    secret = json.dumps({"password": SECRET, "note": "x" * size}).encode()
    assert SECRET not in redact_body(secret)


def test_what_people_need_stays():
    body = {"email": "ann@example.com", "country_code": "GB", "key": "colour", "author": "x", "sum": 1, "name": "Ann"}
    assert json.loads(redact_body(json.dumps(body).encode())) == body
    assert not any(
        is_secret(name) for name in ("code", "key", "email", "company", "author", "SpinRate", "pants", "shipping")
    )


def test_deep_nesting_is_withheld_and_not_a_crash():
    body = b"[" * 50_000 + b'{"password":"' + SECRET.encode() + b'"}' + b"]" * 50_000
    assert SECRET not in redact_body(body)
    body = b"<a>" * 3_000 + b"<password>" + SECRET.encode() + b"</password>" + b"</a>" * 3_000
    assert SECRET not in redact_body(body)
