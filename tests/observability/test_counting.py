"""What happens is counted: once, under labels that name no tenant."""

import asyncio
import threading

import pytest
from django.db import OperationalError
from prometheus_client import Histogram

from connectors.base.errors import NotSent, Rejected, Retryable
from connectors.base.gate import OpenGate
from connectors.base.http import AddressPolicy, Effect, HttpPool
from runs.claim import leases_recover
from runs.models import InboxEvent
from telemetry import metrics
from telemetry.metrics import FAMILIES, Observed
from tenants.clock import database_now
from tests.connectors.base.raw_server import RawServer
from tests.observability.samples import counted
from tests.runs.conftest import claim, drain, tell

db = pytest.mark.django_db(transaction=True)


@db
class TestQueue:
    def test_an_order_is_counted_from_claim_to_ending(self, installation, world):
        world.orders["7"] = "1.00"
        with counted() as more:
            tell(installation, "7")
            drain()
        assert more("causeway_claim_events_sum") == 1
        assert more("causeway_attempt_seconds_count", ending="done") == 1
        assert more("causeway_effects_total", connector="fakebooks", operation="write_document", how="written") == 1
        assert more("causeway_delivery_seconds_count", via="webhook") == 1
        assert more("causeway_flush_seconds_count", result="ok") >= 1
        assert more("causeway_flush_entries_sum", result="ok") >= 2
        assert more("causeway_attempt_errors_total") == 0

    def test_a_second_look_is_an_effect_remembered(self, installation, world):
        world.orders["7"] = "1.00"
        tell(installation, "7")
        drain()
        with counted() as more:
            tell(installation, "7")
            drain()
        assert more("causeway_effects_total", how="remembered") == 1
        assert more("causeway_effects_total", how="written") == 0

    @pytest.mark.parametrize(
        ("failure", "ending", "error"),
        [(Rejected("no such code", code="x"), "dead", "Rejected"), (Retryable("away"), "waiting", "Retryable")],
    )
    def test_an_attempt_that_fails_is_counted_by_its_error(self, installation, world, failure, ending, error):
        world.orders["7"] = "1.00"
        world.write_fails["7"] = failure
        with counted() as more:
            tell(installation, "7")
            drain(until=lambda: InboxEvent.unscoped.filter(state=ending).exists())
        assert more("causeway_attempt_seconds_count", ending=ending) >= 1
        assert more("causeway_attempt_errors_total", error=error, ending=ending) >= 1

    def test_events_of_lost_workers_are_counted_when_they_come_back(self, installation):
        tell(installation, "7", "8")
        claim()
        InboxEvent.unscoped.update(lease_expires_at=database_now())
        with counted() as more:
            leases_recover(default_settle=1.0)
        assert more("causeway_events_recovered_total", state="waiting") == 2


@db
class TestDoor:
    @pytest.mark.parametrize(
        ("signature", "connector", "answer"), [(None, "fakeshop", "stored"), ("wrong", "fakeshop", "signature")]
    )
    def test_a_delivery_is_counted_by_our_answer(self, deliver, signature, connector, answer):
        with counted() as more:
            deliver("7", signature=signature)
        assert more("causeway_hook_seconds_count", connector=connector, answer=answer) == 1
        assert more("causeway_hook_seconds_count") == 1

    def test_what_cannot_be_stored_is_counted_too(self, deliver, monkeypatch):
        def away(**named):
            raise OperationalError("away")

        monkeypatch.setattr("runs.hooks.news_store", away)
        with counted() as more:
            deliver("7")
        assert more("causeway_hook_seconds_count", answer="unavailable") == 1
        assert more("causeway_news_total") == 0

    def test_news_opens_or_joins_an_event(self, deliver):
        with counted() as more:
            deliver("7", "8")
            deliver("8", "9")
        assert more("causeway_news_total", via="webhook", result="opened") == 3
        assert more("causeway_news_total", via="webhook", result="merged") == 1

    def test_a_poll_that_sees_the_same_again_is_no_news(self, installation):
        with counted() as more:
            for mark in ("a", "a", "b"):
                tell(installation, "7", via="poll", fingerprint=mark)
        assert more("causeway_news_total", via="poll", result="unchanged") == 1
        assert more("causeway_news_total", via="poll", result="opened") == 1
        assert more("causeway_news_total", via="poll", result="merged") == 1


class Shut:
    async def enter(self, operation):
        raise NotSent("wait", code="circuit_open", counts=False)

    async def report(self, operation, outcome, headers):
        raise AssertionError("nothing was sent")


class Slow(OpenGate):
    async def enter(self, operation):
        await asyncio.sleep(0.5)


def plain(status):
    return f"HTTP/1.1 {status} Said\r\nContent-Length: 2\r\n\r\n{{}}".encode()


def call(answer, *, gate=None, operation="get_order"):
    """One read, answered by a real server with ``answer``."""

    async def ask():
        pool = HttpPool()
        try:
            async with RawServer([answer]) as server:
                door = pool.door(gate or OpenGate(), AddressPolicy(allow=["127.0.0.1"]), None, "fakeshop")
                return await door.call("GET", server.base, operation=operation, effect=Effect.WRITE)
        finally:
            await pool.close()

    return asyncio.run(ask())


class TestCalls:
    @pytest.mark.parametrize(("status", "outcome"), [(200, "ok"), (404, "refused"), (500, "broken")])
    def test_a_call_is_counted_by_its_answer(self, status, outcome):
        with counted() as more:
            call(plain(status))
        assert more("causeway_call_seconds_count", connector="fakeshop", operation="get_order", outcome=outcome) == 1
        assert more("causeway_call_seconds_count") == 1

    def test_what_the_gate_holds_back_is_counted_apart(self):
        with counted() as more, pytest.raises(NotSent):
            call(plain(200), gate=Shut())
        assert more("causeway_calls_put_off_total", connector="fakeshop", reason="circuit_open") == 1
        assert more("causeway_call_seconds_count") == 0

    def test_time_spent_in_the_gate_is_no_time_of_the_call(self):
        with counted() as more:
            call(plain(200), gate=Slow())
        assert more("causeway_gate_wait_seconds_total", connector="fakeshop") >= 0.5
        assert more("causeway_call_seconds_sum") < 0.5


def test_no_label_names_a_tenant_or_one_of_its_things():
    labels = {label for family in FAMILIES for label in family._family._labelnames}
    assert labels == {
        "answer",
        "connector",
        "ending",
        "error",
        "found",
        "how",
        "operation",
        "outcome",
        "reason",
        "result",
        "state",
        "trigger",
        "via",
        "where",
    }


class TestWritingOut:
    def test_what_is_put_aside_is_written_as_if_one_by_one(self):
        one_by_one = Histogram("causeway_one_by_one", "as prometheus_client does it", ["x"], buckets=(0.1, 1.0, 10.0))
        together = Observed("together", "as we do", "x", bounds=(0.1, 1.0, 10.0))
        FAMILIES.remove(together)
        for value in (0.05, 0.1, 0.5, 1.0, 3.0, 10.0, 99.0):
            one_by_one.labels("a").observe(value)
            together.see(value, "a")
        metrics.write_out()
        assert told(one_by_one) == told(together._family)

    def test_it_is_written_by_the_way_after_a_second(self, monkeypatch):
        with counted() as more:
            monkeypatch.setattr(metrics, "_write_at", float("inf"))
            metrics.NEWS.add("webhook", "opened")
            assert len(metrics._aside) == 1
            monkeypatch.setattr(metrics, "_write_at", 0.0)
            metrics.NEWS.add("webhook", "opened")
            assert not metrics._aside
        assert more("causeway_news_total", via="webhook", result="opened") == 2

    def test_threads_that_count_at_once_lose_nothing(self, monkeypatch):
        monkeypatch.setattr(metrics, "WRITE_SECONDS", 0.0)
        with counted() as more:
            threads = [
                threading.Thread(target=lambda: [metrics.NEWS.add("poll", "merged") for _ in range(2000)])
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert more("causeway_news_total", via="poll", result="merged") == 8000


def told(histogram):
    return [(s.name.rpartition("_")[2], s.labels, s.value) for f in histogram.collect() for s in f.samples
            if not s.name.endswith("created")]  # fmt: skip
