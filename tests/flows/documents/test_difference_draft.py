import json
import random
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base.errors import Held
from connectors.base.records import DocumentKind, InvoiceDraft, LineKind, Order
from flows.engine.documents.difference import difference_draft
from flows.engine.documents.invoice import invoice_draft
from flows.engine.documents.posted import PostedDocument, by_sku
from flows.engine.documents.rules import LedgerArithmetic
from tests.flows.documents.baskets import a_line, an_order, random_order
from tests.flows.documents.document_rules import rules
from tests.flows.documents.verifier import total, wrong_with

TWENTY = Decimal(20)


def order_with(quantity: int, price: str = "10.00", shipping: str = "5.00") -> Order:
    net, postage = Decimal(price) * quantity, Decimal(shipping)
    tax = (net + postage) / 5
    lines = [
        a_line(f"{net}", f"{net / 5}", quantity=quantity),
        a_line(f"{postage}", f"{postage / 5}", kind=LineKind.SHIPPING),
    ]
    return an_order(lines=lines, taxes={TWENTY: tax}, total=net + postage + tax)


def invoice(order: Order) -> InvoiceDraft:
    return invoice_draft(order=order, rules=rules(), customer_id="1")


def remembered(*drafts: InvoiceDraft) -> list[PostedDocument]:
    facts = [json.loads(json.dumps(PostedDocument.facts_of(draft))) for draft in drafts]
    return [PostedDocument.model_validate(fact) for fact in facts]


def difference(order: Order, *drafts: InvoiceDraft, number: int = 1, **changes: object) -> InvoiceDraft | None:
    return difference_draft(
        order=order, rules=rules(**changes), customer_id="1", posted=remembered(*drafts), number=number
    )


def shown(draft: InvoiceDraft) -> list[tuple[str, str, str, str]]:
    return [(line.product_code, f"{line.quantity}", f"{line.unit_price}", f"{line.tax}") for line in draft.lines]


def test_no_change_is_no_document():
    assert difference(order_with(2), invoice(order_with(2))) is None


def test_one_more_is_an_invoice_that_moves_one():
    draft = difference(order_with(3), invoice(order_with(2)))
    assert (draft.kind, draft.reference) == (DocumentKind.INVOICE, "NOP-1001-D1")
    assert shown(draft) == [("A", "1", "10.00", "2.00")]


def test_one_less_is_a_credit_note_that_brings_one_back():
    draft = difference(order_with(1), invoice(order_with(2)))
    assert draft.kind is DocumentKind.CREDIT_NOTE
    assert shown(draft) == [("A", "-1", "10.00", "-2.00")]
    assert draft.gross == Decimal(-12)


def test_a_changed_charge_is_one_line():
    draft = difference(order_with(2, shipping="3.50"), invoice(order_with(2)))
    assert shown(draft) == [("", "1", "-1.50", "-0.30")]


def test_a_changed_price_takes_the_old_line_back_and_leaves_stock_alone():
    draft = difference(order_with(2, price="9.00"), invoice(order_with(2)))
    assert shown(draft) == [("A", "-2", "10.00", "-4.00"), ("A", "2", "9.00", "3.60")]


def test_a_removed_article_goes_back_and_a_new_one_comes():
    now = an_order(lines=[a_line("7.00", "1.40", sku="B")], taxes={TWENTY: Decimal("1.40")}, total=Decimal("8.40"))
    draft = difference(now, invoice(order_with(2)))
    assert by_sku(draft.lines) == {"A": (Decimal(-2), Decimal(-20)), "B": (Decimal(1), Decimal(7))}
    assert draft.gross == Decimal("8.40") - Decimal(30)


def test_differences_are_about_everything_posted_so_far():
    first = invoice(order_with(2))
    second = difference(order_with(3), first)
    assert difference(order_with(3), first, second, number=2) is None
    back = difference(order_with(2), first, second, number=2)
    assert back.reference == "NOP-1001-D2"
    assert shown(back) == [("A", "-1", "10.00", "-2.00")]


def test_other_settings_alone_are_no_difference():
    lines = [a_line("34.0748", "2.3852", rate="7"), a_line("15.80", "3.002", rate="19", kind=LineKind.SHIPPING)]
    taxes = {Decimal(7): Decimal("2.39"), Decimal(19): Decimal("3.002")}
    order = an_order(lines=lines, taxes=taxes, total=Decimal("55.26"))
    assert difference(order, invoice(order), ledger_arithmetic=LedgerArithmetic.AS_SENT) is None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_invoice_and_differences_add_up_to_each_edit(seed: int):
    rng = random.Random(seed)
    drafts: list[InvoiceDraft] = []
    number = 0
    for order in _edits(rng):
        try:
            target = invoice(order)
        except Held:
            continue
        if not drafts:
            drafts.append(target)
            continue
        draft = difference(order, *drafts, number=number + 1)
        if draft:
            number += 1
            drafts.append(draft)
        _assert_says(order, drafts, target)
        assert difference(order, *drafts, number=number + 1) is None


def _edits(rng: random.Random) -> list[Order]:
    """An order, its edits (lines of another basket beside some of its own), and the order as it was."""
    first, second, third = (random_order(rng) for _ in range(3))
    return [first, second, third, first]


def _assert_says(order: Order, drafts: list[InvoiceDraft], target: InvoiceDraft) -> None:
    sums, wanted = total(drafts), total([target])
    assert sums.get("gross", 0) == wanted.get("gross", 0)
    for key in {*sums, *wanted}:
        assert abs(sums.get(key, 0) - wanted.get(key, 0)) <= Decimal("0.01")
    lines = tuple(line for draft in drafts for line in draft.lines)
    quantities = {code: pair[0] for code, pair in by_sku(lines).items()}
    assert quantities == {code: pair[0] for code, pair in by_sku(target.lines).items()}
    assert wrong_with(target, order) == []
