"""One order, from the webhook of the shop to the last call at the ledger, is one trace."""

from __future__ import annotations

import pytest

from runs.models import Run
from tests.observability.conftest import spans_kept

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def story(worlds):
    """Trace of a paid order: its spans, and all spans there were."""
    with worlds(family="B") as world:
        world.settle()
        for spans in spans_kept(hosts=()):
            order = world.order()
            world.settle()
            run = Run.unscoped.filter(record__record_id=str(order), record__record_type="order").order_by("pk").first()
            trace = int(run.traceparent.split("-")[1], 16)
            yield [span for span in spans() if span.context.trace_id == trace], spans()


def test_webhook_attempt_and_every_call_are_connected(story):
    spans, _ = story
    by_id = {span.context.span_id: span for span in spans}
    roots = [span for span in spans if span.parent is None]
    assert [span.name for span in roots] == ["webhook"]
    for span in spans:
        while span.parent is not None:
            assert span.parent.span_id in by_id, f"{span.name} hangs on nothing"
            span = by_id[span.parent.span_id]
        assert span.name == "webhook"


def test_the_calls_of_both_systems_hang_on_an_attempt(story):
    spans, _ = story
    attempts = {span.context.span_id: span for span in spans if span.name == "attempt"}
    assert "done" in {span.attributes["causeway.ending"] for span in attempts.values()}
    calls = {span.name for span in spans if span.parent and span.parent.span_id in attempts}
    assert {"nopcommerce GET /api/orders/{id}", "kashflow InsertInvoice", "kashflow InsertInvoicePayment"} <= calls


def test_the_flushes_name_the_attempts_they_served(story):
    spans, everything = story
    attempts = {span.context.span_id for span in spans if span.name == "attempt"}
    served = {link.context.span_id for span in everything if span.name == "flush" for link in span.links}
    assert attempts <= served


def test_spans_tell_no_address_and_no_text_of_a_provider(story):
    _, everything = story
    told = {name for span in everything for name in span.attributes}
    assert told <= {
        "causeway.connector", "causeway.effect", "causeway.ending", "causeway.run", "causeway.tenant", "error.type",
        "http.request.method", "http.response.status_code", "server.address",
    }  # fmt: skip
    assert not any(span.events for span in everything), "exceptions are not recorded: their texts may quote anything"
