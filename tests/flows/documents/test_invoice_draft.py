from datetime import date
from decimal import Decimal

import pytest

from connectors.base.errors import Held, MappingFailed
from connectors.base.records import DocumentKind, LineKind
from flows.engine.documents.invoice import invoice_draft, reference_of
from flows.engine.documents.rules import NominalCodes, OrderDiscountVat, UnknownSku
from tests.flows.documents.baskets import a_line, an_order
from tests.flows.documents.document_rules import NOMINALS, rules
from tests.flows.documents.verifier import wrong_with

TWENTY = Decimal(20)


def simple(**changes: object):
    return an_order(lines=[a_line("10.00", "2.00")], taxes={TWENTY: Decimal(2)}, total=Decimal(12), **changes)


def test_header_of_an_invoice():
    draft = invoice_draft(order=simple(note="Leave at the door"), rules=rules(terms_days=14), customer_id="42")
    assert (draft.kind, draft.reference, draft.customer_id) == (DocumentKind.INVOICE, "NOP-1001", "42")
    assert (draft.issued_date, draft.due_date) == (date(2026, 3, 4), date(2026, 3, 18))
    assert (draft.net, draft.tax, draft.gross) == (Decimal(10), Decimal(2), Decimal(12))
    assert draft.delivery_address.postcode == "YO1 7HH"
    assert draft.note == "Leave at the door"


def test_two_shops_with_equal_order_numbers_have_two_references():
    assert reference_of("1001", rules()) != reference_of("1001", rules(reference_prefix="EU-"))


def test_what_does_not_add_up_in_the_shop_is_held():
    with pytest.raises(Held) as held:
        invoice_draft(order=simple(arithmetic_note="lines 12.00, total 15.00"), rules=rules(), customer_id="1")
    assert held.value.code == "source_arithmetic"
    assert held.value.details["arithmetic"] == "lines 12.00, total 15.00"


def test_nominal_codes_by_sku_then_rate_then_default():
    nominals = NOMINALS.model_copy(update={"product_by_sku": {"A": "4100"}, "product_by_rate": {"5": "4050"}})
    lines = [
        a_line("10.00", "2.00"),
        a_line("10.00", "0.50", sku="B", rate="5"),
        a_line("10.00", "2.00", sku="C"),
        a_line("5.00", "1.00", kind=LineKind.SHIPPING),
        a_line("1.00", "0.20", kind=LineKind.FEE),
        a_line("-2.00", "-0.40", kind=LineKind.DISCOUNT),
        a_line("25.00", "0", rate=None, kind=LineKind.GIFT_CARD_SALE),
    ]
    order = an_order(lines=lines, taxes={TWENTY: Decimal("4.80"), Decimal(5): Decimal("0.50")}, total=Decimal("64.30"))
    draft = invoice_draft(order=order, rules=rules(nominals=nominals), customer_id="1")
    assert [line.nominal for line in draft.lines] == ["4100", "4050", "4000", "4905", "4906", "4009", "2200"]
    assert draft.lines[-1].product_code == ""
    assert wrong_with(draft, order) == []


def test_a_missing_nominal_code_points_at_the_setting():
    with pytest.raises(MappingFailed) as failed:
        invoice_draft(order=simple(), rules=rules(nominals=NominalCodes()), customer_id="1")
    assert failed.value.field == "nominals.product"


@pytest.mark.parametrize(("rate", "booked"), [("19.98", "20"), ("5.4", "5"), ("20", "20")])
def test_a_rate_snaps_to_the_ledgers_own(rate: str, booked: str):
    tax = Decimal(booked) / 10
    order = an_order(lines=[a_line("10.00", f"{tax}", rate=rate)], taxes={Decimal(rate): tax}, total=10 + tax)
    assert invoice_draft(order=order, rules=rules(), customer_id="1").lines[0].tax_rate == Decimal(booked)


def test_a_rate_the_ledger_does_not_know_is_held():
    order = an_order(
        lines=[a_line("10.00", "2.30", rate="23")], taxes={Decimal(23): Decimal("2.3")}, total=Decimal("12.3")
    )
    with pytest.raises(Held) as held:
        invoice_draft(order=order, rules=rules(), customer_id="1")
    assert (held.value.code, held.value.field) == ("unknown_vat_rate", "lines[0].tax_rate")


def test_the_sku_table_translates():
    draft = invoice_draft(order=simple(), rules=rules(sku_table={"A": "LEDGER-A"}), customer_id="1")
    assert draft.lines[0].product_code == "LEDGER-A"


@pytest.mark.parametrize("sku", ["A", ""])
def test_an_unknown_sku_is_held(sku: str):
    order = an_order(lines=[a_line("10.00", "2.00", sku=sku)], taxes={TWENTY: Decimal(2)}, total=Decimal(12))
    with pytest.raises(Held) as held:
        invoice_draft(order=order, rules=rules(known_skus={"B"}), customer_id="1")
    assert (held.value.code, held.value.field) == ("unknown_sku", "lines[0].sku")


def test_an_unknown_sku_may_be_booked_without_a_product_and_flagged():
    draft = invoice_draft(order=simple(), rules=rules(known_skus=set(), unknown_sku=UnknownSku.FLAG), customer_id="1")
    assert (draft.lines[0].product_code, draft.lines[0].description) == ("", "[UNKNOWN SKU] Article A")
    assert draft.gross == Decimal(12)


@pytest.mark.parametrize("quantity", ["1.5", "-2"])
def test_a_quantity_no_one_can_pick_is_held(quantity: str):
    line = a_line("10.00", "2.00").model_copy(update={"quantity": Decimal(quantity)})
    with pytest.raises(Held) as held:
        invoice_draft(order=an_order(lines=[line], total=Decimal(12)), rules=rules(), customer_id="1")
    assert held.value.field == "lines[0].quantity"


def test_an_order_discount_leaves_the_tax_as_the_shop_has_it():
    lines = [a_line("100.00", "20.00"), a_line("-12.00", "0", rate=None, kind=LineKind.DISCOUNT)]
    order = an_order(lines=lines, taxes={TWENTY: Decimal(20)}, total=Decimal(108))
    draft = invoice_draft(order=order, rules=rules(), customer_id="1")
    assert (draft.lines[1].net, draft.lines[1].tax, draft.lines[1].tax_rate) == (Decimal(-12), Decimal(0), None)
    assert wrong_with(draft, order) == []


def test_an_order_discount_may_be_spread_over_the_rates():
    # 12.00 off 120.00 gross at 20 % and 80.00 at 0 %: 7.20 = 6.00 + 1.20 VAT, and 4.80.
    lines = [
        a_line("100.00", "20.00"),
        a_line("80.00", "0", sku="B", rate="0"),
        a_line("-12.00", "0", rate=None, kind=LineKind.DISCOUNT),
    ]
    order = an_order(lines=lines, taxes={TWENTY: Decimal(20)}, total=Decimal(188))
    draft = invoice_draft(order=order, rules=rules(order_discount_vat=OrderDiscountVat.RATE_SHARES), customer_id="1")
    discounts = {line.tax_rate: (line.net, line.tax) for line in draft.lines if line.kind is LineKind.DISCOUNT}
    assert discounts == {TWENTY: (Decimal("-6.00"), Decimal("-1.20")), Decimal(0): (Decimal("-4.80"), Decimal(0))}
    assert draft.gross == Decimal(188)


def test_a_gross_with_four_decimals_is_booked_as_its_nearest_penny():
    order = an_order(lines=[a_line("8.3333", "1.6667")], taxes={TWENTY: Decimal("1.6667")}, total=Decimal("9.9999"))
    assert invoice_draft(order=order, rules=rules(), customer_id="1").gross == Decimal("10.00")
