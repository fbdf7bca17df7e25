"""Writes: they land once, compare before and after, and blank nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.base.actions import Once, Verdict, WriteAction
from connectors.base.errors import OutcomeUnknown, Rejected
from connectors.base.records import Address, Customer, OrderStatus
from connectors.nopcommerce.actions import ACTIONS
from connectors.nopcommerce.manifest import CONNECTOR
from tests.connectors.nopcommerce.shops import Facing, Shop

FAMILIES = ["A", "B", "C"]
WRITES = [action for action in ACTIONS if issubclass(action, WriteAction)]


def run(shop: Shop, family: str, action: str, settings: dict[str, Any] | None = None, **given: Any) -> Any:
    return shop.face(family, lambda facing: facing.run(action, **given), **(settings or {}))


def writes_sent(shop: Shop) -> list[str]:
    return [s.operation for s in shop.sent if s.reply.effect == "write" and s.operation != "POST /api/token"]


def stock(shop: Shop, sku: str) -> int:
    return next(entry["stock"] for entry in shop.control("GET", "catalogue") if entry["code"] == sku)


@pytest.mark.parametrize("action", WRITES, ids=lambda action: action.key)
class TestEveryWrite:
    def test_it_declares_how_it_happens_once(self, action: type[WriteAction]) -> None:
        assert isinstance(action.once, Once) and action.settle_seconds > 0 and action.timeout_seconds > 0

    def test_settle_seconds_can_be_lowered_by_the_connection(self, shop: Shop, action: type[WriteAction]) -> None:
        async def settle(facing: Facing) -> float:
            return action().settle(facing.ctx)

        assert shop.face("A", settle) == 120
        assert shop.face("A", settle, settle_seconds="3") == 3


class TestOrderStatus:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_it_reaches_the_status_and_keeps_the_rest(self, shop: Shop, family: str) -> None:
        before = shop.order()
        result = run(shop, family, "set_order_status", order_id=str(before["id"]), status="complete")
        after = shop.control("GET", f"orders/{before['id']}")
        assert (result.status, result.changed) == (OrderStatus.COMPLETE, True)
        assert after["order_status"] == "Complete"
        kept = {name for name in before if name not in ("order_status", "order_status_id", "notes")}
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}

    @pytest.mark.parametrize("family", FAMILIES)
    def test_equal_status_writes_nothing(self, shop: Shop, family: str) -> None:
        placed = shop.order()
        result = run(shop, family, "set_order_status", order_id=str(placed["id"]), status="pending")
        assert not result.changed and writes_sent(shop) == []

    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("wanted", ["pending", "processing", "complete"])
    def test_cancelled_order_is_left_alone(self, shop: Shop, family: str, wanted: str) -> None:
        placed = shop.order()
        shop.control("POST", f"orders/{placed['id']}/cancel")
        result = run(shop, family, "set_order_status", order_id=str(placed["id"]), status=wanted)
        assert (result.status, result.changed) == (OrderStatus.CANCELLED, False) and writes_sent(shop) == []

    def test_family_a_cancels_through_the_shops_own_processing(self, shop: Shop) -> None:
        before = stock(shop, "SKU-002")
        placed = shop.order()
        run(shop, "A", "set_order_status", order_id=str(placed["id"]), status="cancelled")
        assert stock(shop, "SKU-002") == before
        assert writes_sent(shop) == ["GET OrderProcessing/CancelOrder"]

    def test_stored_card_data_is_never_sent_back_nor_wiped(self, shop: Shop) -> None:
        placed = shop.order()
        shop.standin.shop.orders.get(placed["id"]).masked_credit_card_number = "encrypted"
        with pytest.raises(Rejected) as caught:
            run(shop, "A", "set_order_status", order_id=str(placed["id"]), status="complete")
        assert caught.value.code == "card_data_stored" and writes_sent(shop) == []

    def test_unknown_order_is_refused(self, shop: Shop) -> None:
        with pytest.raises(Rejected):
            run(shop, "A", "set_order_status", order_id="4711", status="complete")


class TestNotes:
    def test_repeat_finds_the_first_note(self, shop: Shop) -> None:
        placed = shop.order()
        given = {"order_id": str(placed["id"]), "text": "Invoice 17", "reference": "effect-1"}

        async def twice(facing: Facing) -> Any:
            action = CONNECTOR.action("add_order_note")()
            data = action.input.model_validate(given)
            assert await action.find(facing.ctx, data) is None
            made = await action.write(facing.ctx, data)
            found = await action.find(facing.ctx, data)
            changed = await action.find(facing.ctx, data.model_copy(update={"text": "Invoice 18"}))
            return made, found, changed

        made, found, changed = shop.face("A", twice)
        assert (found.verdict, found.external_id) == (Verdict.SAME, made.id)
        assert changed.verdict is Verdict.CHANGED and changed.why
        notes = shop.control("GET", f"orders/{placed['id']}")["notes"]
        assert sum("Invoice 17" in note for note in notes) == 1

    @pytest.mark.parametrize("family", ["B", "C"])
    def test_other_families_say_that_they_cannot(self, shop: Shop, family: str) -> None:
        with pytest.raises(Rejected) as caught:
            run(shop, family, "add_order_note", order_id="1", text="x", reference="r")
        assert caught.value.code == "not_supported" and caught.value.cure


class TestStock:
    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("target", [0, 7, 5000])
    def test_it_reaches_the_quantity_whatever_it_was(self, shop: Shop, family: str, target: int) -> None:
        level = run(shop, family, "set_stock", sku="SKU-002", quantity=target, reference="r")
        assert level.quantity == target == stock(shop, "SKU-002")

    @pytest.mark.parametrize("family", FAMILIES)
    def test_equal_quantity_writes_nothing(self, shop: Shop, family: str) -> None:
        run(shop, family, "set_stock", sku="SKU-002", quantity=stock(shop, "SKU-002"), reference="r")
        assert writes_sent(shop) == []

    @pytest.mark.parametrize(("sku", "target"), [("TEE-M", 31), ("CHAIR-W", 70), ("CHAIR-W", 130)])
    def test_family_a_reaches_combinations_and_warehouses(self, shop: Shop, sku: str, target: int) -> None:
        assert run(shop, "A", "set_stock", sku=sku, quantity=target, reference="r").quantity == target
        assert stock(shop, sku) == target
        assert stock(shop, "TEE-S") == 120

    def test_repeat_does_not_undo_sales_made_in_between(self, shop: Shop) -> None:
        run(shop, "A", "set_stock", sku="SKU-002", quantity=50, reference="effect-1")
        shop.order(lines=[{"sku": "SKU-002", "quantity": 3}])
        level = run(shop, "A", "set_stock", sku="SKU-002", quantity=50, reference="effect-1")
        assert level.quantity == 47 == stock(shop, "SKU-002")
        assert run(shop, "A", "set_stock", sku="SKU-002", quantity=50, reference="effect-2").quantity == 50

    def test_lost_answer_then_repeat_is_one_change(self, shop: Shop) -> None:
        shop.faults({"kind": "cut_after", "operations": ["*AdjustInventory*"], "times": 1})
        with pytest.raises(OutcomeUnknown):
            run(shop, "A", "set_stock", sku="SKU-002", quantity=9, reference="r")
        assert run(shop, "A", "set_stock", sku="SKU-002", quantity=9, reference="r").quantity == 9
        assert writes_sent(shop).count("POST Product/AdjustInventory") <= 1
        assert stock(shop, "SKU-002") == 9

    @pytest.mark.parametrize("family", ["B", "C"])
    def test_combinations_are_out_of_reach_there(self, shop: Shop, family: str) -> None:
        with pytest.raises(Rejected) as caught:
            run(shop, family, "set_stock", sku="TEE-M", quantity=3, reference="r")
        assert caught.value.code == "not_supported"

    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize(("sku", "code"), [("NOPE", "unknown_sku"), ("WRAP", "stock_not_managed")])
    def test_refusals_name_the_cure(self, shop: Shop, family: str, sku: str, code: str) -> None:
        with pytest.raises(Rejected) as caught:
            run(shop, family, "set_stock", sku=sku, quantity=3, reference="r")
        assert caught.value.code == code and caught.value.cure

    @pytest.mark.parametrize("family", ["B", "C"])
    def test_the_put_holds_only_what_is_needed(self, shop: Shop, family: str) -> None:
        run(shop, family, "set_stock", sku="SKU-002", quantity=3, reference="r")
        (put,) = [call for call in shop.sent if call.method == "PUT"]
        assert set(put.json["product"]) == {"id", "stock_quantity"}

    def test_preview_says_what_would_change(self, shop: Shop) -> None:
        async def foresee(facing: Facing) -> list[str]:
            action = CONNECTOR.action("set_stock")()
            return await action.foresee(facing.ctx, action.input(sku="SKU-002", quantity=3, reference="r"))

        assert shop.face("A", foresee) == [f"Stock of SKU-002 in the shop: {stock(shop, 'SKU-002')} → 3"]


@pytest.mark.parametrize("family", FAMILIES)
class TestProducts:
    def test_read_by_sku_and_by_number(self, shop: Shop, family: str) -> None:
        product = run(shop, family, "get_product", sku=" SKU-002 ")
        assert product.sku == "SKU-002" and product.quantity == stock(shop, "SKU-002") and product.currency == "GBP"
        assert run(shop, family, "get_product_by_id", product_id=product.source_id) == product
        assert run(shop, family, "get_product", sku="NOPE") is None

    def test_sku_shared_by_two_means_the_lower_id(self, shop: Shop, family: str) -> None:
        assert run(shop, family, "get_product", sku="DUP-1").name == "Blue bowl"

    def test_price_changes_and_the_rest_stays(self, shop: Shop, family: str) -> None:
        before = run(shop, family, "get_product", sku="SKU-002")
        after = run(shop, family, "upsert_product", sku="SKU-002", price=Decimal("12.3456"))
        assert after == before.model_copy(update={"price": Decimal("12.3456")})

    def test_equal_values_write_nothing(self, shop: Shop, family: str) -> None:
        present = run(shop, family, "get_product", sku="SKU-002")
        run(shop, family, "upsert_product", sku="SKU-002", name=present.name, price=present.price)
        assert writes_sent(shop) == []

    def test_missing_one_is_created_only_when_asked_and_once(self, shop: Shop, family: str) -> None:
        given = {"sku": "NEW-1", "name": "New thing", "price": Decimal("4.50")}
        with pytest.raises(Rejected):
            run(shop, family, "upsert_product", **given)
        first = run(shop, family, "upsert_product", create_missing=True, **given)
        second = run(shop, family, "upsert_product", create_missing=True, **given)
        assert first.source_id == second.source_id and first.price == Decimal("4.50")
        assert sum(p["sku"] == "NEW-1" for p in shop.control("GET", "state")["products"]) == 1


WANTED = Customer(
    email="Jo@Example.Test",
    first_name="Jo",
    last_name="Tester",
    company="Tester & Co",
    phone="0123",
    address=Address(recipient="Jo Tester", line1="5 New Road", city="Leeds", postcode="LS2 2BB", country_code="GB"),
)


class TestCustomers:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_missing_one_is_created_only_with_the_setting(self, shop: Shop, family: str) -> None:
        given = {"customer": WANTED.model_dump()}
        with pytest.raises(Rejected) as caught:
            run(shop, family, "upsert_customer", **given)
        assert caught.value.code == "customer_missing" and caught.value.cure
        ref = run(shop, family, "upsert_customer", {"create_customers": "true"}, **given)
        assert ref.created
        customers = [c for c in shop.control("GET", "state")["customers"] if c["email"] == "jo@example.test"]
        assert len(customers) == 1 and not customers[0]["is_guest"]
        known = run(shop, family, "get_customer", customer_id=ref.id)
        assert (known.first_name, known.last_name, known.address.line1) == ("Jo", "Tester", "5 New Road")

    @pytest.mark.parametrize("family", FAMILIES)
    def test_what_is_empty_stays(self, shop: Shop, family: str) -> None:
        before = run(shop, family, "get_customer", customer_id="3")
        changed = Customer(email=before.email, address=Address(line1="6 Other Road"))
        run(shop, family, "upsert_customer", customer=changed.model_dump())
        after = run(shop, family, "get_customer", customer_id="3")
        assert after.address.line1 == "6 Other Road"
        assert after.address.city == before.address.city and after.address.country_code == before.address.country_code
        assert (after.first_name, after.company, after.phone) == (before.first_name, before.company, before.phone)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_a_repeat_finds_the_wanted_state(self, shop: Shop, family: str) -> None:
        async def twice(facing: Facing) -> Any:
            action = CONNECTOR.action("upsert_customer")()
            before = await facing.run("get_customer", customer_id="3")
            wanted = before.model_copy(update={"last_name": "Newname"})
            data = action.input(customer=wanted)
            assert await action.find(facing.ctx, data) is None
            await action.write(facing.ctx, data)
            return await action.find(facing.ctx, data)

        assert shop.face(family, twice).verdict is Verdict.SAME

    def test_without_e_mail_nobody_can_be_found(self, shop: Shop) -> None:
        with pytest.raises(Rejected) as caught:
            run(shop, "A", "upsert_customer", customer=Customer(first_name="Jo").model_dump())
        assert caught.value.code == "email_missing"
