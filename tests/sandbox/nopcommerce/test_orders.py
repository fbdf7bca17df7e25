"""Order processing: rules with their texts, status automation, refunds, stock, tenders, numbers."""

from typing import Any

import pytest

from .conftest import ShopUnderTest


def act(shop: ShopUnderTest, order: dict[str, Any], action: str, **body: Any) -> dict[str, Any]:
    return shop.control("POST", f"orders/{order['id']}/{action}", body)


def refused(shop: ShopUnderTest, path: str, body: Any = None) -> str:
    answer = shop.http.post(f"/control/{path}", json=body or {})
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


def test_stock_goes_down_when_the_order_is_placed(shop: ShopUnderTest) -> None:
    before = shop.stock("SKU-002")
    order = shop.order(paid=False)
    assert shop.stock("SKU-002") == before - 2
    act(shop, order, "pay")
    assert shop.stock("SKU-002") == before - 2


@pytest.mark.parametrize("action", ["cancel", "delete"])
def test_cancel_and_delete_give_stock_back_once(shop: ShopUnderTest, action: str) -> None:
    before = shop.stock("SKU-002")
    order = shop.order()
    act(shop, order, action)
    assert shop.stock("SKU-002") == before
    if action == "cancel":
        act(shop, order, "delete")
        assert shop.stock("SKU-002") == before


def test_refunds_never_put_stock_back(shop: ShopUnderTest) -> None:
    order = shop.order(paid=True)
    left = shop.stock("SKU-002")
    act(shop, order, "refund")
    assert shop.stock("SKU-002") == left


def test_paid_and_delivered_makes_it_complete_and_a_later_refund_leaves_that(shop: ShopUnderTest) -> None:
    order = shop.order(paid=False)
    assert order["order_status"] == "Pending"
    assert act(shop, order, "pay")["order_status"] == "Processing"
    assert act(shop, order, "ship")["order_status"] == "Processing"
    assert act(shop, order, "deliver")["order_status"] == "Complete"
    refunded = act(shop, order, "refund")
    assert (refunded["order_status"], refunded["payment_status"]) == ("Complete", "Refunded")


def test_shipped_is_enough_when_the_shop_says_so(shop: ShopUnderTest) -> None:
    shop.settings(complete_when_delivered=False)
    order = shop.order(paid=True)
    assert act(shop, order, "ship")["order_status"] == "Complete"


def test_shipping_an_unpaid_order_starts_processing(shop: ShopUnderTest) -> None:
    assert act(shop, shop.order(paid=False), "ship")["order_status"] == "Processing"


def test_partial_refunds_add_up_and_stop_at_the_total(shop: ShopUnderTest) -> None:
    order = shop.order(paid=True)
    total = float(order["order_total"])
    part = act(shop, order, "refund", amount="10.00")
    assert (part["payment_status"], part["refunded_amount"]) == ("PartiallyRefunded", "10.0000")
    text = refused(shop, f"orders/{order['id']}/refund", {"amount": f"{total:.2f}"})
    assert text == "You can't partially refund (offline) this order"
    assert refused(shop, f"orders/{order['id']}/refund") == "You can't refund this order"
    rest = act(shop, order, "refund", amount=f"{total - 10:.2f}")
    assert rest["payment_status"] == "Refunded"
    assert "Order has been marked as partially refunded. Amount = 10.00" in rest["notes"]


def test_rules_refuse_with_the_texts_of_the_core(shop: ShopUnderTest) -> None:
    order = shop.order(paid=True)
    assert refused(shop, f"orders/{order['id']}/pay") == "You can't mark this order as paid"
    act(shop, order, "cancel")
    assert refused(shop, f"orders/{order['id']}/cancel") == "Cannot do cancel for order."


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"lines": []}, "Cart is empty"),
        ({"customer": {"guest": True, "email": "nonsense"}}, "Email is not valid"),
        ({"payment_method": "Payments.Unknown"}, "Payment method is not active"),
        ({"lines": [{"sku": "SKU-001", "quantity": 1, "unit_price": "-1"}]}, "Order total couldn't be calculated"),
    ],
)
def test_an_order_that_breaks_a_rule_is_not_placed(shop: ShopUnderTest, spec: dict[str, Any], text: str) -> None:
    defaults = {"customer": {"id": 2}, "lines": [{"sku": "SKU-001", "quantity": 1}]}
    assert refused(shop, "orders", {**defaults, **spec}) == text
    assert shop.control("GET", "state")["orders"] == []


def test_guests_need_the_setting(shop: ShopUnderTest) -> None:
    shop.settings(anonymous_checkout=False)
    spec = {"customer": {"guest": True, "email": "g@x.test"}, "lines": [{"sku": "SKU-001", "quantity": 1}]}
    assert refused(shop, "orders", spec) == "Anonymous checkout is not allowed"


def test_an_order_paid_by_gift_card_alone_has_no_method_and_is_paid(shop: ShopUnderTest) -> None:
    order = shop.order(gift_cards=[{"code": "BIG", "amount": "500"}])
    assert order["order_total"] == "0.0000"
    assert (order["payment_status"], order["payment_method_system_name"]) == ("Paid", None)
    assert order["truth"]["tenders"]["gift_cards"] == order["gift_card_usage"][0]["used_value"]
    assert order["truth"]["gross"] == f"{float(order['gift_card_usage'][0]['used_value']):.2f}"


def test_points_reduce_the_total_and_come_back_on_cancel(shop: ShopUnderTest) -> None:
    order = shop.order(reward_points=300)
    assert order["reward_points_entry"]["used_amount"] == "3.0000"
    assert order["truth"]["tenders"]["reward_points"] == "3.0000"
    act(shop, order, "cancel")
    entries = [e["points"] for e in shop.control("GET", "state")["reward_points"] if e["customer_id"] == 2]
    assert sum(entries) == 5000 and -300 in entries


def test_gift_cards_sold_become_active_with_the_complete_order(shop: ShopUnderTest) -> None:
    order = shop.order(lines=[{"sku": "GIFT-25", "quantity": 2}], paid=False)
    assert order["shipping_status"] == "ShippingNotRequired"

    def cards() -> list[bool]:
        item = order["lines"][0]["id"]
        state = shop.control("GET", "state")
        return [c["is_gift_card_activated"] for c in state["gift_cards"] if c["purchased_with_order_item_id"] == item]

    assert cards() == [False, False]
    assert act(shop, order, "pay")["order_status"] == "Complete"
    assert cards() == [True, True]


def test_combination_and_warehouse_stock(shop: ShopUnderTest) -> None:
    order = shop.order(lines=[{"sku": "TEE-L", "quantity": 3}, {"sku": "CHAIR-W", "quantity": 45}])
    state = shop.control("GET", "state")
    assert next(c["stock_quantity"] for c in state["combinations"] if c["sku"] == "TEE-L") == 117
    assert order["lines"][0]["attribute_description"] == "Size: L<br />Colour: Navy"
    assert sum(w["reserved_quantity"] for w in state["warehouse_stock"]) == 45
    assert sum(w["stock_quantity"] for w in state["warehouse_stock"]) == 100
    act(shop, order, "ship")
    assert sum(w["stock_quantity"] for w in shop.control("GET", "state")["warehouse_stock"]) == 55


def test_editing_moves_stock_and_totals_only_if_set(shop: ShopUnderTest) -> None:
    before = shop.stock("SKU-002")
    order = shop.order()
    shop.settings(update_totals_on_edit=False)
    edited = act(shop, order, "edit", lines=[{"sku": "SKU-002", "quantity": 1}])
    assert edited["order_total"] == order["order_total"] and edited["lines"][0]["quantity"] == 1
    assert shop.stock("SKU-002") == before - 1
    shop.settings(update_totals_on_edit=True)
    edited = act(shop, order, "edit", lines=[{"sku": "SKU-002", "quantity": 1}, {"sku": "SKU-004", "quantity": 1}])
    lines = sum(float(line["price_incl_tax"]) for line in edited["lines"])
    assert float(edited["order_total"]) == pytest.approx(lines + 5, abs=0.01)


def test_number_mask(shop: ShopUnderTest) -> None:
    shop.settings(order_number_mask="{YYYY}{MM}-{ID}")
    order = shop.order(created_at="2026-02-03T10:00:00Z", paid=True)
    assert order["custom_order_number"] == f"202602-{order['id']}"
    assert order["paid_date_utc"] == "2026-02-03T10:00:00+00:00"


def test_guests_have_their_email_on_the_billing_address_only(shop: ShopUnderTest) -> None:
    order = shop.order(customer={"guest": True, "email": "guest@x.test", "first_name": "G"})
    customer = next(c for c in shop.control("GET", "state")["customers"] if c["id"] == order["customer_id"])
    assert customer["email"] is None and customer["is_guest"]
    assert order["billing_address"]["email"] == "guest@x.test"


def test_eu_business_with_a_vat_number_pays_no_tax(shop: ShopUnderTest) -> None:
    buyer = {"email": "buyer@firma.test", "company": "Firma", "vat_number": "DE123456789", "address": {"country": "DE"}}
    order = shop.order(customer=buyer)
    assert (order["order_tax"], order["tax_rates"], order["vat_number"]) == ("0.0000", "0:0;   ", "DE123456789")


def test_truth_adds_up(shop: ShopUnderTest) -> None:
    skus = [{"sku": f"SKU-{n:03d}", "quantity": n % 3 + 1} for n in range(1, 9)]
    order = shop.order(lines=skus, subtotal_discount="10", order_discount="3", gift_cards=[{"amount": "5"}], paid=True)
    truth = order["truth"]
    parts = sum(float(rate["net"]) + float(rate["vat"]) for rate in truth["by_rate"].values())
    assert abs(float(truth["gross"]) + 3 - parts - float(truth["rounding"])) < 0.0001
    assert abs(float(truth["rounding"])) < 0.03
    assert sum(map(float, truth["tenders"].values())) == pytest.approx(float(truth["gross"]))
    assert truth["by_sku"]["SKU-002"]["quantity"] == 3
