"""Streams: one holder, a fair share each, news and position in one commit, acknowledged after it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from connections.models import Connection
from connectors.base.errors import NeedsAttention, Retryable
from connectors.base.triggers import Delivery, Hint, StreamTrigger
from connectors.registry import CONNECTORS
from runs import listener as listeners
from runs import streams
from runs.models import InboxEvent, Record, Run, StreamLease
from runs.polling import cursors_prepare
from runs.streams import delivery_store, fair_share, listener_beat, stream_release, streams_claim, streams_renew
from tenants.clock import database_now
from tests.runs import fakes
from tests.runs.conftest import install

pytestmark = pytest.mark.django_db(transaction=True)


class Told(StreamTrigger):
    """Hands over what the test has laid out, then stays open."""

    key, title, record_types = "told", "Told", ("order",)
    script: list = []

    async def listen(self, ctx, position):
        for delivery in self.script:
            if isinstance(delivery, Exception):
                raise delivery
            yield delivery
        await asyncio.sleep(60)


@pytest.fixture
def source(organisation, world, monkeypatch, queued):
    monkeypatch.setitem(CONNECTORS, "fakeshop", replace(fakes.CONNECTORS["fakeshop"], streams=(Told,)))
    monkeypatch.setattr(listeners, "ROUND_SECONDS", 0.02)
    installation = install(organisation)
    assert cursors_prepare(installation) == 2  # the poll and the stream
    assert cursors_prepare(installation) == 0
    return installation.source


def hint(number, **more):
    return Hint("order", number, "told", **more)


def listen(script, until):
    """One listener, until the condition holds."""
    Told.script = script
    rounds = iter(range(300))

    def over():
        next(rounds)  # a listener that never gets there fails the test instead of hanging it
        return until()

    asyncio.run(_listen(over))


async def _listen(over):
    process = listeners.ListenerProcess()
    await process.run(lambda: _answer(over))


def _answer(question):
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    def ask():
        try:
            return question()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(ask).result()


def test_what_is_told_is_stored_before_it_is_acknowledged(source):
    seen = []

    async def acknowledge():
        seen.append(await asyncio.to_thread(_answer, lambda: (Record.unscoped.count(), lease().position)))

    listen([Delivery((hint("7"),), {"at": 1}, acknowledge)], until=lambda: bool(seen))
    assert seen == [(1, {"at": 1})]
    assert InboxEvent.unscoped.get().via == Run.Via.STREAM
    assert lease().holder == "" and lease().lease_expires_at is None, "given back at the end"


def lease():
    return StreamLease.unscoped.get()


def test_a_stream_has_one_holder_and_an_old_one_stores_nothing(source):
    (first,) = streams_claim("first", limit=5)
    assert streams_claim("second", limit=5) == []
    StreamLease.unscoped.update(lease_expires_at=database_now() - timedelta(seconds=1))
    (second,) = streams_claim("second", limit=5)
    assert not delivery_store(first, Delivery((hint("7"),), {"at": 1}))
    assert streams_renew([first]) == set() and streams_renew([second]) == {second.lease_id}
    assert (Record.unscoped.count(), lease().position) == (0, None)
    stream_release(first)
    assert lease().holder == "second"
    assert delivery_store(second, Delivery((hint("7"),), {"at": 2}))


def test_news_of_another_account_is_not_ours_to_read(source):
    (held,) = streams_claim("one", limit=5)
    told = (hint("7", account_id="somebody else's"), hint("8", account_id=source.account_id))
    assert delivery_store(held, Delivery(told))
    assert [record.record_id for record in Record.unscoped.all()] == ["8"]
    assert lease().position is None, "a stream without positions keeps none"


def test_each_listener_has_its_share(source, organisation):
    for number in range(4):
        StreamLease.unscoped.create(
            organisation=organisation, connection=source, trigger=f"more{number}", due_at=database_now()
        )
    assert fair_share(listener_beat("one")) == 5
    assert fair_share(listener_beat("two")) == 3
    streams.Listener.objects.filter(name="one").update(seen_at=database_now() - timedelta(seconds=60))
    assert fair_share(listener_beat("two")) == 5, "one that was silent for a lease does not count"


def test_a_stream_that_fails_is_tried_again_after_a_pause(source):
    (held,) = streams_claim("one", limit=5)
    stream_release(held, Retryable("gone away", after_seconds=30))
    assert lease().latest_error == "gone away" and lease().failures == 1
    assert 25 < (lease().due_at - database_now()).total_seconds() <= 30
    assert streams_claim("one", limit=5) == []


def test_a_refused_stream_waits_for_a_person(source):
    listen([NeedsAttention("no longer allowed", code="consent")], until=lambda: state(source) != "active")
    assert state(source) == Connection.State.NEEDS_ATTENTION
    assert streams_claim("one", limit=5) == []


def state(source):
    return Connection.unscoped.get(pk=source.pk).state
