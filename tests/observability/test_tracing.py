"""The trace of a webhook is kept with its event and its run."""

import pytest

from runs.models import InboxEvent, Run
from telemetry import tracing
from tests.runs.conftest import claim

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
