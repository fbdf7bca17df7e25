"""The rules of the queue (C1–C4, C8, C9, C11, C13): each test goes red without its rule."""

import time
from datetime import timedelta

import pytest

from flows.engine.ports import LeaseLost, Link
from runs.claim import events_claim, leases_recover, leases_renew
from runs.host import AttemptLease
from runs.inbox import PRIORITY_IMPORT, PRIORITY_LIVE, News, news_store
from runs.journal import Ending, Entry, entries_write
from runs.models import Alert, InboxEvent, Record, RecordLink, Run
from runs.replays import run_cancel, runs_replay
from runs.retention import forget_old
from tenants.clock import database_now
from tests.runs.worlds import installation_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def installation(organisation):
    return installation_of(organisation)


def news(installation, *ids, via="webhook", fingerprint=None, priority=0):
    items = [News("order", record_id, fingerprint=fingerprint) for record_id in ids]
    return news_store(installation=installation, news=items, via=via, at=database_now(), priority=priority)


def claim(limit=10, **options):
    return events_claim(worker="w", limit=limit, lease_seconds=options.pop("lease_seconds", 60), **options)


def end(claimed, state="done", **facts):
    return entries_write([Entry(claimed, [], 0, ending=Ending(state, **facts))])


def event():
    return InboxEvent.unscoped.get()


def let_settle():
    InboxEvent.unscoped.update(due_at=database_now(), not_before=None)


class TestOneRecordAtATime:
    def test_two_pieces_of_news_before_the_claim_are_one_attempt(self, installation):
        news(installation, "1")
        news(installation, "1")
        (claimed,) = claim()
        assert claim() == []
        end(claimed)
        assert InboxEvent.unscoped.count() == 0
        assert Run.unscoped.count() == 1

    def test_news_after_the_claim_costs_one_more_attempt_and_is_not_lost(self, installation):
        news(installation, "1")
        (claimed,) = claim()
        news(installation, "1")
        assert claim() == []
        end(claimed)
        (again,) = claim()
        assert again.run.pk != claimed.run.pk
        end(again)
        assert InboxEvent.unscoped.count() == 0

    def test_news_wakes_a_dead_letter(self, installation):
        news(installation, "1")
        (claimed,) = claim()
        end(claimed, "dead", reason="unknown SKU", cause="c")
        assert claim() == []
        news(installation, "1")
        assert len(claim()) == 1

    def test_a_second_claim_gets_other_events(self, installation):
        news(installation, *map(str, range(6)))
        first, second = claim(4), claim(4)
        assert len(first) == 4 and len(second) == 2
        assert not {c.event_id for c in first} & {c.event_id for c in second}

    def test_live_news_goes_before_an_import(self, installation):
        news(installation, "old", via="import", priority=PRIORITY_IMPORT)
        news(installation, "new")
        assert [c.record.record_id for c in claim(1)] == ["new"]

    def test_live_news_about_an_order_that_waits_for_its_import_makes_it_live(self, installation):
        news(installation, "1", via="import", priority=PRIORITY_IMPORT)
        news(installation, "1")
        assert event().priority == PRIORITY_LIVE
        news(installation, "1", via="import", priority=PRIORITY_IMPORT)
        assert event().priority == PRIORITY_LIVE, "and nothing makes it less so"

    def test_news_a_lost_worker_was_told_costs_the_next_one_no_second_look(self, installation):
        news(installation, "1")
        claim(lease_seconds=-1)
        news(installation, "1")
        leases_recover(default_settle=0)
        end(*claim())
        assert InboxEvent.unscoped.count() == 0

    def test_lanes_take_turns(self, organisation, other_organisation):
        crowd, single = installation_of(organisation), installation_of(other_organisation)
        news(crowd, *map(str, range(50)))
        news(single, "x")
        assert "x" in [c.record.record_id for c in claim(4)]


class TestPolls:
    def test_an_equal_fingerprint_is_no_news_and_coming_back_is(self, installation):
        assert news(installation, "1", via="poll", fingerprint="A") == 1
        end(*claim())
        assert news(installation, "1", via="poll", fingerprint="A") == 0
        assert news(installation, "1", via="poll", fingerprint="B") == 1
        end(*claim())
        assert news(installation, "1", via="poll", fingerprint="A") == 1
        assert Record.unscoped.get().observation == 3


class TestMayItBeARepeat:
    def test_a_first_attempt_and_those_after_clean_ones_need_no_look(self, installation):
        news(installation, "1")
        (claimed,) = claim()
        assert not claimed.may_be_a_repeat
        end(claimed)
        news(installation, "1")
        assert not claim()[0].may_be_a_repeat

    def test_after_an_unknown_outcome_every_later_attempt_looks(self, installation):
        news(installation, "1")
        end(*claim(), "waiting", clean=False)
        for _ in range(2):
            news(installation, "1")
            (claimed,) = claim()
            assert claimed.may_be_a_repeat
            end(claimed)

    def test_an_attempt_with_an_unknown_outcome_stays_open(self, installation):
        news(installation, "1")
        end(*claim(), "waiting", clean=False)
        assert Record.unscoped.get().attempt_open
        news(installation, "1")
        end(*claim())
        assert not Record.unscoped.get().attempt_open

    def test_after_a_worker_that_never_came_back_it_looks(self, installation):
        news(installation, "1")
        claim(lease_seconds=-1)
        assert leases_recover(default_settle=0) == 1
        assert claim()[0].may_be_a_repeat

    def test_an_import_always_looks(self, installation):
        news(installation, "1", via="import")
        assert claim()[0].may_be_a_repeat


class TestSettling:
    def test_nobody_looks_before_lease_and_settle_are_over(self, installation):
        news(installation, "1")
        before = database_now()
        claim(lease_seconds=-1)
        leases_recover(default_settle=30)
        wait = event().due_at - before
        assert timedelta(seconds=28) < wait < timedelta(seconds=31)
        assert claim() == []

    def test_news_and_people_cannot_shorten_it(self, installation, organisation):
        news(installation, "1")
        end(*claim(), "waiting", clean=False, settle_seconds=30)
        news(installation, "1")
        assert claim() == []
        assert runs_replay(organisation=organisation, runs=[Run.unscoped.get()], at=database_now(), by=None) == 1
        assert claim() == []
        assert event().due_at == event().not_before

    def test_letting_go_cannot_shorten_it_for_the_next_news(self, installation):
        news(installation, "1")
        end(*claim(), "waiting", clean=False, settle_seconds=30)
        assert run_cancel(run=Run.unscoped.get(), reason="enough", at=database_now(), by=None)
        assert claim() == [], "it was let go"
        news(installation, "1")
        assert claim() == []
        assert event().due_at == event().not_before
        let_settle()
        (claimed,) = claim()
        assert claimed.may_be_a_repeat and claimed.attempt == 1

    def test_what_letting_go_leaves_behind_is_forgotten(self, installation):
        news(installation, "1")
        end(*claim(), "waiting", clean=False, settle_seconds=30)
        run_cancel(run=Run.unscoped.get(), reason="enough", at=database_now(), by=None)
        forget_old(database_now())
        assert InboxEvent.unscoped.exists()
        forget_old(database_now() + timedelta(seconds=31))
        assert not InboxEvent.unscoped.exists()

    def test_an_unknown_outcome_with_news_meanwhile_waits_as_well(self, installation):
        news(installation, "1")
        (claimed,) = claim()
        news(installation, "1")
        end(claimed, "waiting", clean=False, settle_seconds=30)
        assert claim() == []


class TestFencing:
    def test_every_claim_and_every_recovery_raises_the_fence(self, installation):
        news(installation, "1")
        (first,) = claim()
        end(first, "waiting")
        (second,) = claim(lease_seconds=-1)
        assert second.fence > first.fence
        leases_recover(default_settle=0)
        assert event().fence > second.fence

    def test_a_fenced_out_worker_finishes_nothing(self, installation):
        news(installation, "1")
        (old,) = claim(lease_seconds=-1)
        leases_recover(default_settle=0)
        (new,) = claim()
        assert end(old) and event().state == "leased"
        assert not end(new)
        assert Run.unscoped.get().state == "done"

    def test_its_late_link_is_kept_and_a_second_id_raises_an_alert_naming_both(self, installation):
        news(installation, "1")
        (old,) = claim(lease_seconds=-1)
        leases_recover(default_settle=0)
        (new,) = claim()
        for claimed, number in ((new, "1001"), (old, "1002")):
            link = Link("key", "create_invoice", number, {"number": number})
            fenced = entries_write([Entry(claimed, [], 0, link=link, target_account="a")])
            assert bool(fenced) == (claimed is old)
        assert RecordLink.unscoped.get().external_id == "1001"
        alert = Alert.unscoped.get()
        assert alert.kind == "double_suspected"
        assert "1001" in alert.text and "1002" in alert.text

    def test_a_late_link_alone_is_evidence(self, installation):
        news(installation, "1")
        (old,) = claim(lease_seconds=-1)
        leases_recover(default_settle=0)
        link = Link("key", "create_invoice", "1002", {"number": "1002"})
        assert entries_write([Entry(old, [], 0, link=link, target_account="a")])
        assert RecordLink.unscoped.get().external_id == "1002"

    def test_a_final_run_is_never_overwritten(self, installation):
        news(installation, "1")
        (claimed,) = claim()
        news(installation, "1")
        end(claimed)
        finished = Run.unscoped.get()
        InboxEvent.unscoped.update(state="leased", fence=claimed.fence, lease_expires_at=database_now())
        end(claimed, "dead", reason="late")
        finished.refresh_from_db()
        assert (finished.state, finished.reason) == ("done", "")


class TestLeases:
    def test_an_effect_starts_only_inside_the_lease_by_the_workers_own_monotonic_clock(self, installation):
        news(installation, "1")
        (claimed,) = claim(lease_seconds=5)
        lease = AttemptLease(claimed, 5)
        lease.ensure(4)
        with pytest.raises(LeaseLost):
            lease.ensure(6)
        claimed.lease_until = time.monotonic() - 1  # frozen beyond the lease
        with pytest.raises(LeaseLost):
            lease.ensure(0)

    def test_a_wall_clock_that_is_wrong_changes_nothing(self, installation, monkeypatch):
        monkeypatch.setattr(time, "time", lambda: 0.0)
        news(installation, "1")
        (claimed,) = claim(lease_seconds=60)
        assert timedelta(seconds=58) < event().lease_expires_at - database_now() < timedelta(seconds=61)
        assert leases_recover(default_settle=0) == 0
        AttemptLease(claimed, 60).ensure(30)

    def test_renewal_pushes_it_forward_and_tells_who_lost_it(self, installation):
        news(installation, "1", "2")
        mine, lost = claim(lease_seconds=5)
        InboxEvent.unscoped.filter(pk=lost.event_id).update(fence=99)
        leases_renew(held=[mine, lost], lease_seconds=60)
        assert lost.lost and not mine.lost
        AttemptLease(mine, 60).ensure(50)
        with pytest.raises(LeaseLost):
            AttemptLease(lost, 60).ensure(0)


class TestPausing:
    def test_events_of_a_connection_that_needs_attention_wait_and_go_on(self, installation):
        news(installation, "1")
        source = installation.source
        type(source).unscoped.filter(pk=source.pk).update(state="needs_attention", state_reason="password")
        assert claim() == []
        type(source).unscoped.filter(pk=source.pk).update(state="active", state_reason="")
        assert len(claim()) == 1

    def test_events_of_a_paused_installation_wait(self, installation):
        news(installation, "1")
        type(installation).unscoped.update(state="paused")
        assert claim() == []
