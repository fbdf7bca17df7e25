"""A tenant with the fake pair, and a door to knock at."""

import json
from dataclasses import replace

import pytest
from django.test import Client

from connectors.registry import CONNECTORS
from telemetry import tracing
from tests.runs.conftest import installation, queued, world
from tests.runs.test_polls_and_doors import FakeWebhook, sign

__all__ = ["installation", "queued", "world"]


@pytest.fixture
def deliver(installation, monkeypatch):
    """``deliver("7", "8", **headers)``: a signed webhook about these orders."""
    monkeypatch.setitem(CONNECTORS, "fakeshop", replace(CONNECTORS["fakeshop"], webhook=FakeWebhook()))
    address = f"/hooks/{installation.source.webhook_public_id}"

    def post(*numbers, signature=None, **headers):
        body = json.dumps([{"id": number} for number in numbers]).encode()
        sent = {"X-Signature": signature or sign(body), **headers}
        return Client().post(address, body, content_type="application/json", headers=sent)

    return post


@pytest.fixture
def spans():
    """Tracing is on; ``spans()`` is what has ended so far."""
    yield from spans_kept()


def spans_kept(**options):
    sdk = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    assert tracing.start(role="test", processor=sdk.SimpleSpanProcessor(memory), **options)
    try:
        yield memory.get_finished_spans
    finally:
        tracing.stop()
