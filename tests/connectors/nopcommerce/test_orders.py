"""Orders as each family tells them, against what the stand-in says the books ought to show."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.base.errors import Rejected
from connectors.base.records import LineKind, OrderStatus, PaymentStatus, TenderKind
from tests.connectors.nopcommerce.shops import Shop

FAMILIES = ["A", "B", "C"]
WHOLE = {
    "customer": {"id": 3},
    "lines": [{"sku": "SKU-002", "quantity": 3}, {"sku": "SKU-003", "quantity": 1}, {"sku": "SKU-001", "quantity": 2}],
    "subtotal_discount": "7.50",
    "order_discount": "3.00",
    "payment_fee": "1.20",
    "paid": True,
}


def get(shop: Shop, family: str, order_id: int):
    return shop.face(family, lambda facing: facing.run("get_order", order_id=str(order_id)))


def sum_of(lines) -> Decimal:
    return sum((line.net + line.tax for line in lines), Decimal(0))


@pytest.mark.parametrize("family", FAMILIES)
class TestEveryFamily:
    def test_gross_and_tax_per_rate_are_the_shops(self, shop: Shop, family: str) -> None:
        placed = shop.order(**WHOLE)
        order = get(shop, family, placed["id"])
        truth = placed["truth"]
        assert order.arithmetic_note == ""
        assert order.gross == Decimal(truth["gross"])
        assert abs(sum_of(order.lines) - order.gross) <= Decimal("0.01") * len(order.lines)
        stated = {total.rate: total.tax for total in order.taxes}
        for rate, amounts in truth["by_rate"].items():
            of_rate = [line for line in order.lines if line.tax_rate == Decimal(rate)]
            assert abs(sum(line.net for line in of_rate) - Decimal(amounts["net"])) <= Decimal("0.01")
            assert abs(sum(line.tax for line in of_rate) - Decimal(amounts["vat"])) <= Decimal("0.01")
            assert stated.get(Decimal(rate), 0) == Decimal(amounts["vat"])

    def test_order_discount_after_tax_is_a_line_without_tax(self, shop: Shop, family: str) -> None:
        order = get(shop, family, shop.order(**WHOLE)["id"])
        line = next(line for line in order.lines if line.id == "order-discount")
        assert (line.kind, line.net, line.tax) == (LineKind.DISCOUNT, Decimal("-3"), 0)

    def test_paid_order_has_one_payment_of_the_total(self, shop: Shop, family: str) -> None:
        placed = shop.order(**WHOLE)
        order = get(shop, family, placed["id"])
        assert order.payment_status is PaymentStatus.PAID
        (payment,) = order.payments
        assert payment.amount == order.total == Decimal(placed["order_total"]).quantize(Decimal("0.01"))
        assert payment.currency == order.currency == "GBP"

    def test_unpaid_order_has_no_payment(self, shop: Shop, family: str) -> None:
        assert get(shop, family, shop.order()["id"]).payments == ()

    def test_gift_card_and_points_are_tenders_and_gross_is_before_them(self, shop: Shop, family: str) -> None:
        shop.control("PATCH", "customers/3", {"reward_points": 300})
        placed = shop.order(**{**WHOLE, "gift_cards": [{"code": "WELCOME-50"}], "reward_points": 200, "paid": False})
        order = get(shop, family, placed["id"])
        assert order.gross == Decimal(placed["truth"]["gross"])
        assert order.gross - sum(tender.amount for tender in order.tenders) == order.total
        kinds = {tender.kind for tender in order.tenders}
        expected = {TenderKind.GIFT_CARD, TenderKind.REWARD_POINTS} if family == "A" else {TenderKind.STORED_VALUE}
        assert kinds == expected and order.arithmetic_note == ""

    def test_guest_is_known_by_the_e_mail_of_the_billing_address(self, shop: Shop, family: str) -> None:
        placed = shop.order(customer={"guest": True, "email": "Jo@Example.Test", "first_name": "Jo"})
        order = get(shop, family, placed["id"])
        assert order.customer.guest and order.customer.source_id == ""
        assert order.customer.email == "jo@example.test" and order.customer.first_name == "Jo"

    def test_addresses_carry_iso_codes(self, shop: Shop, family: str) -> None:
        order = get(shop, family, shop.order(customer={"id": 5})["id"])
        assert order.billing_address.country_code == "DE" and order.billing_address.postcode == "50667"

    def test_null_country_is_no_obstacle(self, shop: Shop, family: str) -> None:
        shop.settings(null_country=True)
        address = get(shop, family, shop.order()["id"]).billing_address
        assert address.country_code == "" and address.city

    def test_combination_lends_its_sku(self, shop: Shop, family: str) -> None:
        order = get(shop, family, shop.order(lines=[{"sku": "TEE-L", "quantity": 2}])["id"])
        line = order.lines[0]
        assert line.sku == "TEE-L" and line.quantity == 2
        assert "<" not in line.description and line.description.startswith("Harbour T-shirt")

    def test_article_without_sku_and_sold_gift_card(self, shop: Shop, family: str) -> None:
        nameless = next(p for p in shop.control("GET", "state")["products"] if not p["sku"])
        lines = [{"product_id": nameless["id"], "quantity": 1}, {"sku": "GIFT-25", "quantity": 1}]
        order = get(shop, family, shop.order(lines=lines)["id"])
        assert order.lines[0].sku == f"NOP-P{nameless['id']}"
        assert order.lines[1].kind is LineKind.GIFT_CARD_SALE

    def test_deleted_product_keeps_the_line(self, shop: Shop, family: str) -> None:
        placed = shop.order()
        product_id = placed["lines"][0]["product_id"]
        shop.control("PATCH", f"products/{product_id}", {"deleted": True})
        line = get(shop, family, placed["id"]).lines[0]
        assert line.sku in ("SKU-002", f"NOP-P{product_id}") and line.net > 0

    def test_refund_is_cumulative_and_statuses_follow(self, shop: Shop, family: str) -> None:
        placed = shop.order(paid=True)
        shop.control("POST", f"orders/{placed['id']}/refund", {"amount": "4.00"})
        order = get(shop, family, placed["id"])
        assert order.refunded_total == 4 and order.payment_status is PaymentStatus.PARTIALLY_REFUNDED
        assert order.payments[0].amount == order.total

    def test_edit_without_new_totals_is_noted_with_figures_and_no_tender_is_invented(
        self, shop: Shop, family: str
    ) -> None:
        placed = shop.order()
        shop.settings(update_totals_on_edit=False)
        shop.control("POST", f"orders/{placed['id']}/edit", {"lines": [{"sku": "SKU-002", "quantity": 9}]})
        order = get(shop, family, placed["id"])
        assert order.tenders == () and order.gross == Decimal(placed["truth"]["gross"])
        assert "the lines come to" in order.arithmetic_note and any(c.isdigit() for c in order.arithmetic_note)

    def test_day_is_the_shops_own(self, shop: Shop, family: str) -> None:
        placed = shop.order(created_at="2026-06-30T23:30:00Z")
        assert str(get(shop, family, placed["id"]).placed_date) == "2026-07-01"

    def test_unknown_order_is_none_and_odd_ids_are_refused(self, shop: Shop, family: str) -> None:
        assert get(shop, family, 987654) is None
        with pytest.raises(Rejected):
            shop.face(family, lambda facing: facing.run("get_order", order_id="1/../../Customer"))

    def test_random_orders_add_up(self, shop: Shop, family: str) -> None:
        placed = [shop.control("POST", "orders/random", {}) for _ in range(25)]

        async def all_of_them(facing):
            return [await facing.run("get_order", order_id=str(each["id"])) for each in placed]

        for told, order in zip(placed, shop.face(family, all_of_them), strict=True):
            assert (order.gross, order.arithmetic_note) == (Decimal(told["truth"]["gross"]), "")
            skus = {line.sku for line in order.lines if line.kind in (LineKind.PRODUCT, LineKind.GIFT_CARD_SALE)}
            assert skus == set(told["truth"]["by_sku"])


def test_family_a_tells_number_and_guid(shop: Shop) -> None:
    shop.settings(order_number_mask="S-{YYYY}-{ID}")
    placed = shop.order()
    order = get(shop, "A", placed["id"])
    assert order.number == placed["custom_order_number"] and order.external_key == placed["order_guid"]


def test_family_a_reads_parts_once_and_remembers_slow_facts(shop: Shop) -> None:
    ids = [shop.order()["id"] for _ in range(2)]

    async def both(facing):
        await facing.run("get_order", order_id=str(ids[0]))
        first = len(facing.sent)
        await facing.run("get_order", order_id=str(ids[1]))
        return facing.operations()[first:]

    # Each order has its own two copies of the addresses; customer, product and countries are remembered.
    assert sorted(shop.face("A", both)) == [
        "GET Address/GetById",
        "GET Address/GetById",
        "GET Order/GetById",
        "GET OrderItem/GetOrderItems",
    ]


def test_card_members_reach_neither_record_nor_shape(shop: Shop) -> None:
    from connectors.nopcommerce.shapes import OrderA, OrderBC

    names = {*OrderA.model_fields, *OrderBC.model_fields}
    assert not {name for name in names if "card" in name or "cvv" in name}


@pytest.mark.parametrize("family", FAMILIES)
def test_cancelled_order_says_so(shop: Shop, family: str) -> None:
    placed = shop.order()
    shop.control("POST", f"orders/{placed['id']}/cancel")
    assert get(shop, family, placed["id"]).status is OrderStatus.CANCELLED
