"""The page on which posted documents are taken back: what it shows, what it asks, whom it lets."""

import pytest
from django.urls import reverse

from runs.models import InboxEvent, Record, RecordLink, TakeBack
from runs.preview import PreviewItem
from tests.factories import NOW, MembershipFactory

ROW = {
    "number": "77", "reference": "N-501", "issued_date": "2026-11-20", "currency": "GBP", "gross": "99.50",
    "paid": "0.00", "locked": True, "fate": "credit", "why": "its period is closed",
}  # fmt: skip


def url(name, books, **more):
    return reverse(f"runs:{name}", kwargs={"slug": books.installation.organisation.slug, **more})


@pytest.fixture
def page(books):
    return url("take-back", books, installation_id=books.installation.pk)


@pytest.fixture(autouse=True)
def _asked(monkeypatch):
    """Instead of both systems."""

    def preview(installation, records, *, taking_back):
        assert taking_back
        return [PreviewItem(kind, number, "would_write", facts={"take_back": [ROW]}) for kind, number in records]

    monkeypatch.setattr("runs.takebacks.preview", preview)


def test_it_shows_every_document_and_asks_for_the_count(page, books, member, as_):
    text = as_(member).get(page, {"kind": "start"}).content.decode()
    for shown in ("N-501", "£99.50", "closed", "its period is closed", "Take back 1 order", 'name="count" value="1"'):
        assert shown in text, shown
    assert not TakeBack.unscoped.exists() and not InboxEvent.unscoped.filter(record=books.done).exists()


def test_confirming_marks_the_orders_and_wakes_them(page, books, member, as_):
    as_(member).post(page, {"kind": "record", "value": "501", "count": "1"})
    record = Record.unscoped.get(pk=books.done.pk)
    assert (record.take_back.by_label, record.take_back.count) == (member.email, 1)
    assert InboxEvent.unscoped.get(record=record).via == "take_back"
    text = as_(member).get(url("record-detail", books, record_id=record.pk)).content.decode()
    assert "not finished yet" in text


def test_another_count_than_the_one_shown_changes_nothing(page, books, member, as_):
    answer = as_(member).post(page, {"kind": "record", "value": "501", "count": "2"})
    assert "There are 1 of them now" in answer.content.decode() and not TakeBack.unscoped.exists()


@pytest.mark.parametrize("value", ["not-a-day", "2026-13-40", ""])
def test_senseless_choice_is_answered_in_words(page, books, member, as_, value):
    answer = as_(member).get(page, {"kind": "day", "value": value})
    assert answer.status_code == 200 and "There is no such day" in answer.content.decode()
    assert "Choose one order" in as_(member).get(page, {"kind": "nonsense"}).content.decode()


@pytest.mark.parametrize("person", ["viewer", "developer"])
def test_who_may_not_take_back_only_looks(page, books, as_, organisation, person):
    user = MembershipFactory(organisation=organisation, role=person).user
    assert as_(user).get(page, {"kind": "start"}).status_code == 200
    assert as_(user).post(page, {"kind": "start", "count": "1"}).status_code == 403
    assert as_(user).post(url("record-repost", books, record_id=books.done.pk)).status_code == 403


def test_stranger_finds_nothing(page, books, stranger, as_):
    client = as_(stranger)
    assert client.get(page, {"kind": "start"}).status_code == 404
    assert client.post(page, {"kind": "start", "count": "1"}).status_code == 404
    assert not TakeBack.unscoped.exists()


def test_what_is_through_can_be_posted_again(page, books, member, as_):
    as_(member).post(page, {"kind": "record", "value": "501", "count": "1"})
    take_back = TakeBack.unscoped.get()
    Record.unscoped.filter(pk=books.done.pk).update(taken_back_at=NOW, facts={"take_back": [ROW]})
    RecordLink.unscoped.update(taken_back_at=NOW)
    assert "Post 1 again" in as_(member).get(page).content.decode()
    address = url("take-back-undo", books, installation_id=books.installation.pk, public_id=take_back.public_id)
    as_(member).post(address)
    record = Record.unscoped.get(pk=books.done.pk)
    assert (record.take_back, record.generation, record.reference_suffix) == (None, 2, "-R2")
