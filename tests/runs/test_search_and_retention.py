"""Records are found by what people say on the phone; what may be forgotten is forgotten, open work is not."""

from datetime import timedelta

import pytest

from flows.engine.ports import StepRecord
from runs.claim import events_claim
from runs.inbox import News, news_store
from runs.journal import Ending, Entry, entries_write
from runs.listing import records_find
from runs.models import InboxEvent, Record, SearchTerm, StepBatch
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
    assert not records_find(organisation, "someone@else.test")
    assert not records_find(other_organisation, "ada@example.test")


def test_nothing_searchable_lies_in_clear(installation):
    _attempt(installation, "7", search={"email": "ada@example.test"}, ending=Ending("done"))
    assert "ada" not in "".join(SearchTerm.unscoped.values_list("digest", flat=True))


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
