"""The standard reading of a status, for reads and for writes."""

from __future__ import annotations

import pytest

from connectors.base.errors import NeedsAttention, OutcomeUnknown, RateLimited, Rejected, Retryable
from connectors.base.http import Effect, Reply, raise_for_status

HTML = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/json"}
TABLE = [
    (200, JSON, None, None),
    (204, {}, None, None),
    (200, HTML, Retryable, OutcomeUnknown),
    (301, JSON, NeedsAttention, NeedsAttention),
    (302, JSON, NeedsAttention, OutcomeUnknown),
    (308, JSON, NeedsAttention, NeedsAttention),
    (400, JSON, Rejected, Rejected),
    (401, JSON, NeedsAttention, NeedsAttention),
    (403, HTML, NeedsAttention, NeedsAttention),
    (404, JSON, Rejected, Rejected),
    (408, JSON, Retryable, OutcomeUnknown),
    (409, JSON, Rejected, Rejected),
    (410, JSON, Rejected, Rejected),
    (422, JSON, Rejected, Rejected),
    (429, JSON, RateLimited, RateLimited),
    (500, HTML, Retryable, OutcomeUnknown),
    (500, JSON, Retryable, OutcomeUnknown),
    (503, JSON, Retryable, OutcomeUnknown),
]


@pytest.mark.parametrize(("status", "headers", "read", "write"), TABLE)
def test_the_table(status, headers, read, write):
    for effect, expected in ((Effect.READ, read), (Effect.WRITE, write)):
        reply = Reply(
            status, headers | {"x-request-id": "r-9"}, b'{"password": "hunter22", "a": 1}', "", "op", 0.1, effect
        )
        if expected is None:
            raise_for_status(reply, effect, what="order 7")
            continue
        with pytest.raises(expected) as caught:
            raise_for_status(reply, effect, what="order 7")
        assert type(caught.value) is expected
        assert caught.value.request_id == "r-9"
        assert str(status) in caught.value.operator_text
        assert "hunter22" not in caught.value.operator_text
        assert expected is RateLimited or "order 7" in caught.value.customer_text


def test_a_busy_provider_names_its_time():
    reply = Reply(503, {"retry-after": "12"}, b"", "", "op", 0.1)
    with pytest.raises(Retryable) as caught:
        raise_for_status(reply, Effect.READ, what="orders")
    assert caught.value.after_seconds == 12


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        ("é".encode(), "text/plain; charset=utf-8", "é"),
        ("é".encode("latin-1"), 'text/xml; charset="ISO-8859-1"', "é"),
        (b"\xef\xbb\xbfa", "application/json", "a"),
        (b"\xff", "", "\ufffd"),
        (b"a", "text/plain; charset=klingon", "a"),
    ],
)
def test_text(content, content_type, text):
    assert Reply(200, {"content-type": content_type}, content, "", "op", 0.1).text == text


def test_html_is_recognised_without_its_content_type():
    assert Reply(200, {}, b"\xef\xbb\xbf\r\n <!DOCTYPE html><html>", "", "op", 0.1).is_html
    assert not Reply(200, {}, b"<?xml version='1.0'?><a/>", "", "op", 0.1).is_html
