"""Pure functions from the shop's shapes to our records: recorded payloads, and sums that hold for any order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import exact_json
from connectors.base.records import LineKind, OrderStatus, PaymentStatus, Tender, TenderKind
from connectors.nopcommerce.arithmetic import settle_sums
from connectors.nopcommerce.attributes import attribute_choices, combination_for, plain_text
from connectors.nopcommerce.countries import code_of
from connectors.nopcommerce.entities import (
    CustomerParts,
    LineParts,
    OrderParts,
    to_order,
    without_cards,
)
from connectors.nopcommerce.families.resource import to_parts
from connectors.nopcommerce.fingerprints import fingerprint, order_fingerprint
from connectors.nopcommerce.setup import Setup
from connectors.nopcommerce.shapes import CombinationShape, OrderA, OrderBC, OrderItemShape, OrderShape, ProductShape
from connectors.nopcommerce.taxes import TaxedAmount, parse_tax_rates, share_out, snap_rate, split_by_rate

PAYLOADS = Path(__file__).parent / "payloads"
SETUP = Setup("https://shop.example", time_zone="Europe/London")
CREATED = datetime(2026, 3, 4, tzinfo=UTC)
D = Decimal


def payload(name: str) -> Any:
    return exact_json.loads((PAYLOADS / name).read_bytes())


def parts_of(header: OrderShape, lines: list[LineParts], tenders: tuple[Tender, ...] | None) -> OrderParts:
    nobody = CustomerParts(None, guest=True)
    return OrderParts(header, "1", "k", OrderStatus.PROCESSING, PaymentStatus.PAID, "", tuple(lines), nobody, tenders)


class TestRecordedPayloads:
    def test_order_of_family_a(self) -> None:
        header = OrderA.model_validate(payload("order_a.json"))
        item = OrderItemShape(id=1, product_id=9, quantity=1, price_excl_tax=D("16.66"), price_incl_tax=D("19.99"))
        order = to_order(parts_of(header, [LineParts(item, None)], ()), SETUP, "GBP")
        assert (order.gross, order.total, order.arithmetic_note) == (D("24.99"), D("24.99"), "")
        assert [(line.id, line.tax_rate) for line in order.lines] == [("1", 20), ("shipping", 20)]
        assert order.lines[0].sku == "NOP-P9"
        assert order.payments[0].reference == "CAP-1" and order.display_rate == D("1.17")
        assert "never" not in order.model_dump_json() and "never" not in repr(header)

    def test_order_of_family_b(self) -> None:
        shape = OrderBC.model_validate(payload("order_b.json")["orders"][0])
        order = to_order(to_parts(shape, {}), SETUP, "GBP")
        # 20 − 1 + 4 = 23 by the shop's formula: the tax of a negative fee is not counted. 13 remained to be paid.
        assert (order.gross, order.total, order.arithmetic_note) == (D(23), D(13), "")
        assert [(t.kind, t.amount) for t in order.tenders] == [(TenderKind.STORED_VALUE, D(10))]
        fee = next(line for line in order.lines if line.kind is LineKind.FEE)
        assert (fee.net, fee.tax) == (D(-1), D(0))
        line = order.lines[0]
        assert (line.sku, line.description) == ("SHIRT-L", "Shirt (Size: L, Colour: Navy & White)")
        assert order.payment_status is PaymentStatus.PARTIALLY_REFUNDED
        assert order.fulfilment_status == "shipping_not_required" and order.note == "Leave at: door, Ribbon: Red"
        assert order.customer.guest and order.customer.email == "jo@example.test"
        assert (order.billing_address.country_code, order.billing_address.region) == ("US", "California")
        assert order.shipping_address is None
        assert order.placed_at.isoformat() == "2014-04-25T20:15:47+00:00"


class TestTaxes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("20:16.67;   0:0;   ", {D(20): D("16.67"), D(0): D(0)}),
            ("", {}),
            ("nonsense; 5.00:1;x:y;NaN:1", {D(5): D(1)}),
            ("20:1;20.0000:2", {D(20): D(3)}),
        ],
    )
    def test_rates_text(self, text: str, expected: dict[Decimal, Decimal]) -> None:
        assert parse_tax_rates(text) == expected

    @pytest.mark.parametrize(
        ("net", "tax", "known", "expected"),
        [
            ("16.66", "3.33", ["20", "5"], "20"),
            ("0.04", "0.01", ["20", "5"], "20"),
            ("10", "0", ["20"], "0"),
            ("0", "0", ["20"], "20"),
            ("0", "0", ["20", "5"], "0"),
            ("100", "19", ["20"], "19"),
            ("100", "7.777", [], "7.78"),
        ],
    )
    def test_rate_is_snapped_to_the_orders_own_and_never_bent(
        self, net: str, tax: str, known: list[str], expected: str
    ) -> None:
        assert snap_rate(D(net), D(tax), map(D, known)) == D(expected)

    amounts = st.decimals("-10000", "10000", places=4)

    @given(amounts, st.lists(st.decimals("0", "10000", places=4), max_size=8))
    def test_shares_add_up_exactly(self, amount: Decimal, weights: list[Decimal]) -> None:
        assert sum(share_out(amount, weights), D(0)) == (amount if weights else 0)

    @given(
        amounts,
        amounts,
        st.lists(
            st.builds(
                TaxedAmount,
                st.decimals("0", "5000", places=4),
                st.decimals("0", "900", places=4),
                st.sampled_from([D(0), D(5), D(20), None]),
            ),
            max_size=8,
        ),
    )
    def test_discount_split_by_rate_adds_up_exactly(self, net: Decimal, tax: Decimal, lines: list[TaxedAmount]) -> None:
        split = split_by_rate(net, tax, lines)
        assert sum((part.net for part in split), D(0)) == net
        assert sum((part.tax for part in split), D(0)) == tax
        assert len({part.rate for part in split}) == len(split)


def round_even(amount: Decimal) -> Decimal:
    return amount.quantize(D("0.01"), ROUND_HALF_EVEN)


@st.composite
def shop_orders(draw: Any) -> tuple[OrderShape, list[LineParts], Decimal]:
    """An order built in the shop's own stages, and what gift cards or points paid of it."""
    lines, rates = [], {}
    for number in range(draw(st.integers(1, 6))):
        rate = draw(st.sampled_from([D(0), D(5), D(20)]))
        unit = draw(st.decimals("0.01", "300", places=2))
        quantity = draw(st.integers(1, 99))
        net = (unit * quantity / (1 + rate / 100)).quantize(D("0.0001"))
        incl = unit * quantity
        item = OrderItemShape(id=number + 1, product_id=1, quantity=quantity, price_excl_tax=net, price_incl_tax=incl)
        lines.append(LineParts(item, ProductShape(id=1, sku="S", name="Thing")))
        rates[rate] = rates.get(rate, D(0)) + incl - net
    rates = {rate: round_even(tax) for rate, tax in rates.items() if tax} or {D(0): D(0)}
    shipping = draw(st.decimals("0", "20", places=2))
    net = sum(line.item.price_excl_tax for line in lines)
    tax = sum(rates.values())
    before = round_even(round_even(net) + shipping + tax)
    order_discount = min(draw(st.sampled_from([D(0), D("1.5"), D(3)])), before)
    gross = round_even(before - order_discount)
    tender = min(draw(st.sampled_from([D(0), D("0.50"), D(10), D(50)])), gross)
    header = OrderShape(
        id=1,
        created_on_utc=CREATED,
        order_subtotal_excl_tax=round_even(net),
        order_subtotal_incl_tax=sum(line.item.price_incl_tax for line in lines),
        order_shipping_excl_tax=shipping,
        order_shipping_incl_tax=shipping,
        tax_rates="".join(f"{rate}:{amount};   " for rate, amount in rates.items()),
        order_tax=tax,
        order_discount=order_discount,
        order_total=gross - tender,
    )
    return header, lines, tender


@settings(max_examples=300, deadline=None)
@given(shop_orders())
def test_any_order_of_the_shop_keeps_its_sums(built: tuple[OrderShape, list[LineParts], Decimal]) -> None:
    header, lines, tender = built
    order = to_order(parts_of(header, lines, None), SETUP, "GBP")
    assert order.arithmetic_note == ""
    assert order.gross == header.order_total + tender and order.total == header.order_total
    assert sum((t.amount for t in order.tenders), D(0)) == tender
    assert sum((p.amount for p in order.payments), D(0)) + tender == order.gross
    whole = sum((line.net + line.tax for line in order.lines), D(0))
    assert abs(whole - order.gross) <= D("0.01") * len(order.lines)
    assert all(line.tax_rate in (None, 0, 5, 20) for line in order.lines)


@settings(max_examples=200, deadline=None)
@given(shop_orders(), st.decimals("0.5", "500", places=2))
def test_a_line_changed_behind_the_totals_is_noted_and_becomes_no_tender(
    built: tuple[OrderShape, list[LineParts], Decimal], more: Decimal
) -> None:
    header, lines, _ = built
    item = lines[0].item
    changed = item.model_copy(
        update={"price_excl_tax": item.price_excl_tax + more, "price_incl_tax": item.price_incl_tax + more}
    )
    order = to_order(parts_of(header, [LineParts(changed, None), *lines[1:]], None), SETUP, "GBP")
    assert order.arithmetic_note and order.tenders == ()
    assert order.gross == header.order_total


class TestArithmetic:
    HEADER = OrderShape(
        id=1,
        created_on_utc=CREATED,
        order_subtotal_excl_tax=D(10),
        order_subtotal_incl_tax=D(12),
        tax_rates="20:2;",
        order_tax=D(2),
        order_total=D(7),
    )

    def test_told_tenders_that_do_not_explain_the_total_are_noted_in_figures(self) -> None:
        told = [Tender(kind=TenderKind.GIFT_CARD, amount=D(3), reference="g")]
        sums = settle_sums(self.HEADER, [TaxedAmount(D(10), D(2), D(20))], (), told)
        assert sums.gross == 10 and "12.00" in sums.note and "10.00" in sums.note

    def test_priced_checkout_attribute_becomes_a_fee(self) -> None:
        item = OrderItemShape(id=1, product_id=1, quantity=1, price_excl_tax=D(5), price_incl_tax=D(6))
        header = self.HEADER.model_copy(
            update={"checkout_attribute_description": "Gift wrap: Yes [+&#163;6.00]", "order_total": D(12)}
        )
        order = to_order(parts_of(header, [LineParts(item, None)], None), SETUP, "GBP")
        fee = next(line for line in order.lines if line.id == "checkout-attributes")
        assert (fee.net, fee.tax, fee.tax_rate, order.arithmetic_note) == (5, 1, 20, "")

    def test_attribute_whose_price_does_not_explain_the_difference_stays_a_note(self) -> None:
        item = OrderItemShape(id=1, product_id=1, quantity=1, price_excl_tax=D(5), price_incl_tax=D(6))
        header = self.HEADER.model_copy(
            update={"checkout_attribute_description": "Gift wrap: Yes [+£1.00]", "order_total": D(12)}
        )
        order = to_order(parts_of(header, [LineParts(item, None)], None), SETUP, "GBP")
        assert order.arithmetic_note and len(order.lines) == 1


class TestTexts:
    @pytest.mark.parametrize(
        ("markup", "expected"),
        [
            ("Size: L<br />Colour: <b>Navy &amp; White</b>", "Size: L, Colour: Navy & White"),
            ("<p>one</p><p>two</p>", "one, two"),
            ("  plain ", "plain"),
            ("<script>x</script>&lt;b&gt;", "x<b>"),
        ],
    )
    def test_markup_is_stripped(self, markup: str, expected: str) -> None:
        assert plain_text(markup) == expected

    @pytest.mark.parametrize(
        ("name", "code"),
        [("United Kingdom", "GB"), ("Côte d'Ivoire", "CI"), ("cote d’ivoire", "CI"), ("Türkiye", "TR"), ("Narnia", "")],
    )
    def test_country_names(self, name: str, code: str) -> None:
        assert code_of(name) == code

    def test_attributes_with_entities_are_not_expanded(self) -> None:
        inside = '<ProductAttribute ID="1"><Value>&b;</Value></ProductAttribute>'
        bomb = f'<!DOCTYPE a [<!ENTITY b "x">]><Attributes>{inside}</Attributes>'
        assert attribute_choices(bomb) == frozenset() == attribute_choices("<broken")

    def test_no_combination_fits_a_line_without_attributes(self) -> None:
        item = OrderItemShape(id=1, product_id=1)
        assert combination_for(item, [CombinationShape(id=1, sku="X", attributes_xml="")]) is None


def test_card_members_are_emptied_and_told() -> None:
    assert without_cards({"id": 1, "card_number": "4111", "card_name": ""}) == (
        {"id": 1, "card_number": None, "card_name": ""},
        True,
    )
    assert without_cards({"id": 1, "card_number": None})[1] is False


def test_fingerprint_sees_amounts_and_not_their_places() -> None:
    assert fingerprint(D("5.0000"), None) == fingerprint(D("5"), None) != fingerprint(D("5.01"), None)
    header = OrderA.model_validate(payload("order_a.json"))
    assert order_fingerprint(header) != order_fingerprint(header.model_copy(update={"refunded_amount": D(1)}))
