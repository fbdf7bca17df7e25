"""What was posted is taken back: deleted or credited, once, and not posted again unless a person says so (C27)."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from flows.engine.ports import LeaseLost
from runs.claim import leases_recover
from runs.drain import Drain
from runs.host import RunHost
from runs.imports import import_collect, import_create, import_start
from runs.models import InboxEvent, Record, RecordLink, Run, TakeBack
from runs.payloads import LINK, payload_open, payload_seal
from runs.takebacks import (
    Selection,
    TakeBackRefused,
    record_keep,
    record_post_again,
    selection_records,
    takeback_post_again,
    takeback_preview,
    takeback_progress,
    takeback_start,
)
from tenants.clock import database_now
from tenants.models import AuditEntry, User
from tests.factories import UserFactory, links_lose
from tests.pairs.nopcommerce_kashflow.world import CHEQUE

pytestmark = pytest.mark.django_db
SKU = "SKU-003"


@pytest.fixture(scope="module")
def pair(worlds):
    with worlds() as made:
        made.settle()
        yield made


@pytest.fixture(autouse=True)
def _defaults(pair):
    yield
    pair.faults()
    pair.ledger_set(deny_locked_before=None)
    pair.set()
    pair.installation.refresh_from_db()


def posted(pair, *, paid, **more):
    """An order that is through, with its invoice."""
    way = {} if paid else {"payment_method": CHEQUE, "paid": False}
    order = pair.order(lines=[{"sku": SKU, "quantity": 3}], **way, **more)
    pair.settle()
    assert pair.run(order).state == "done", pair.run(order).reason
    return order


def one(order):
    return Selection("record", str(order))


def taken_back(pair, order):
    takeback_start(installation=pair.installation, selection=one(order), expected=1, at=database_now(), by=None)
    pair.settle()
    return record_of(order)


def record_of(order):
    return Record.unscoped.get(record_type="order", record_id=str(order))


def stock(pair):
    return pair.ledger_product(SKU)["qty_in_stock"]


def shop_stock(pair):
    return pair.shop_product(SKU)["stock_quantity"]


def balance(pair, order):
    return sum((Decimal(row["gross_amount"]) for row in pair.documents(order).values()), Decimal(0))


def again(pair, order):
    record_post_again(record=record_of(order), at=database_now(), by=None)
    pair.settle()


def drain_for(seconds):
    """A drain that ends by its time, whatever is still leased."""
    asyncio.run(Drain(seconds=seconds, concurrency=8, lease_seconds=30.0).run())


def follow_ups():
    return Run.unscoped.filter(record__record_type="ledger_product", record__record_id=SKU, via="follow").count()


@pytest.fixture
def member_of(pair):
    return User.objects.filter(email="bookkeeper@example.test").first() or UserFactory(email="bookkeeper@example.test")


def standing(order):
    links = RecordLink.unscoped.filter(record__record_id=str(order), record__record_type="order", taken_back_at=None)
    return sorted(links.filter(operation__in=["create_invoice", "record_payment"]).values_list("qualifier", flat=True))


def test_unpaid_order_is_deleted_and_stock_is_what_it_was(pair):
    before = stock(pair)
    order = posted(pair, paid=False)
    assert stock(pair) == before - 3
    record = taken_back(pair, order)
    assert pair.documents(order) == {} and stock(pair) == before
    assert record.taken_back_at is not None and standing(order) == []
    (row,) = record.facts["take_back"]
    assert (row["reference"], row["fate"]) == (f"NOP-{order}", "delete")


def test_paid_order_is_credited_line_by_line_and_nets_to_zero(pair):
    before = stock(pair)
    order = posted(pair, paid=True)
    taken_back(pair, order)
    documents = pair.documents(order)
    assert set(documents) == {"", "TB"} and balance(pair, order) == 0 and stock(pair) == before
    assert [line["rate"] for line in documents[""]["lines"]][:1] == [documents["TB"]["lines"][0]["rate"]]
    assert documents["TB"]["invoice_date"] == documents[""]["invoice_date"]
    assert len(documents[""]["payments"]) == 1, "payments stay unless the settings say otherwise"


def test_payments_of_ours_are_removed_first_where_the_settings_say_so(pair):
    order = posted(pair, paid=True)
    pair.set(take_back_payments="remove")
    taken_back(pair, order)
    assert pair.documents(order) == {}


def test_payment_of_a_person_makes_it_a_credit_note(pair):
    """Only what we recorded may go."""
    order = posted(pair, paid=True)
    RecordLink.unscoped.filter(record__record_id=str(order), operation="record_payment").update(external_id="0")
    pair.set(take_back_payments="remove")
    taken_back(pair, order)
    assert set(pair.documents(order)) == {"", "TB"} and len(pair.invoice(order)["payments"]) == 1


def test_refund_and_edit_are_taken_back_together_with_the_invoice(pair):
    before = stock(pair)
    order = posted(pair, paid=True)
    pair.act(order, "refund", amount="1.11")
    pair.settle()
    assert set(pair.documents(order)) == {"", "CR1"}
    taken_back(pair, order)
    assert set(pair.documents(order)) == {"", "CR1", "TB"} and balance(pair, order) == 0 and stock(pair) == before


def test_unpaid_edited_order_is_deleted_with_its_difference(pair):
    order = posted(pair, paid=False)
    pair.act(order, "edit", lines=[{"sku": SKU, "quantity": 5}])
    pair.settle()
    assert set(pair.documents(order)) == {"", "D1"}
    taken_back(pair, order)
    assert pair.documents(order) == {}


def test_order_whose_documents_come_to_nothing_gets_no_further_one(pair):
    order = posted(pair, paid=False)
    pair.act(order, "cancel")
    pair.settle()
    documents = set(pair.documents(order))
    record = taken_back(pair, order)
    assert set(pair.documents(order)) == documents and record.taken_back_at is not None


def test_closed_period_is_held_with_the_cure_and_done_once_it_is_open(pair):
    order = posted(pair, paid=False)
    pair.set(closed_until=date.today().isoformat())
    record = taken_back(pair, order)
    run = pair.run(order)
    assert (run.state, run.error["code"]) == ("held", "period_closed") and "Books closed up to" in run.error["cure"]
    assert set(pair.documents(order)) == {""} and record.taken_back_at is None
    pair.set()
    pair.news("order", order)
    pair.settle()
    assert pair.documents(order) == {} and record_of(order).taken_back_at is not None


def test_closed_period_is_credited_on_the_first_open_day_under_the_same_reference(pair):
    order = posted(pair, paid=False)
    pair.set(closed_until=date.today().isoformat(), closed_period="first_open_day")
    taken_back(pair, order)
    note = pair.documents(order)["TB"]
    assert note["customer_reference"] == f"NOP-{order}-TB" and balance(pair, order) == 0
    assert note["invoice_date"] == (date.today() + timedelta(days=1)).isoformat()


def test_period_only_the_ledger_knows_to_be_closed_waits_for_a_person(pair):
    order = posted(pair, paid=False)
    pair.ledger_set(deny_locked_before=(date.today() + timedelta(days=1)).isoformat())
    taken_back(pair, order)
    run = pair.run(order)
    assert (run.state, run.error["code"]) == ("dead", "period_closed") and run.error["cure"]
    assert set(pair.documents(order)) == {""}


def test_document_a_person_edited_is_held(pair):
    order = posted(pair, paid=False)
    link = RecordLink.unscoped.get(record__record_id=str(order), qualifier="invoice")
    number = pair.invoice(order)["invoice_number"]
    output = payload_open(link.organisation_id, LINK, link.effect_key, link.sealed)
    link.sealed = payload_seal(link.organisation_id, LINK, link.effect_key, {**output, "gross": "1.00"})
    link.save()
    taken_back(pair, order)
    run = pair.run(order)
    assert run.state == "held" and f"Document {number}" in run.reason and "somebody edited it" in run.reason
    assert set(pair.documents(order)) == {""}


@pytest.mark.parametrize("paid", [False, True])
def test_worker_lost_after_the_write_leaves_nothing_doubled(pair, paid, monkeypatch):
    """The documents are gone (or credited) and nobody was told: the next attempt sees that and finishes."""
    before = stock(pair)
    order = posted(pair, paid=paid)
    flush, lost = RunHost.flush, []

    async def flush_once_lost(self, *, link=None, ending=None):
        if self.taken_back and not lost and (link is not None or ending is not None):
            lost.append(1)
            raise LeaseLost("the worker is gone")
        await flush(self, link=link, ending=ending)

    monkeypatch.setattr(RunHost, "flush", flush_once_lost)
    takeback_start(installation=pair.installation, selection=one(order), expected=1, at=database_now(), by=None)
    drain_for(3)
    assert lost and record_of(order).taken_back_at is None
    assert set(pair.documents(order)) == ({"", "TB"} if paid else set())
    InboxEvent.unscoped.filter(state="leased").update(lease_expires_at=database_now() - timedelta(seconds=1))
    leases_recover(default_settle=0.1)
    pair.settle()
    assert set(pair.documents(order)) == ({"", "TB"} if paid else set())
    assert balance(pair, order) == 0 and stock(pair) == before and record_of(order).taken_back_at is not None
    assert standing(order) == []


def test_invoice_whose_answer_was_lost_is_taken_back_too(pair):
    """The worker died between writing and remembering: nothing is remembered, and the document is there."""
    order = posted(pair, paid=False)
    links_lose(RecordLink.unscoped.filter(record__record_id=str(order), operation="create_invoice"))
    Record.unscoped.filter(pk=record_of(order).pk).update(unclean=True)
    assert not selection_records(pair.installation, one(order)).exists()
    row = TakeBack.objects.create(
        organisation=pair.organisation, installation=pair.installation, kind="record", value=str(order), count=1,
        created_at=database_now(),
    )  # fmt: skip
    Record.unscoped.filter(pk=record_of(order).pk).update(take_back=row)
    pair.news("order", order)
    pair.settle()
    assert pair.documents(order) == {}


def test_webhook_poll_and_import_do_not_post_it_again(pair, member_of):
    order = posted(pair, paid=False)
    takeback_start(installation=pair.installation, selection=one(order), expected=1, at=database_now(), by=member_of)
    pair.settle()
    pair.act(order, "pay")  # the shop tells by webhook
    pair.settle()
    pair.poll()
    pair.settle()
    today = date.today()
    job = import_create(installation=pair.installation, first_day=today, last_day=today, at=database_now(), by=None)
    import_collect(job)
    assert str(order) in job.record_ids
    import_start(job=job, at=database_now(), by=None)
    pair.settle()
    assert pair.documents(order) == {}
    run = pair.run(order)
    assert run.state == "skipped" and "Taken back on" in run.reason and member_of.email in run.reason


def test_shop_keeps_showing_the_goods_as_sold(pair):
    """Taken back is not unsold: the ledger has its stock again, the shop must not sell the goods twice."""
    order = posted(pair, paid=False)
    pair.poll()
    pair.settle()
    shown, followed = shop_stock(pair), follow_ups()
    taken_back(pair, order)
    assert follow_ups() > followed, "a poll between deletion and the end would have shown the goods as free"
    pair.poll()
    pair.settle()
    assert shop_stock(pair) == shown and record_of(order).facts["pending"] == {SKU: 3}
    again(pair, order)
    pair.poll()
    pair.settle()
    assert shop_stock(pair) == shown and "pending" not in record_of(order).facts


def test_posted_again_after_deletion_takes_the_same_reference(pair):
    before = stock(pair)
    order = posted(pair, paid=False)
    taken_back(pair, order)
    again(pair, order)
    assert set(pair.documents(order)) == {""} and standing(order) == ["invoice"] and stock(pair) == before - 3
    pair.act(order, "pay")
    pair.settle()
    assert len(standing(order)) == 2
    assert pair.invoice(order)["paid"]


def test_posted_again_after_a_credit_note_takes_a_reference_of_its_own(pair):
    order = posted(pair, paid=True)
    gross = pair.invoice(order)["gross_amount"]
    taken_back(pair, order)
    again(pair, order)
    documents = pair.documents(order)
    assert set(documents) == {"", "TB", "R2"} and documents["R2"]["gross_amount"] == gross
    assert balance(pair, order) == Decimal(gross) and len(documents["R2"]["payments"]) == 1
    pair.act(order, "refund", amount="1.11")
    pair.settle()
    assert set(pair.documents(order)) == {"", "TB", "R2", "R2-CR1"}


def test_it_can_be_taken_back_and_posted_as_often_as_wanted(pair):
    before = stock(pair)
    order = posted(pair, paid=True)
    for _ in range(2):
        taken_back(pair, order)
        again(pair, order)
    assert set(pair.documents(order)) == {"", "TB", "R2", "R2-TB", "R3"}
    taken_back(pair, order)
    assert balance(pair, order) == 0 and stock(pair) == before


def test_it_is_not_posted_again_before_it_is_through(pair):
    order = posted(pair, paid=False)
    with pytest.raises(TakeBackRefused):
        record_post_again(record=record_of(order), at=database_now(), by=None)
    pair.set(closed_until=date.today().isoformat())
    taken_back(pair, order)
    with pytest.raises(TakeBackRefused):
        record_post_again(record=record_of(order), at=database_now(), by=None)


def test_held_take_back_is_withdrawn_and_the_order_goes_on(pair):
    order = posted(pair, paid=False)
    pair.set(closed_until=date.today().isoformat())
    taken_back(pair, order)
    record_keep(record=record_of(order), at=database_now(), by=None)
    pair.act(order, "pay")
    pair.settle()
    assert pair.run(order).state == "done" and pair.invoice(order)["paid"]
    assert record_of(order).take_back is None and set(pair.documents(order)) == {""}


def test_take_back_that_has_begun_is_not_withdrawn(pair):
    """One document is gone, the other cannot go: only forward."""
    order = posted(pair, paid=False)
    pair.act(order, "edit", lines=[{"sku": SKU, "quantity": 5}])
    pair.settle()
    pair.faults({"operations": ["DeleteInvoice"], "kind": "refuse", "skip": 1, "text": "Computer says no"})
    takeback_start(installation=pair.installation, selection=one(order), expected=1, at=database_now(), by=None)
    pair.settle()
    assert set(pair.documents(order)) == {""} and record_of(order).taken_back_at is None
    with pytest.raises(TakeBackRefused, match="Part of it"):
        record_keep(record=record_of(order), at=database_now(), by=None)


def test_preview_says_what_happens_and_writes_nothing(pair):
    unpaid, paid = posted(pair, paid=False), posted(pair, paid=True)
    state, runs = pair.books(), Run.unscoped.count()
    (row,) = takeback_preview(pair.installation, one(unpaid))[0].facts["take_back"]
    assert (row["fate"], row["number"]) == ("delete", str(pair.invoice(unpaid)["invoice_number"]))
    (item,) = takeback_preview(pair.installation, one(paid))
    (row,) = item.facts["take_back"]
    assert (row["fate"], row["why"], row["locked"]) == ("credit", "something is paid on it", None)
    assert Decimal(row["gross"]) == Decimal(row["paid"]) and item.outcome == "would_write"
    pair.set(closed_until=date.today().isoformat())
    pair.installation.refresh_from_db()
    (item,) = takeback_preview(pair.installation, one(unpaid))
    assert item.outcome == "held" and item.facts["take_back"][0]["locked"] is True
    assert pair.books() == state and Run.unscoped.count() == runs
    assert record_of(unpaid).take_back is None and standing(unpaid) == ["invoice"]


def test_run_day_and_everything_are_chosen_by_what_was_posted(pair):
    first, second = posted(pair, paid=False), posted(pair, paid=False)
    link = RecordLink.unscoped.get(record__record_id=str(first), qualifier="invoice", taken_back_at=None)
    chosen = selection_records(pair.installation, Selection("run", str(link.run.public_id)))
    assert [record.record_id for record in chosen] == [str(first)]
    RecordLink.unscoped.filter(record=record_of(first)).update(created_at=database_now() - timedelta(days=3))
    day = (database_now() - timedelta(days=3)).date().isoformat()
    assert [row.record_id for row in selection_records(pair.installation, Selection("day", day))] == [str(first)]
    everything = {row.record_id for row in selection_records(pair.installation, Selection("start"))}
    assert {str(first), str(second)} <= everything
    with pytest.raises(TakeBackRefused):
        selection_records(pair.installation, Selection("day", "yesterday"))


def test_import_of_the_wrong_month_is_taken_back_without_what_was_there_before(pair):
    """Orders of before go-live; one of them was in the books already and stays."""
    by_hand = posted(pair, paid=False)
    ours = pair.order(lines=[{"sku": SKU, "quantity": 1}], payment_method=CHEQUE, paid=False)
    pair.settle()
    # As after a fresh start of our side: the documents of one are known to nobody, of the other they do not exist.
    for order in (by_hand, ours):
        if order == ours:
            taken_back(pair, order)
        links_lose(RecordLink.unscoped.filter(record=record_of(order)))
        record = record_of(order)
        Run.unscoped.filter(record=record).delete()
        record.delete()
    today = date.today()
    job = import_create(installation=pair.installation, first_day=today, last_day=today, at=database_now(), by=None)
    job.record_ids, job.state = [str(by_hand), str(ours)], "previewed"
    job.save()
    import_start(job=job, at=database_now(), by=None)
    pair.settle()
    assert set(pair.documents(ours)) == set(pair.documents(by_hand)) == {""}
    selection = Selection("import", str(job.public_id))
    take_back = takeback_start(
        installation=pair.installation, selection=selection, expected=2, at=database_now(), by=None
    )
    pair.settle()
    assert pair.documents(ours) == {} and set(pair.documents(by_hand)) == {""}
    assert takeback_progress(take_back) == {"done": 2, "waiting": 0, "open": 0, "posted_again": 0}
    assert takeback_post_again(take_back=take_back, at=database_now(), by=None) == 2
    pair.settle()
    assert set(pair.documents(ours)) == set(pair.documents(by_hand)) == {""}


def test_count_that_is_no_longer_true_is_refused(pair, member_of):
    order = posted(pair, paid=False)
    with pytest.raises(TakeBackRefused, match="There are 1 of them now"):
        takeback_start(installation=pair.installation, selection=one(order), expected=2, at=database_now(), by=None)
    assert record_of(order).take_back is None
    takeback_start(installation=pair.installation, selection=one(order), expected=1, at=database_now(), by=member_of)
    entry = AuditEntry.unscoped.filter(action="records.taken_back").order_by("pk").last()
    assert (entry.actor, entry.details["count"]) == (member_of, 1)
    pair.settle()


def test_command_says_takes_back_and_posts_again(pair):
    order = posted(pair, paid=False)

    def command(*arguments):
        out = StringIO()
        call_command("take_back", "--installation", str(pair.installation.pk), *arguments, stdout=out)
        pair.settle()
        return out.getvalue()

    said = command("--order", str(order), "--dry-run")
    assert f"NOP-{order} " in said and "delete" in said and set(pair.documents(order)) == {""}
    command("--order", str(order), "--yes")
    assert pair.documents(order) == {}
    with pytest.raises(CommandError):
        command("--post-again", "nobody")
    command("--post-again", str(order))
    assert set(pair.documents(order)) == {""}


def test_paused_pair_still_takes_back_and_posts_nothing(pair):
    order = posted(pair, paid=False)
    pair.installation.state = "paused"
    pair.installation.save()
    try:
        other = pair.order(payment_method=CHEQUE, paid=False)
        pair.news("order", other)
        takeback_start(installation=pair.installation, selection=one(order), expected=1, at=database_now(), by=None)
        drain_for(3)
        assert pair.documents(order) == {} and pair.documents(other) == {}
    finally:
        pair.installation.state = "active"
        pair.installation.save()
    pair.settle()
    assert set(pair.documents(other)) == {""} and pair.documents(order) == {}
