"""How an attempt ends and what happens next, with real drains over two systems in memory."""

import asyncio
import threading
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError

from connections.models import Connection
from connectors.base.actions import LONGEST_SETTLE_SECONDS
from connectors.base.errors import Held, MappingFailed, NeedsAttention, NotSent, OutcomeUnknown, Rejected, Retryable
from flows.engine.ports import Link
from flows.models import Installation, PairVersion
from runs import attempts, flush, host, sweep
from runs import claim as claims
from runs.claim import leases_recover
from runs.entries import Ending, Entry
from runs.events import pending_quantities
from runs.flush import entries_write
from runs.inbox import News, news_store
from runs.models import InboxEvent, RecordLink, Run
from runs.replays import runs_replay
from tenants.clock import database_now
from tests.factories import NOW
from tests.runs.conftest import claim, drain, event_of, install, make_due, record_of, runs_of, tell
from tests.runs.fakes import SETTLE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_becomes_one_document_and_a_repeat_asks_nothing_twice(installation, world):
    world.orders["7"] = "12.00"
    tell(installation, "7")
    drain()
    assert [run.state for run in runs_of("7")] == ["done"]
    assert event_of("7") is None
    assert world.calls == ["get 7", "write 7"], "a clean first attempt need not look"
    tell(installation, "7")
    drain()
    assert world.count("write 7") == 1 and world.count("find 7") == 0
    assert RecordLink.unscoped.get().external_id == "d1"


def test_news_during_the_work_costs_one_more_read(installation, world):
    world.orders["7"] = "12.00"
    told = []

    async def while_reading(number):
        if not told:
            told.append(number)
            await asyncio.to_thread(_tell_elsewhere, installation)

    world.before_read = while_reading
    tell(installation, "7")
    drain()
    assert world.count("get 7") == 2 and world.count("write 7") == 1
    assert [run.state for run in runs_of("7")] == ["done", "done"]


def _tell_elsewhere(installation):
    thread = threading.Thread(target=_told, args=(installation,))
    thread.start()
    thread.join()


def _told(installation):
    from django.db import connections

    tell(installation, "7")
    connections.close_all()


def test_an_unknown_outcome_waits_the_settle_time_then_looks_and_adopts(installation, world):
    world.orders["7"] = "12.00"
    world.lost_answer["7"] = OutcomeUnknown("no answer")
    tell(installation, "7")
    before = database_now()
    drain()
    assert record_of("7").unclean
    assert event_of("7").due_at >= before + timedelta(seconds=SETTLE_SECONDS)
    make_due()
    drain()
    assert world.count("write 7") == 1 and len(world.documents) == 1
    assert RecordLink.unscoped.get().adopted


def test_a_refused_write_was_not_sent_and_stays_clean(installation, world):
    world.orders["7"] = "12.00"
    world.write_fails["7"] = NotSent("refused")
    tell(installation, "7")
    drain(until=lambda: event_of("7").attempts >= 1 and event_of("7").state == "waiting")
    assert not record_of("7").unclean and not record_of("7").attempt_open


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Held("two"), "held"),
        (Rejected("no"), "dead"),
        (MappingFailed("no", field="lines[2].sku"), "dead"),
        (ZeroDivisionError("ours"), "dead"),
    ],
)
def test_what_waits_for_a_person(installation, world, error, state):
    world.orders["7"] = "12.00"
    world.read_fails["7"] = error
    tell(installation, "7")
    drain()
    (run,) = runs_of("7")
    assert run.state == event_of("7").state == state
    assert run.cause and run.error["text"]


@pytest.mark.parametrize("error", [OperationalError("server closed the connection"), InterfaceError("closed")])
def test_our_own_database_going_away_is_no_reason_to_ask_a_person(installation, world, error):
    world.orders["7"] = "12.00"
    world.read_fails["7"] = error
    tell(installation, "7")
    drain(until=lambda: event_of("7").attempts >= 1 and event_of("7").state == "waiting")
    world.read_fails.clear()
    make_due()
    drain()
    assert runs_of("7")[0].state == "done"


def test_failures_are_counted_until_the_budget_is_spent(installation, world, monkeypatch):
    monkeypatch.setattr(attempts, "MOST_COUNTED_FAILURES", 3)
    world.read_fails["7"] = Retryable("busy", after_seconds=0.0)
    tell(installation, "7")
    for _ in range(3):
        make_due()
        drain(until=lambda: event_of("7").state in ("waiting", "dead") and not_leased())
    drain_until_dead()
    (run,) = runs_of("7")
    assert run.state == "dead" and (run.error["code"], run.error["after"]) == ("gave_up", "temporary")
    assert "3 times" in run.error["cure"]


def not_leased():
    return not InboxEvent.unscoped.filter(state="leased").exists()


def drain_until_dead():
    make_due()
    drain(until=lambda: event_of("7").state == "dead")


def test_waiting_at_a_closed_door_does_not_count(installation, world, monkeypatch):
    monkeypatch.setattr(attempts, "MOST_COUNTED_FAILURES", 2)
    world.read_fails["7"] = NotSent("circuit open", after_seconds=0.0, counts=False)
    tell(installation, "7")
    drain(until=lambda: event_of("7").attempts >= 4, at_most=20.0)
    assert event_of("7").counted_failures == 0 and runs_of("7")[0].state != "dead"


def test_backoff_grows_and_keeps_its_bounds():
    class _Claimed:
        counted_failures = 0

    for failures, most in ((0, 1.0), (4, 16.0), (40, attempts.LONGEST_WAIT_SECONDS)):
        _Claimed.counted_failures = failures
        waits = [attempts._wait_seconds(_Claimed, Retryable("busy")) for _ in range(300)]
        assert min(waits) >= attempts.SHORTEST_WAIT_SECONDS and most * 0.8 < max(waits) <= most
    assert 7.0 <= attempts._wait_seconds(_Claimed, Retryable("busy", after_seconds=7.0)) <= 7.5


def test_a_refused_password_stops_the_connection_and_its_events_wait(installation, world):
    world.orders |= {"7": "1.00", "8": "2.00"}
    world.read_fails["7"] = NeedsAttention("The password was refused.", code="password")
    tell(installation, "7")
    drain(until=lambda: Connection.unscoped.filter(pk=installation.source_id, state="needs_attention").exists())
    shop = Connection.unscoped.get(pk=installation.source_id)
    assert (shop.state, shop.state_code) == ("needs_attention", "password")
    tell(installation, "8")
    assert claim() == []
    world.read_fails.clear()
    Connection.unscoped.filter(pk=shop.pk).update(state="active", state_reason="")
    drain()
    assert {run.state for run in Run.unscoped.all()} == {"done"}


def test_an_error_that_holds_amounts_can_be_stored(installation, world):
    from decimal import Decimal

    world.read_fails["7"] = Held("does not add up", details={"difference": Decimal("0.01")})
    tell(installation, "7")
    drain()
    assert runs_of("7")[0].error["details"]["difference"] == "0.01"


class TestFlush:
    def test_one_record_that_cannot_be_stored_does_not_stop_the_others(self, installation, world, monkeypatch):
        """Its event would otherwise break every flush it comes into, for ever."""
        world.orders |= {str(number): "1.00" for number in range(6)}
        write = flush._runs_write

        def failing(ended, now):
            if any(entry.claimed.record.record_id == "3" and ending.state == "done" for entry, ending in ended):
                raise ValueError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
            write(ended, now)

        monkeypatch.setattr(flush, "_runs_write", failing)
        tell(installation, *world.orders)
        drain()
        states = {run.record.record_id: run.state for run in Run.unscoped.select_related("record")}
        assert states == {"0": "done", "1": "done", "2": "done", "3": "dead", "4": "done", "5": "done"}
        assert record_of("3").unclean

    def test_a_failed_flush_ends_the_drain_and_no_effect_starts_after_it(self, installation, world, monkeypatch):
        """Order 8 is read while the flush for 7 fails; its write must not leave (rule C4)."""
        world.orders |= {"7": "1.00", "8": "1.00"}
        failed = threading.Event()

        def broken(batch):
            failed.set()
            raise OperationalError("disk full")

        async def eight_waits(number):
            if number == "8":
                await asyncio.to_thread(failed.wait, 10)
                await asyncio.sleep(0.1)

        world.before_read = eight_waits
        monkeypatch.setattr(flush, "entries_write", broken)
        tell(installation, "7", "8")
        drain(until=lambda: failed.is_set())
        assert world.count("write 7") == 1 and world.count("write 8") == 0
        monkeypatch.undo()
        assert InboxEvent.unscoped.filter(state="leased").count() == 2

    def test_a_link_is_durable_before_the_walk_goes_on(self, installation, world, monkeypatch):
        world.orders["7"] = "1.00"
        seen = []
        settled = host.AttemptJournal.settled

        def look(self, key):
            seen.append(key in self.unsettled and _link_stored(key))
            settled(self, key)

        monkeypatch.setattr(host.AttemptJournal, "settled", look)
        tell(installation, "7")
        drain()
        assert seen == [True]


def _link_stored(key):
    """Asked from another connection: only what is committed counts."""
    found = []

    def ask():
        from django.db import connections

        found.append(RecordLink.unscoped.filter(effect_key=key).exists())
        connections.close_all()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return found[0]


def test_work_that_kills_its_workers_comes_to_an_end(installation, monkeypatch):
    monkeypatch.setattr(claims, "MOST_COUNTED_FAILURES", 3)
    tell(installation, "7")
    for _ in range(3):
        make_due()
        assert claim(lease_seconds=-1)
        leases_recover(default_settle=0.0)
    assert event_of("7").state == "dead"
    assert runs_of("7")[0].state == "dead" and runs_of("7")[0].error["code"] == "gave_up"
    tell(installation, "7")
    assert claim(), "news opens it again"


def test_each_lost_worker_more_makes_the_next_wait_longer(installation):
    tell(installation, "7")
    waits = []
    for _ in range(6):
        make_due()
        assert claim(lease_seconds=-1)
        leases_recover(default_settle=0.0)
        event = event_of("7")
        waits.append(round((event.due_at - database_now()).total_seconds() + 1.0))
        InboxEvent.unscoped.update(not_before=None)
    assert waits == [0, 0, 0, 2, 4, 8]


def test_failures_count_in_a_row_and_a_new_effect_ends_the_row(installation, world, monkeypatch):
    """An order that gets further with each attempt is no hopeless case, however many workers die over it."""
    monkeypatch.setattr(attempts, "MOST_COUNTED_FAILURES", 3)
    world.orders["7"] = "12.00"
    tell(installation, "7")
    InboxEvent.unscoped.update(counted_failures=2)
    (claimed,) = claim()
    entry = Entry(claimed, [], 0, link=Link("key", "write", "d1", {"id": "d1"}), target_account="a")
    assert entries_write([entry]) == set()
    assert event_of("7").counted_failures == 0
    InboxEvent.unscoped.update(counted_failures=2)
    assert entries_write([entry]) == set()
    assert event_of("7").counted_failures == 2, "an effect that was known already is no progress"


def test_a_failure_after_a_new_effect_is_the_first_of_its_row(installation, world, monkeypatch):
    monkeypatch.setattr(attempts, "MOST_COUNTED_FAILURES", 3)
    world.orders["7"] = "12.00"
    tell(installation, "7")
    InboxEvent.unscoped.update(counted_failures=2)
    remember = host.RecordLinks.remember

    async def then_fail(links, link):
        await remember(links, link)
        raise Retryable("busy", after_seconds=60.0)

    monkeypatch.setattr(host.RecordLinks, "remember", then_fail)
    drain(until=lambda: event_of("7").state != "leased" and event_of("7").attempts == 1)
    event = event_of("7")
    assert (event.state, event.counted_failures) == ("waiting", 1)


def test_an_unknown_outcome_waits_longer_each_time(installation, world, monkeypatch):
    monkeypatch.setattr(attempts, "_backoff_seconds", lambda _: 500.0)
    world.orders["7"] = "12.00"
    world.write_fails["7"] = OutcomeUnknown("no answer")
    tell(installation, "7")
    drain(until=lambda: event_of("7").state == "waiting" and event_of("7").attempts == 1)
    assert (event_of("7").due_at - database_now()).total_seconds() > 400


def test_an_installation_whose_pair_cannot_be_read_harms_no_other(installation, other_organisation, world):
    world.orders |= {"7": "12.00", "8": "3.00"}
    version = PairVersion.objects.create(
        pair_key="fake-pair", digest="unreadable", number=2, title="From elsewhere", document={}, created_at=NOW
    )
    broken = install(other_organisation)
    Installation.unscoped.filter(pk=broken.pk).update(pair_version=version)
    tell(broken, "8")
    tell(installation, "7")
    drain()
    assert [run.state for run in runs_of("7")] == ["done"]
    (run,) = runs_of("8")
    assert (run.state, run.error["code"]) == ("dead", "bug:ValidationError") and "we have been told" in run.reason
    assert world.count("get 8") == 0 and record_of("8").unclean is False
    Installation.unscoped.filter(pk=broken.pk).update(pair_version=installation.pair_version)
    runs_replay(organisation=other_organisation, runs=[run], at=database_now(), by=None)
    drain()
    assert [run.state for run in runs_of("8")] == ["done"]


def test_a_moment_without_the_database_before_the_walk_is_no_lost_worker(installation, world, monkeypatch):
    world.orders["7"] = "12.00"
    tell(installation, "7")

    async def away(*_):
        raise OperationalError("away")

    monkeypatch.setattr("runs.drain.beginning_of", away)
    drain(until=lambda: event_of("7").attempts == 1 and event_of("7").state == "waiting")
    run = runs_of("7")[0]
    assert (run.state, run.error["code"], record_of("7").unclean) == ("waiting", "database", False)
    monkeypatch.undo()
    assert record_of("7").attempt_open is False


def test_news_gives_what_had_given_up_all_its_attempts_anew(installation):
    for state in ("dead", "held"):
        tell(installation, state)
        InboxEvent.unscoped.filter(record__record_id=state).update(state=state, counted_failures=24)
        for via in ("webhook", "poll"):
            InboxEvent.unscoped.filter(record__record_id=state).update(state=state, counted_failures=24)
            tell(installation, state, via=via)
            assert event_of(state).counted_failures == 0
    tell(installation, "waits")
    InboxEvent.unscoped.filter(record__record_id="waits").update(counted_failures=3)
    tell(installation, "waits")
    assert event_of("waits").counted_failures == 3


@pytest.mark.parametrize("seconds", ["300000000000", "inf", "nan", "-5", "soon"])
def test_a_settle_time_nobody_can_wait_for_stops_nobody(installation, world, seconds):
    """One tenant's setting must not break the flush or the recovery of all the others."""
    Connection.unscoped.filter(pk=installation.target_id).update(settings={"settle_seconds": seconds})
    tell(installation, "7")
    assert claim(lease_seconds=-1)
    assert sweep.events_recover() == 1
    assert 0 <= (event_of("7").due_at - database_now()).total_seconds() + 1.0 <= LONGEST_SETTLE_SECONDS + 1.0
    journal = host.AttemptJournal()
    journal.sending("key", float(seconds) if seconds != "soon" else 1e300)
    assert 0.0 <= journal.unsettled["key"] <= LONGEST_SETTLE_SECONDS


def test_an_order_that_cannot_be_read_holds_no_stock_back(installation, world):
    tell(installation, "7")
    news_store(installation=installation, news=[News("product", "p1")], via="poll", at=database_now())
    first = next(item for item in claim() if item.record.record_type == "product")
    with pytest.raises(Retryable):
        pending_quantities(first)
    InboxEvent.unscoped.filter(record__record_id="7").update(state="dead")
    assert pending_quantities(first) == {}


def test_news_during_an_attempt_that_gives_up_begins_anew(installation, world):
    world.orders["7"] = "12.00"
    tell(installation, "7")
    InboxEvent.unscoped.update(counted_failures=24)
    (claimed,) = claim()
    tell(installation, "7")
    entries_write([Entry(claimed, [], 0, ending=Ending("dead", reason="gave up", cause="c"))])
    assert (event_of("7").state, event_of("7").counted_failures) == ("waiting", 0)
    InboxEvent.unscoped.update(counted_failures=24, due_at=database_now())
    assert claim(lease_seconds=-1)
    tell(installation, "7")
    leases_recover(default_settle=0.0)
    assert (event_of("7").state, event_of("7").counted_failures) == ("waiting", 0)


def test_news_wakes_what_waits_longer_because_its_workers_were_lost(installation):
    tell(installation, "7")
    InboxEvent.unscoped.update(counted_failures=12)
    assert claim(lease_seconds=-1)
    leases_recover(default_settle=0.0)
    assert (event_of("7").due_at - database_now()).total_seconds() > 500
    tell(installation, "7")
    assert claim(), "the settle time is over; only its turn was put off"


@pytest.mark.parametrize("attempt", [1, 2])
def test_stock_follows_whatever_an_order_holds_back(installation, attempt):
    """Stock waits for orders that were told of before it and are in their first attempt, and for no others."""
    tell(installation, "7")
    InboxEvent.unscoped.update(attempts=attempt - 1)
    (claimed,) = claim()
    ending = Ending("done", facts={"pending": {"SKU-1": 2}})
    entries_write([Entry(claimed, [], 0, ending=ending, pending_followers=("product",))])
    assert InboxEvent.unscoped.filter(record__record_type="product", record__record_id="SKU-1").count() == 1
