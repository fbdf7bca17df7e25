from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base.errors import Held
from connectors.base.records import Order, Payment, PaymentStatus, Tender, TenderKind
from flows.engine.builtins import BUILTINS
from flows.engine.documents.payments import PaymentEntry, money_back_drafts, payment_drafts
from flows.engine.documents.posted import PostedCredit
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


def credit(number: int, amount: str) -> PostedCredit:
    return PostedCredit(number=str(700 + number), reference=f"NOP-1001-CR{number}", amount=Decimal(amount))


def back(credits: list[PostedCredit], refunded: str, *paid: PaymentEntry, **changes: object) -> list[PaymentEntry]:
    """``paid``: payments back that are remembered."""
    return money_back_drafts(
        order=order_of(total="12.00"),
        rules=rules(**changes),
        credits=credits,
        paid=[link_of(entry) for entry in paid],
        refunded=Decimal(refunded),
        paid_date=date(2026, 4, 1),
    )


def link_of(entry: PaymentEntry, amount: Decimal | None = None) -> dict[str, object]:
    output = {"document_number": entry.draft.document_number, "amount": str(amount or entry.draft.amount)}
    return {"qualifier": entry.key, "output": output}


def test_money_back_is_a_negative_receipt_on_its_credit_note():
    (entry,) = back([credit(1, "7.50")], "7.50")
    assert entry.key == "refund:NOP-1001-CR1 refund"
    assert (entry.draft.amount, entry.draft.document_number) == (Decimal("-7.50"), "701")
    assert (entry.draft.method, entry.draft.paid_date) == ("Card", date(2026, 4, 1))
    assert entry.draft.reference == "NOP-1001-CR1 refund"


def test_a_second_refund_names_and_pays_its_own_credit_note_only():
    """Although the first payment back may be there, unremembered: its name and amount stay what they were."""
    (first,) = back([credit(1, "1.11")], "1.11")
    again = back([credit(1, "1.11"), credit(2, "0.57")], "1.68")
    assert again[0] == first and (again[1].draft.amount, again[1].draft.document_number) == (Decimal("-0.57"), "702")
    assert back([credit(1, "1.11"), credit(2, "0.57")], "1.68", first) == [again[1]]


def test_a_cancellation_is_paid_back_as_far_as_it_was_refunded():
    (first,) = back([credit(1, "12.00")], "5.00")
    (rest,) = back([credit(1, "12.00")], "12.00", first)
    assert (first.draft.amount, rest.draft.amount) == (Decimal("-5.00"), Decimal("-7.00"))
    assert rest.key == "refund:NOP-1001-CR1 refund 2"


def test_money_back_of_a_way_that_is_not_posted_is_left_out():
    assert back([credit(1, "7.50")], "7.50", payment_methods={"Payments.Card": PaymentRule(post=False)}) == []


def test_money_paid_back_by_an_earlier_version_is_not_paid_back_again():
    """It paid the whole difference on the latest credit note, under another name."""
    (of_both,) = back([credit(2, "1.68")], "1.68")
    assert back([credit(1, "1.11"), credit(2, "0.57")], "1.68", of_both) == []


_PENNIES = st.integers(1, 500)


_FATES = st.sampled_from(["remembered", "answer lost", "not yet"])


@given(st.lists(st.tuples(_PENNIES, _FATES), min_size=1, max_size=6), st.booleans())
def test_whatever_answers_are_lost_what_was_refunded_is_paid_back_once(refunds, cancelled):
    """Each refund has its credit note, or all share that of a cancellation.

    A payment whose answer was lost is found by its name in the next attempt, perhaps with another amount than is wanted
    by then: it is remembered as it is, and the walk begins again.
    """
    notes = [credit(1, "100.00")] if cancelled else []
    there, remembered, refunded = {}, {}, Decimal(0)
    for number, (pennies, fate) in enumerate([*refunds, (1, "remembered")], start=1):
        refunded += Decimal(pennies) / 100
        if not cancelled:
            notes.append(credit(number, str(Decimal(pennies) / 100)))
        while fate != "not yet" and (due := back(notes, str(refunded), *remembered.values())):
            entry = there.setdefault(due[0].key, due[0])
            if fate == "answer lost" and entry is due[0]:
                break  # the walk ends here
            remembered[entry.key] = entry
    assert -sum(entry.draft.amount for entry in there.values()) == refunded
    assert back(notes, str(refunded), *remembered.values()) == []


def test_what_stored_pair_versions_name_is_still_there():
    assert {"money_back_draft", "money_returned"} <= set(BUILTINS)
