"""Lists of records: complete, in order, continued where they ended, and never counted over history."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs import listing
from runs.listing import open_counts, records_named, records_page
from runs.models import Record, RecordLink, Run
from tests.factories import NOW, InstallationFactory, RecordFactory, RunFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def installation(organisation):
    return InstallationFactory(organisation=organisation)


def make(installation, count, *, state="done", first=0, **more):
    """Records whose latest change lies a minute apart, the first one being the latest."""
    made = []
    for number in range(first, first + count):
        record = RecordFactory(installation=installation, record_id=f"r{number}", **more)
        RunFactory(record=record, state=state)
        Record.unscoped.filter(pk=record.pk).update(updated_at=NOW - timedelta(minutes=number))
        made.append(record.record_id)
    return made


def ids(page):
    return [record.record_id for record in page.records]


def everything(installation, **asked):
    """All pages, one after the other."""
    found, page = [], records_page(installation, record_type="order", length=3, **asked)
    assert page.is_first
    while True:
        found += ids(page)
        if not page.older:
            return found
        page = records_page(installation, record_type="order", length=3, before=page.older, **asked)
        assert not page.is_first


@pytest.mark.parametrize("state", ["", "done", "held"])
def test_pages_show_every_record_once_in_order(installation, state):
    made = make(installation, 10, state=state or "done")
    assert everything(installation, state=state) == made


def test_records_of_one_moment_are_neither_left_out_nor_shown_twice(installation):
    make(installation, 8)
    Record.unscoped.update(updated_at=NOW)
    assert len(everything(installation)) == len(set(everything(installation))) == 8


def test_a_rare_finished_state_is_found_among_many(installation):
    make(installation, 40)
    rare = make(installation, 2, state="skipped", first=40)
    assert everything(installation, state="skipped") == rare
    assert everything(installation, state="cancelled") == []


def test_looking_for_a_finished_state_comes_to_an_end(installation, monkeypatch):
    monkeypatch.setattr(listing, "MOST_SCANNED", 16)
    make(installation, 40)
    make(installation, 1, state="skipped", first=40)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert ids(records_page(installation, record_type="order", state="skipped", length=3)) == []
    assert len(queries) <= 2


@pytest.mark.parametrize("state", ["", "held"])
@pytest.mark.parametrize("before", ["nonsense", "2026-01-01~x", "2026-01-01T00:00:00~1"])
def test_a_place_that_is_none_begins_anew(installation, before, state):
    made = make(installation, 2, state=state or "done")
    assert ids(records_page(installation, record_type="order", before=before, state=state)) == made


def test_open_work_is_counted_and_finished_work_is_not(installation):
    make(installation, 3, state="held")
    make(installation, 2, state="waiting", first=10)
    make(installation, 4, state="done", first=20)
    make(installation, 1, state="held", first=30, record_type="product")
    redone = Record.unscoped.get(record_id="r0")
    RunFactory(record=redone, state="done")  # held once, done since: it stands where its latest run stands
    assert open_counts(installation, record_type="order") == {"held": 2, "waiting": 2}


def test_counting_stops_where_nobody_reads_the_number_any_more(installation, monkeypatch):
    monkeypatch.setattr(listing, "MOST_COUNTED", 2)
    make(installation, 5, state="held")
    assert open_counts(installation, record_type="order") == {"held": 2}


def test_found_by_number_label_and_document_of_this_kind_and_tenant_only(installation, other_organisation):
    other = InstallationFactory(organisation=other_organisation)
    for one in (installation, other):
        record = RecordFactory(installation=one, record_id="7", label="So-7")
        RecordLink.unscoped.create(
            organisation=one.organisation, installation=one, record=record, effect_key=f"k{one.pk}", operation="o",
            target_account="a", external_id="INV-7", sealed=b"", created_at=NOW,
        )  # fmt: skip
    RecordFactory(installation=installation, record_id="7", record_type="product")
    for said in ("7", "so-7", "INV-7"):
        (found,) = records_named(installation, record_type="order", text=said).records
        assert (found.installation, found.record_type) == (installation, "order")
    assert records_named(installation, record_type="order", text="8").records == []


def test_states_of_the_partial_index_are_the_open_ones():
    (index,) = [one for one in Run._meta.indexes if one.name == "runs_run_open"]
    assert set(dict(index.condition.children)["state__in"]) == set(Run.OPEN)
    assert set(Run.OPEN) | set(Run.TERMINAL) == set(Run.State)
