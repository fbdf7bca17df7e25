"""The ways in: polls with their cursors (C13), the webhook door (C17), the nudges after them (C10)."""

import hashlib
import hmac
import json
import time
from io import BytesIO

import pytest
from django.db import OperationalError
from django.http import UnreadablePostError
from django.test import Client, RequestFactory

from connections.models import Connection
from connectors.base.errors import NotSent, Retryable
from connectors.base.triggers import BadSignature, Hint, MalformedHook, Webhook
from connectors.registry import CONNECTORS
from flows.models import Installation, PairVersion
from runs import hooks, polling
from runs.models import HookRefusal, InboxEvent, PollCursor, Record, Run
from runs.polling import page_store, polls_claim, polls_renew
from runs.slots import slots_prepare
from tenants.clock import database_now
from tests.factories import NOW, ConnectionFactory
from tests.runs import fakes
from tests.runs.conftest import drain, install, runs_of, tell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cursor(installation):
    polling.cursors_prepare(installation)
    return PollCursor.unscoped.get()


def poll_due():
    PollCursor.unscoped.update(due_at=database_now(), lease_expires_at=None)


def polled():
    return lambda: (
        PollCursor.unscoped.filter(due_at__gt=database_now(), lease_expires_at=None).exists()
        and not (InboxEvent.unscoped.filter(state__in=["leased", "waiting"]).exists())
    )


class TestPolls:
    def test_a_poll_stores_its_news_and_where_it_is(self, installation, world, cursor):
        world.orders |= {"1": "1.00", "2": "2.00"}
        world.pages = [fakes.page(("1", "a"), cursor=1), fakes.page(("2", "a"), cursor=2)]
        drain(until=polled())
        cursor.refresh_from_db()
        assert cursor.cursor == {"at": 2} and cursor.latest_ok_at
        assert {run.via for run in Run.unscoped.all()} == {"poll"} and len(world.documents) == 2

    def test_an_error_between_pages_keeps_what_was_stored_and_repeats_nothing_lost(self, installation, world, cursor):
        world.orders |= {"1": "1.00", "2": "2.00"}
        world.pages = [fakes.page(("1", "a"), cursor=1), Retryable("away")]
        drain(until=polled())
        cursor.refresh_from_db()
        assert cursor.cursor == {"at": 1} and cursor.failures == 1
        world.pages = [fakes.page(("1", "a"), ("2", "a"), cursor=2)]  # the boundary is read again
        poll_due()
        drain(until=polled())
        assert world.cursors_seen[-1] == {"at": 1}
        assert len(runs_of("1")) == 1 and len(runs_of("2")) == 1

    def test_a_crash_while_storing_a_page_moves_neither_news_nor_cursor(self, installation, cursor, monkeypatch):
        (poll,) = polls_claim(worker="one", limit=4, lease_seconds=60)
        monkeypatch.setattr(PollCursor, "save", _dies)
        with pytest.raises(OperationalError):
            page_store(poll, fakes.page(("1", "a"), cursor=1))
        monkeypatch.undo()
        cursor.refresh_from_db()
        assert cursor.cursor is None and not Record.unscoped.exists()

    def test_a_reader_that_lost_its_cursor_stores_nothing(self, installation, cursor):
        (old,) = polls_claim(worker="one", limit=4, lease_seconds=60)
        assert polls_claim(worker="one", limit=4, lease_seconds=60) == [], "one reader at a time"
        poll_due()
        polls_claim(worker="one", limit=4, lease_seconds=60)
        assert page_store(old, fakes.page(("1", "a"), cursor=1)) is False
        assert not Record.unscoped.exists()

    def test_a_lease_lasts_as_long_as_it_is_renewed(self, installation, cursor):
        (poll,) = polls_claim(worker="one", limit=4, lease_seconds=0.4)
        polls_renew(held=[poll], lease_seconds=60)
        time.sleep(0.5)
        assert polls_claim(worker="two", limit=4, lease_seconds=60) == []
        polls_renew(held=[poll], lease_seconds=-1)  # nobody renewed it
        (taken_over,) = polls_claim(worker="two", limit=4, lease_seconds=60)
        polls_renew(held=[poll], lease_seconds=-1)
        assert polls_claim(worker="one", limit=4, lease_seconds=60) == [], "the first reader no longer moves the lease"
        assert page_store(taken_over, fakes.page(("1", "a"), cursor=1))

    def test_failures_space_polls_out(self, installation, cursor):
        pauses = []
        for _ in range(3):
            poll_due()
            (poll,) = polls_claim(worker="one", limit=4, lease_seconds=60)
            polling.poll_failed(poll, Retryable("away"))
            cursor.refresh_from_db()
            pauses.append((cursor.due_at - database_now()).total_seconds())
        assert pauses[0] < 31 and pauses[0] < pauses[1] < pauses[2]

    def test_waiting_for_a_circuit_does_not_space_polls_out(self, installation, cursor):
        for _ in range(8):
            (poll,) = polls_claim(worker="one", limit=4, lease_seconds=60)
            polling.poll_failed(poll, NotSent("The circuit is open.", after_seconds=3, counts=False))
            cursor.refresh_from_db()
            assert 0 < (cursor.due_at - database_now()).total_seconds() <= 30 and cursor.failures == 0
            poll_due()

    def test_every_installation_of_the_shop_hears_it(self, installation, cursor, organisation):
        second = install(
            organisation,
            source=installation.source,
            target=ConnectionFactory(organisation=organisation, connector="fakebooks"),
        )
        (poll,) = polls_claim(worker="one", limit=4, lease_seconds=60)
        page_store(poll, fakes.page(("1", "a"), cursor=1))
        assert set(Record.unscoped.values_list("installation_id", flat=True)) == {installation.pk, second.pk}

    def test_what_is_seen_while_an_installation_is_paused_waits_for_it(self, installation, cursor):
        """The connection's cursor moves on for all its installations, so dropping the news would lose orders."""
        Installation.unscoped.update(state="paused")
        (poll,) = polls_claim(worker="one", limit=4, lease_seconds=60)
        page_store(poll, fakes.page(("1", "a"), cursor=1))
        assert InboxEvent.unscoped.count() == 1

    def test_polls_of_a_connection_in_trouble_wait(self, installation, cursor):
        Connection.unscoped.filter(pk=installation.source_id).update(state="paused")
        assert polls_claim(worker="one", limit=4, lease_seconds=60) == []


def _dies(*args, **named):
    raise OperationalError("the process ends here")


def test_after_a_reconnect_open_events_belong_to_the_new_installation(installation, organisation):
    """Left with the old one, whose lane is never served again, they would wait for ever."""
    tell(installation, "7")
    Installation.unscoped.filter(pk=installation.pk).update(state="removed")
    again = install(organisation, source=installation.source, target=installation.target)
    tell(again, "7")
    assert InboxEvent.unscoped.get().installation_id == again.pk


class FakeWebhook(Webhook):
    def handshake(self, query):
        return query.get("echo")

    def verify(self, headers, body, secret):
        if headers.get("x-signature") != sign(body, secret):
            raise BadSignature("it does not match")

    def parse(self, headers, body):
        try:
            return [
                Hint(row.get("type", "order"), row["id"], "changed", row.get("account", "")) for row in json.loads(body)
            ]
        except (ValueError, TypeError, KeyError) as error:
            raise MalformedHook("not a list of orders") from error


def sign(body, secret="hook-secret"):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.fixture
def door(installation, monkeypatch):
    """``door(body)`` delivers a signed body to the shop's hook."""
    from dataclasses import replace

    monkeypatch.setitem(CONNECTORS, "fakeshop", replace(CONNECTORS["fakeshop"], webhook=FakeWebhook()))
    address = f"/hooks/{installation.source.webhook_public_id}"

    def deliver(body, *, at=address, signature=None):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Client().post(at, raw, content_type="application/json", headers={"X-Signature": signature or sign(raw)})

    deliver.address = address
    return deliver


class TestDoor:
    def test_a_delivery_is_stored_before_it_is_answered(self, door):
        assert door([{"id": "7"}]).status_code == 200
        assert InboxEvent.unscoped.get().via == "webhook"

    def test_duplicates_are_one_event(self, door):
        for _ in range(3):
            assert door([{"id": "7"}]).status_code == 200
        assert InboxEvent.unscoped.count() == 1 and InboxEvent.unscoped.get().merged == 2

    @pytest.mark.parametrize(
        ("body", "options", "status"),
        [
            ([{"id": "7"}], {"signature": "wrong"}, 400),
            (b"{not json", {}, 400),
            ([{"id": "7", "account": "somebody else's shop"}], {}, 400),
            ([{"id": "7"}], {"at": "/hooks/" + "0" * 32}, 404),
        ],
        ids=["wrong signature", "malformed", "foreign account", "unknown hook"],
    )
    def test_what_is_refused_stores_nothing(self, door, body, options, status):
        assert door(body, **options).status_code == status
        assert not InboxEvent.unscoped.exists()

    def test_refusals_of_a_known_hook_are_noted_for_support(self, door, installation):
        door([{"id": "7"}], signature="wrong")
        assert HookRefusal.objects.get().connection_id == installation.source_id

    def test_an_oversized_body_is_refused_unread(self, door, settings):
        settings.MAX_HOOK_BYTES = 100
        assert door([{"id": "7" * 200}]).status_code == 413

    def test_its_own_account_named_is_welcome(self, door, installation):
        assert door([{"id": "7", "account": installation.source.account_id}]).status_code == 200

    def test_the_registration_check_is_echoed(self, door):
        for method in (Client().get, Client().post):
            answer = method(f"{door.address}?echo=abc")
            assert (answer.status_code, answer.content) == (200, b"abc")
        assert Client().get(door.address).status_code == 405

    def test_a_provider_that_punishes_refusals_hears_none(self, door, monkeypatch):
        from dataclasses import replace

        monkeypatch.setitem(CONNECTORS, "fakeshop", replace(CONNECTORS["fakeshop"], punishes_refused_hooks=True))
        assert door([{"id": "7"}], signature="wrong").status_code == 200
        assert not InboxEvent.unscoped.exists()

    def test_our_own_fault_asks_to_send_again(self, door, monkeypatch):
        monkeypatch.setattr(hooks, "news_store", _dies)
        answer = door([{"id": "7"}])
        assert answer.status_code == 503 and int(answer["Retry-After"]) > 0

    def test_a_fault_of_ours_is_never_the_senders(self, door, monkeypatch):
        def breaks(*args, **named):
            raise KeyError("a bug")

        monkeypatch.setattr(hooks, "hook_target", breaks)
        assert door([{"id": "7"}]).status_code == 503

    def test_a_sender_that_goes_away_in_the_middle_is_no_fault_of_ours(self, door, monkeypatch):
        def goes_away(*args, **named):
            raise UnreadablePostError("connection reset")

        monkeypatch.setattr(hooks, "_body", goes_away)
        assert door([{"id": "7"}]).status_code == 400 and not InboxEvent.unscoped.exists()

    def test_a_body_that_is_streamed_without_a_length_is_read(self, door, settings):
        raw = json.dumps([{"id": "7"}]).encode()

        def stream(body):
            headers = {"HTTP_TRANSFER_ENCODING": "chunked", "HTTP_X_SIGNATURE": sign(body), "wsgi.input": BytesIO(body)}
            request = RequestFactory().post(door.address, b"", content_type="application/json", **headers)
            request.META.pop("CONTENT_LENGTH", None)
            return hooks.hook_receive(request, door.address.rpartition("/")[2])

        assert stream(raw).status_code == 200 and InboxEvent.unscoped.count() == 1
        settings.MAX_HOOK_BYTES = 5
        assert stream(raw).status_code == 413

    def test_a_pair_that_cannot_be_read_closes_the_door_for_nobody(self, door, installation, organisation):
        other = install(organisation, source=installation.source)
        trigger = {"role": "shop", "record_type": "order"}
        unreadable = {"pair": {"source": {"name": "shop"}}, "flows": [{"trigger": trigger}]}
        version = PairVersion.objects.create(
            pair_key="fake-pair", digest="old", number=9, title="Old", document=unreadable, created_at=NOW
        )
        Installation.unscoped.filter(pk=other.pk).update(pair_version=version)
        assert door([{"id": "7"}]).status_code == 200
        told = set(InboxEvent.unscoped.values_list("installation_id", flat=True))
        assert told == {installation.pk, other.pk}, "its own news is kept, too"

    def test_a_broker_that_is_away_loses_nothing_and_refuses_nothing(self, door, monkeypatch):
        def away(*args, **named):
            raise ConnectionError("the broker is away")

        slots_prepare()
        monkeypatch.setattr("django_q.tasks.async_task", away)
        assert door([{"id": "7"}]).status_code == 200
        assert InboxEvent.unscoped.count() == 1


def test_the_heart_goes_on_after_a_moment_without_the_database(installation, world, monkeypatch):
    import asyncio

    from runs import drain as drains

    world.orders["7"] = "1.00"
    beats = []
    real = drains.leases_renew

    def renew(**named):
        beats.append(1)
        if len(beats) == 1:
            raise OperationalError("server closed the connection")
        real(**named)

    async def slow(number):
        await asyncio.sleep(5.0)  # twice the lease: only renewed leases live to the write

    monkeypatch.setattr(drains, "leases_renew", renew)
    world.before_read = slow
    monkeypatch.setattr(fakes.WriteDocument, "timeout_seconds", 0.2)
    tell(installation, "7")
    drain(lease_seconds=2.5, at_most=30.0)
    assert [run.state for run in runs_of("7")] == ["done"] and len(beats) > 2
