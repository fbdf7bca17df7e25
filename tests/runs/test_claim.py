"""Claims by several workers at once, and what becomes of the work of one that is gone (C2, C3, C8)."""

import threading
from datetime import timedelta

import pytest

from runs.claim import leases_recover
from runs.journal import Ending, Entry, entries_write
from runs.lanes import Turns
from runs.models import InboxEvent
from tenants.clock import database_now
from tests.runs.conftest import claim, event_of, install, make_due, other_connection, record_of, tell

pytestmark = pytest.mark.django_db(transaction=True)


def finish(claimed, **ending):
    entries_write([Entry(claimed, [], 0, ending=Ending(**{"state": "done", **ending}))])


def let_lease_run_out(number):
    InboxEvent.unscoped.filter(record__record_id=number).update(lease_expires_at=database_now() - timedelta(seconds=1))


def test_two_claims_at_once_share_nothing(installation):
    tell(installation, *(str(number) for number in range(40)))
    taken, ready = [], threading.Barrier(4)

    def work():
        with other_connection():
            ready.wait()
            for _ in range(4):
                taken.extend(item.record.record_id for item in claim(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == len(set(taken))
    assert set(taken) | {item.record.record_id for item in claim(40)} == {str(number) for number in range(40)}


def test_one_slot_serves_every_lane_in_the_end(installation, other_organisation):
    quiet = install(other_organisation)
    tell(installation, *(f"busy-{number}" for number in range(5)))
    tell(quiet, "quiet")
    turns = Turns()
    served = [item.record.record_id for _ in range(2) for item in claim(1, turns=turns)]
    assert "quiet" in served and len(served) == 2


def test_after_an_attempt_that_never_ended_the_next_one_looks(installation):
    tell(installation, "7")
    claim()
    let_lease_run_out("7")
    assert leases_recover(default_settle=0.0) == 1
    make_due()
    (second,) = claim()
    assert second.may_be_a_repeat
    assert record_of("7").unclean


def test_a_recovered_event_keeps_the_longer_settle_time(installation):
    tell(installation, "7")
    (first,) = claim()
    finish(first, state="waiting", clean=False, settle_seconds=600.0)
    InboxEvent.unscoped.update(due_at=database_now())
    claim()
    let_lease_run_out("7")
    leases_recover(default_settle=1.0)
    assert event_of("7").due_at > database_now() + timedelta(seconds=500)
