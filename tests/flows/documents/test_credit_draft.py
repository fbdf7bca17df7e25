import random
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.base.errors import Held
from connectors.base.records import DocumentKind, InvoiceDraft, LineKind, Order
from flows.engine.documents.credit import cancel_draft, credit_draft
from flows.engine.documents.invoice import invoice_draft
from flows.engine.documents.posted import PostedDocument
from tests.flows.documents.baskets import a_line, an_order, random_order
from tests.flows.documents.document_rules import rules
from tests.flows.documents.verifier import recomputed, total

TWENTY = Decimal(20)


def an_ordinary_order() -> Order:
    lines = [
        a_line("10.00", "2.00", quantity=3),
        a_line("20.00", "0", sku="B", rate="0"),
        a_line("5.00", "1.00", kind=LineKind.SHIPPING),
    ]
    return an_order(lines=lines, taxes={TWENTY: Decimal(3)}, total=Decimal(38))


def credit(order: Order, cumulative: str, before: str = "0", number: int = 1, **changes: object) -> InvoiceDraft:
    return credit_draft(
        order=order,
        rules=rules(),
        customer_id="1",
        cumulative=Decimal(cumulative),
        credited_before=Decimal(before),
        number=number,
        **changes,
    )


def invoice(order: Order) -> InvoiceDraft:
    return invoice_draft(order=order, rules=rules(), customer_id="1")


def posted(*drafts: InvoiceDraft) -> list[PostedDocument]:
    return [PostedDocument.model_validate(PostedDocument.facts_of(draft)) for draft in drafts]


def test_a_partial_refund_takes_each_rates_share():
    # 19.00 of 38.00 (18.00 at 20 %, 20.00 at 0 %): 9.00 = 7.50 + 1.50, and 10.00.
    draft = credit(an_ordinary_order(), "19.00")
    assert (draft.kind, draft.reference) == (DocumentKind.CREDIT_NOTE, "NOP-1001-CR1")
    assert (draft.net, draft.tax, draft.gross) == (Decimal("-17.50"), Decimal("-1.50"), Decimal("-19.00"))
    assert all(line.quantity == 1 and line.unit_price < 0 and not line.product_code for line in draft.lines)


def test_a_refund_of_everything_mirrors_the_invoice_without_moving_goods():
    order = an_ordinary_order()
    draft = credit(order, "38")
    assert [(line.net, line.tax) for line in draft.lines] == [(-line.net, -line.tax) for line in invoice(order).lines]
    assert all(line.quantity == 1 and not line.product_code for line in draft.lines)


def test_a_restocked_refund_brings_goods_back_by_negative_quantity():
    draft = credit(an_ordinary_order(), "38", restock=True)
    goods = [(line.product_code, line.quantity) for line in draft.lines if line.product_code]
    assert goods == [("A", -2), ("A", -1), ("B", -1)]
    assert all(line.unit_price >= 0 for line in draft.lines if line.product_code)


def test_the_last_of_several_refunds_restocks_by_lines_without_a_price():
    draft = credit(an_ordinary_order(), "38", before="10", number=2, restock=True)
    goods = [line for line in draft.lines if line.product_code]
    assert sum(line.quantity for line in goods if line.product_code == "A") == -3
    assert {line.net for line in goods} == {Decimal(0)}
    assert draft.gross == Decimal(-28)


@pytest.mark.parametrize(("cumulative", "before"), [("38.01", "0"), ("10", "10"), ("5", "10"), ("5", "-1")])
def test_refunds_that_cannot_be_are_held(cumulative: str, before: str):
    with pytest.raises(Held) as held:
        credit(an_ordinary_order(), cumulative, before)
    assert held.value.details["gross"] == "38.00"


@settings(max_examples=400, deadline=None)
@example(8665)  # VAT of a share that is more than a penny off its rate
@example(1106)
@example(2512)
@given(st.integers(0, 2**32))
def test_any_sequence_of_refunds_sums_to_the_invoice(seed: int):
    rng = random.Random(seed)
    order = random_order(rng)
    try:
        whole = invoice(order)
    except Held:
        return
    if whole.gross <= 0:
        return
    steps = sorted(
        {rng.randint(1, int(whole.gross * 100)) for _ in range(rng.randint(0, 6))} | {int(whole.gross * 100)}
    )
    before, credits = Decimal(0), []
    for number, step in enumerate(steps, start=1):
        draft = credit(order, f"{Decimal(step) / 100}", f"{before}", number)
        assert draft.gross == before - Decimal(step) / 100
        _assert_sound(draft)
        credits.append(draft)
        before = Decimal(step) / 100
    assert total([whole, *credits]) == {}


def _assert_sound(draft: InvoiceDraft) -> None:
    for line in draft.lines:
        exact = line.quantity * line.unit_price * (line.tax_rate or 0) / 100
        assert abs(exact - line.tax) <= Decimal("0.01")
        assert draft.depends_on_sent_tax or recomputed(line) == line.tax


def test_cancelling_mirrors_the_invoice_and_restocks():
    order = an_ordinary_order()
    draft = cancel_draft(order=order, rules=rules(), customer_id="1", posted=posted(invoice(order)), number=1)
    assert draft.reference == "NOP-1001-CR1"
    assert total([invoice(order), draft]) == {}
    assert sum(line.quantity for line in draft.lines if line.product_code == "A") == -3


def test_cancelling_after_a_refund_takes_back_what_is_left():
    order = an_ordinary_order()
    refund = credit(order, "10.37")
    draft = cancel_draft(order=order, rules=rules(), customer_id="1", posted=posted(invoice(order), refund), number=2)
    assert draft.gross == Decimal("-27.63")
    assert total([invoice(order), refund, draft]) == {}


def test_cancelling_twice_is_nothing():
    order = an_ordinary_order()
    arguments = {"order": order, "rules": rules(), "customer_id": "1"}
    first = cancel_draft(**arguments, posted=posted(invoice(order)), number=1)
    assert cancel_draft(**arguments, posted=posted(invoice(order), first), number=2) is None


def test_cancelling_without_restock_moves_no_goods():
    order = an_ordinary_order()
    draft = cancel_draft(
        order=order, rules=rules(), customer_id="1", posted=posted(invoice(order)), number=1, restock=False
    )
    assert not any(line.product_code for line in draft.lines)
    assert total([invoice(order), draft]) == {}
