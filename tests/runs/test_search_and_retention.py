"""Records are found by what people say on the phone; what may be forgotten is forgotten, open work is not."""

from datetime import timedelta

import pytest

from flows.engine.ports import StepRecord
from runs import retention, sweep
from runs.claim import events_claim
from runs.inbox import News, news_store
from runs.journal import Ending, Entry, entries_write
from runs.listing import records_find, records_named
from runs.models import InboxEvent, Record, Run, SearchTerm, StepBatch
from runs.retention import forget_old
from tenants.clock import database_now
from tests.runs.worlds import installation_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def installation(organisation):
    return installation_of(organisation)


def _attempt(installation, record_id, *, search, ending):
    news_store(installation=installation, news=[News("order", record_id)], via="webhook", at=database_now())
    (claimed,) = events_claim(worker="w", limit=1, lease_seconds=60)
    step = StepRecord(
        "order-to-invoice.order", "action", "Fetch", "done", database_now(), 0.1, {"a": 1}, {"b": "secret"}
    )
    assert not entries_write([Entry(claimed, [step], 0, ending=ending, search=search)])


def test_a_record_is_found_by_number_email_phone_and_name(installation, organisation, other_organisation):
    search = {"email": "Ada@Example.test", "phone": "+44 20 7946 0123", "name": "Ada Palmer"}
    _attempt(installation, "7", search=search, ending=Ending("done", facts={"order_number": "A-7"}))
    record = Record.unscoped.get()
    for said in ("7", "a-7", " ada@example.TEST", "020 7946 0123", "palmer, ada"):
        assert list(records_find(organisation, said)) == [record], said
        assert records_named(installation, record_type="order", text=said.strip()).records == [record], said
    assert not records_find(organisation, "someone@else.test")
    assert not records_find(other_organisation, "ada@example.test")


def test_nothing_searchable_lies_in_clear(installation):
    _attempt(installation, "7", search={"email": "ada@example.test"}, ending=Ending("done"))
    assert "ada" not in "".join(SearchTerm.unscoped.values_list("digest", flat=True))


class TestFinishedRuns:
    @pytest.fixture(autouse=True)
    def _kept_for(self, settings, monkeypatch):
        settings.RUN_DAYS = 100
        monkeypatch.setattr(retention, "BATCH", 2)

    def test_steps_and_earlier_runs_go_and_what_a_record_became_stays(self, installation):
        for _ in range(3):
            _attempt(installation, "7", search={}, ending=Ending("done"))
        _attempt(installation, "8", search={}, ending=Ending("done"))
        latest = set(Record.unscoped.values_list("latest_run", flat=True))
        did = forget_old(database_now() + timedelta(days=101))
        assert (did["steps"], did["runs"]) == (4, 2)
        assert not StepBatch.unscoped.exists() and set(Run.unscoped.values_list("pk", flat=True)) == latest
        assert Record.unscoped.count() == 2

    def test_open_work_keeps_its_steps(self, installation):
        _attempt(installation, "7", search={}, ending=Ending("done"))
        _attempt(installation, "8", search={}, ending=Ending("held", reason="look", cause="c"))
        forget_old(database_now() + timedelta(days=101))
        assert StepBatch.unscoped.get().run.state == "held"
        assert Run.unscoped.count() == 2

    def test_what_is_young_waits_for_its_turn(self, installation):
        for number in range(3):
            _attempt(installation, str(number), search={}, ending=Ending("done"))
        StepBatch.unscoped.filter(run__record__record_id="1").update(written_at=database_now() + timedelta(days=5))
        assert forget_old(database_now() + timedelta(days=101))["steps"] == 1
        assert forget_old(database_now() + timedelta(days=107))["steps"] == 2

    def test_what_could_not_go_in_its_turn_goes_with_the_next_walk(self, installation):
        _attempt(installation, "7", search={}, ending=Ending("done"))
        _attempt(installation, "8", search={}, ending=Ending("held", reason="look", cause="c"))
        forget_old(database_now() + timedelta(days=101))
        assert Run.unscoped.count() == 2, "one was open, the other its record's latest"
        Run.unscoped.filter(state="held").update(state="done", finished_at=database_now())
        _attempt(installation, "7", search={}, ending=Ending("done"))
        assert forget_old(database_now() + timedelta(days=110))["runs"] == 0
        did = forget_old(database_now() + timedelta(days=140))
        assert did["runs"] == 1, "the latest of 7 and of 8 stay"
        assert not StepBatch.unscoped.exists()

    def test_a_round_goes_on_where_the_one_before_stopped(self, installation, django_assert_max_num_queries):
        for number in range(30):
            _attempt(installation, str(number), search={}, ending=Ending("done"))
        later = database_now() + timedelta(days=101)
        forget_old(later)
        with django_assert_max_num_queries(18):
            assert sum(forget_old(later).values()) == 0


def test_forgetting_makes_room_for_what_is_urgent(installation, monkeypatch):
    def steps(at):
        for _ in range(5):
            yield "things", 1

    monkeypatch.setattr(sweep, "forgetting", steps)
    monkeypatch.setattr(sweep, "TIDY_SLICE_SECONDS", 0.0)
    tidying = sweep.Tidying()
    rounds = [tidying.round() for _ in range(6)]
    assert rounds == [False] * 5 + [True], "one step a round"
    assert tidying._did["things"] == 5
    assert not tidying.round(), "and not again at once"


def test_payloads_and_terms_are_forgotten_and_open_work_is_kept(installation, settings):
    settings.PAYLOAD_DAYS = 90
    _attempt(installation, "8", search={"email": "b@example.test"}, ending=Ending("held", reason="look", cause="c"))
    later = database_now() + timedelta(days=settings.PAYLOAD_DAYS - 1)
    assert forget_old(later)["payloads"] == 0
    did = forget_old(later + timedelta(days=2))
    assert (did["payloads"], did["search_terms"]) == (1, 1)
    assert StepBatch.unscoped.get().sealed is None
    assert InboxEvent.unscoped.get().state == "held"
    assert Record.unscoped.get().record_id == "8"
