from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connectors.base.errors import Held
from connectors.base.records import Order, Payment, PaymentStatus, Tender, TenderKind
from flows.engine.documents.payments import money_back_draft, payment_drafts
from flows.engine.documents.rules import PaymentRule
from tests.flows.documents.baskets import a_line, an_order
from tests.flows.documents.document_rules import CARD, rules

GIFT = Tender(kind=TenderKind.GIFT_CARD, amount=Decimal("5.00"), reference="GC-1")
POINTS = Tender(kind=TenderKind.REWARD_POINTS, amount=Decimal("2.00"))


def order_of(*tenders: Tender, total: str = "5.00", **changes: object) -> Order:
    return an_order(lines=[a_line("10.00", "2.00")], total=Decimal(total), tenders=list(tenders), **changes)


def test_gift_card_and_points_are_payments_and_all_sum_to_the_gross():
    entries = payment_drafts(order=order_of(GIFT, POINTS), document_number="77", rules=rules())
    assert [entry.key for entry in entries] == ["payment:gift_card:GC-1", "payment:reward_points", "payment:cap-1"]
    assert sum(entry.draft.amount for entry in entries) == Decimal("12.00")
    assert [entry.draft.method for entry in entries] == ["Gift card", "Gift card", "Card"]
    assert entries[-1].draft.account == "Card clearing"
    assert entries[-1].draft.reference == "NOP-1001 cap-1"


def test_an_unknown_method_is_held():
    with pytest.raises(Held) as held:
        payment_drafts(order=order_of(total="12.00"), document_number="77", rules=rules(payment_methods={}))
    assert (held.value.code, held.value.field) == ("payment_method", "payments[0].method")


def test_an_unknown_method_may_have_a_default():
    entries = payment_drafts(
        order=order_of(total="12.00"), document_number="77", rules=rules(payment_methods={}, default_payment=CARD)
    )
    assert entries[0].draft.method == "Card"


def test_a_tender_without_a_method_is_held():
    with pytest.raises(Held) as held:
        payment_drafts(order=order_of(GIFT, total="7.00"), document_number="77", rules=rules(tender_methods={}))
    assert held.value.code == "tender_method"


def test_a_method_that_is_not_posted_is_left_out():
    table = {"Payments.Card": PaymentRule(post=False)}
    entries = payment_drafts(
        order=order_of(GIFT, total="7.00"), document_number="77", rules=rules(payment_methods=table)
    )
    assert [entry.key for entry in entries] == ["payment:gift_card:GC-1"]


@pytest.mark.parametrize("amount", ["11.99", "12.01"])
def test_a_paid_order_whose_payments_miss_its_gross_is_held(amount: str):
    order = order_of(total="12.00")
    paid = order.payments[0].model_copy(update={"amount": Decimal(amount)})
    with pytest.raises(Held) as held:
        payment_drafts(order=order.model_copy(update={"payments": (paid,)}), document_number="77", rules=rules())
    assert held.value.details["settled"] == {"payment:cap-1": amount}


def test_an_unpaid_order_has_no_payments_yet():
    order = order_of(total="12.00", payment_status=PaymentStatus.PENDING, payments=())
    assert payment_drafts(order=order, document_number="77", rules=rules()) == []


def test_four_decimals_are_rounded_so_that_the_sum_is_the_gross():
    half = Tender(kind=TenderKind.GIFT_CARD, amount=Decimal("3.3333"))
    order = order_of(half, total="6.6666")
    amounts = [entry.draft.amount for entry in payment_drafts(order=order, document_number="77", rules=rules())]
    assert amounts == [Decimal("3.33"), Decimal("6.67")]


def test_a_payment_before_midnight_utc_is_of_the_ledgers_day():
    paid = Payment(
        reference="cap-1",
        method="Payments.Card",
        amount=Decimal("12.00"),
        currency="GBP",
        paid_at=datetime(2026, 7, 1, 23, 30, tzinfo=UTC),
    )
    order = order_of(total="12.00", payments=(paid,))
    entry = payment_drafts(order=order, document_number="77", rules=rules(time_zone="Europe/London"))[0]
    assert entry.draft.paid_date == date(2026, 7, 2)


def test_two_unnamed_gift_cards_have_two_keys():
    card = Tender(kind=TenderKind.GIFT_CARD, amount=Decimal("6.00"))
    entries = payment_drafts(order=order_of(card, card, total="0"), document_number="77", rules=rules())
    assert len({entry.key for entry in entries}) == 2


def test_money_back_is_a_negative_receipt_on_the_credit_note():
    entry = money_back_draft(
        order=order_of(total="12.00"),
        document_number="78",
        cumulative=Decimal("7.50"),
        amount=Decimal("2.50"),
        paid_date=date(2026, 4, 1),
        rules=rules(),
    )
    assert entry.key == "refund:to:7.50"
    assert (entry.draft.amount, entry.draft.document_number) == (Decimal("-2.50"), "78")
    assert (entry.draft.method, entry.draft.paid_date) == ("Card", date(2026, 4, 1))
