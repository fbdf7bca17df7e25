"""The trace of a webhook is kept with its event and its run; calls carry it on to whom we name."""

import asyncio

import pytest

from connectors.base.errors import OutcomeUnknown
from connectors.base.gate import OpenGate
from connectors.base.http import AddressPolicy, Effect, HttpPool
from runs.models import InboxEvent, Run
from telemetry import tracing
from tests.connectors.base.raw_server import OK, RawServer
from tests.observability.conftest import spans_kept
from tests.runs.conftest import claim, drain, tell

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

db = pytest.mark.django_db(transaction=True)


@db
def test_the_senders_trace_is_kept_with_event_and_run(deliver):
    assert deliver("7", traceparent=TRACE).status_code == 200
    assert InboxEvent.unscoped.get().traceparent == TRACE
    claim()
    assert Run.unscoped.get().traceparent == TRACE


@db
def test_a_webhook_without_a_trace_stores_none_while_tracing_is_off(deliver):
    deliver("7")
    assert InboxEvent.unscoped.get().traceparent == ""


@pytest.mark.parametrize(
    "header",
    ["", "nonsense", TRACE + "-more", TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), "ff" + TRACE[2:]],
    ids=["empty", "nonsense", "too long", "no trace id", "version unknown"],
)
def test_what_is_no_trace_is_not_kept(header):
    assert tracing.incoming(header) == ""


@db
class TestWhileTracing:
    def test_the_span_of_the_webhook_goes_on_from_the_senders_and_is_stored(self, deliver, spans):
        deliver("7", traceparent=TRACE)
        (webhook,) = spans()
        assert f"{webhook.context.trace_id:032x}" == TRACE.split("-")[1]
        assert f"{webhook.parent.span_id:016x}" == TRACE.split("-")[2]
        assert InboxEvent.unscoped.get().traceparent.split("-")[2] == f"{webhook.context.span_id:016x}"

    def test_every_attempt_of_a_run_is_part_of_its_trace(self, deliver, world, spans):
        world.orders["7"] = "1.00"
        deliver("7")
        drain()
        webhook, attempt = (next(span for span in spans() if span.name == name) for name in ("webhook", "attempt"))
        assert attempt.context.trace_id == webhook.context.trace_id
        assert attempt.attributes["causeway.ending"] == "done"

    def test_news_of_a_poll_begins_a_trace_of_its_own(self, installation, world, spans):
        world.orders["7"] = "1.00"
        tell(installation, "7", via="poll")
        drain()
        attempt = next(span for span in spans() if span.name == "attempt")
        assert attempt.parent is None


def call(*, hosts=(), answer=OK, effect=Effect.READ, seconds=30.0):
    """One call to a server on this machine; returns the headers it saw and the spans there were."""

    async def ask():
        pool = HttpPool()
        try:
            async with RawServer([answer]) as server:
                door = pool.door(OpenGate(), AddressPolicy(allow=["127.0.0.1"]), None, "shop")
                try:
                    address = f"{server.base}/order/7?key=hush"
                    await door.call("POST", address, operation="make", effect=effect, timeout_seconds=seconds)
                finally:
                    headers.append(server.arrivals[0].headers)
        finally:
            await pool.close()

    headers = []
    for spans in spans_kept(hosts=hosts):
        try:
            asyncio.run(ask())
        except OutcomeUnknown:
            pass
        seen = headers[0], spans()
    return seen


class TestCalls:
    def test_a_stranger_hears_nothing_of_our_trace(self):
        headers, _ = call()
        assert "traceparent" not in headers

    def test_a_host_we_name_can_go_on_with_it(self):
        headers, (span,) = call(hosts=["127.0.0.1"])
        assert headers["traceparent"].split("-")[1:3] == [
            f"{span.context.trace_id:032x}",
            f"{span.context.span_id:016x}",
        ]

    def test_its_span_says_what_and_where_and_not_with_what(self):
        _, (span,) = call()
        assert span.name == "shop make"
        assert dict(span.attributes) == {
            "http.request.method": "POST",
            "server.address": "127.0.0.1",
            "causeway.effect": "read",
            "http.response.status_code": 200,
        }

    def test_a_failed_call_names_the_class_of_its_error_only(self):
        _, (span,) = call(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut", effect=Effect.WRITE, seconds=1.0)
        assert span.attributes["error.type"] == "OutcomeUnknown"
        assert span.status.description is None and not span.events


def test_what_a_sender_wishes_does_not_decide_what_is_kept():
    for spans in spans_kept(ratio=0.0):
        with tracing.span("webhook", parent=TRACE):
            assert tracing.traceparent().endswith("-00")
        assert spans() == ()


def test_a_share_of_traces_is_kept_whole_or_not_at_all():
    for spans in spans_kept(ratio=0.5):
        for _ in range(60):
            with tracing.span("webhook"):
                stored = tracing.traceparent()
            with tracing.span("attempt", parent=stored):
                pass
        kept = {}
        for span in spans():
            kept.setdefault(span.context.trace_id, set()).add(span.name)
        assert 0 < len(kept) < 60
        assert all(names == {"webhook", "attempt"} for names in kept.values())


def test_while_off_a_span_is_one_shared_nothing():
    assert tracing.span("a") is tracing.span("b")
    assert tracing.traceparent() == "" and tracing.carried("127.0.0.1") == {}
