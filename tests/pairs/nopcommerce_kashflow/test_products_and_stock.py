"""N3 and N6: products, prices and stock in both directions. Each test uses products of its own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from zeep import Client

from demo.http import call
from tests.pairs.nopcommerce_kashflow.world import CHEQUE, PAYPAL

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", params=["B", "A"])
def world(request, worlds):
    with worlds(family=request.param) as made:
        made.settle()
        yield made


def ledger_stock(world, code, quantity, **fields):
    """As a bookkeeper does in KashFlow's own pages; over the stand-in's SOAP service."""
    soap = Client(f"{world.ledger}/api/service.asmx?WSDL").service
    row = soap.GetSubProductByCode("demo", "demo-password", code)["GetSubProductByCodeResult"]
    for name, value in {"QtyInStock": quantity, **fields}.items():
        setattr(row, name, value)
    assert soap.AddOrUpdateSubProduct("demo", "demo-password", row)["Status"] == "OK"


def combination(world, sku):
    return next(row for row in call("GET", f"{world.shop}/control/state")["combinations"] if row["sku"] == sku)


def everything(world):
    """Poll, then work; family A hears of orders only this way."""
    world.poll()
    world.settle()


def test_stock_changed_in_the_ledger_is_shown_in_the_shop(world):
    ledger_stock(world, "SKU-002", 77)
    everything(world)
    assert world.shop_product("SKU-002")["stock_quantity"] == 77


def test_combination_has_its_own_stock_where_the_plug_in_offers_it(world):
    if "A" not in call("GET", f"{world.shop}/control/settings")["families"]:
        pytest.skip("plug-in B offers no stock of combinations")
    ledger_stock(world, "TEE-M", 33)
    others = [combination(world, sku)["stock_quantity"] for sku in ("TEE-S", "TEE-L")]
    everything(world)
    assert combination(world, "TEE-M")["stock_quantity"] == 33
    assert [combination(world, sku)["stock_quantity"] for sku in ("TEE-S", "TEE-L")] == others


def test_sale_lowers_the_ledger_stock_and_leaves_both_sides_equal(world):
    before = world.ledger_product("SKU-003")["qty_in_stock"]
    world.order(lines=[{"sku": "SKU-003", "quantity": 4}])
    everything(world)
    assert world.ledger_product("SKU-003")["qty_in_stock"] == before - 4
    assert world.shop_product("SKU-003")["stock_quantity"] == before - 4


def test_order_that_is_not_invoiced_yet_is_not_sold_twice(world):
    """C24: an unpaid order has lowered the shop's stock already, the ledger does not know of it."""
    order = world.order(lines=[{"sku": "SKU-004", "quantity": 5}], payment_method=PAYPAL, paid=False)
    everything(world)
    ledger_stock(world, "SKU-004", 50)
    everything(world)
    assert world.documents(order) == {}
    assert world.shop_product("SKU-004")["stock_quantity"] == 45
    world.act(order, "pay")
    everything(world)
    assert world.ledger_product("SKU-004")["qty_in_stock"] == 45
    assert world.shop_product("SKU-004")["stock_quantity"] == 45


def test_cancelled_order_puts_its_goods_back_on_both_sides(world):
    before = world.ledger_product("SKU-005")["qty_in_stock"]
    order = world.order(lines=[{"sku": "SKU-005", "quantity": 6}], payment_method=CHEQUE, paid=False)
    everything(world)
    assert world.ledger_product("SKU-005")["qty_in_stock"] == before - 6
    world.act(order, "cancel")
    everything(world)
    everything(world)  # the credit note's own change of stock is seen by the next poll
    assert world.ledger_product("SKU-005")["qty_in_stock"] == before
    assert world.shop_product("SKU-005")["stock_quantity"] == before


def test_sku_table_joins_a_sku_with_another_code(world):
    world.set(sku_table={"SKU-006": "SKU-007"})
    before = world.ledger_product("SKU-007")["qty_in_stock"]
    order = world.order(lines=[{"sku": "SKU-006", "quantity": 2}])
    everything(world)
    everything(world)
    world.set()
    assert [line["product_code"] for line in world.invoice(order)["lines"]][:1] == ["SKU-007"]
    assert world.ledger_product("SKU-007")["qty_in_stock"] == before - 2
    assert world.shop_product("SKU-006")["stock_quantity"] == before - 2


@pytest.mark.parametrize(("mode", "listed", "net"), [("with_vat", "18.00", "15.00"), ("without_vat", "18.00", "18.00")])
def test_price_changed_in_the_shop_reaches_the_ledger_without_vat(world, mode, listed, net):
    world.set(prices_direction="shop_to_ledger", shop_prices=mode)
    product = world.shop_product("SKU-008")
    assert Decimal(world.ledger_product("SKU-008")["vat_rate"]) == 20
    call("PATCH", f"{world.shop}/control/products/{product['id']}", {"price": 1.0})
    everything(world)
    call("PATCH", f"{world.shop}/control/products/{product['id']}", {"price": float(listed), "name": "Renamed mug"})
    everything(world)
    world.set()
    row = world.ledger_product("SKU-008")
    assert Decimal(row["price"]) == Decimal(net)
    assert row["name"] != "Renamed mug", "only prices are to follow"


@pytest.mark.parametrize(("mode", "listed"), [("with_vat", "12.60"), ("without_vat", "12.00")])
def test_price_changed_in_the_ledger_reaches_the_shop_in_its_own_mode(world, mode, listed):
    world.set(prices_direction="ledger_to_shop", shop_prices=mode)
    name = world.shop_product("SKU-009")["name"]
    assert Decimal(world.ledger_product("SKU-009")["vat_rate"]) == 5
    ledger_stock(world, "SKU-009", 9, Price=Decimal(1))
    everything(world)
    ledger_stock(world, "SKU-009", 9, Price=Decimal("12.00"), Name="Renamed in the ledger")
    everything(world)
    world.set()
    product = world.shop_product("SKU-009")
    assert Decimal(str(product["price"])) == Decimal(listed)
    assert product["name"] == name, "only prices are to follow"


def test_new_product_of_the_shop_is_created_in_the_ledger(world):
    world.set(products_direction="shop_to_ledger")
    call(
        "POST", f"{world.shop}/control/products",
        {"sku": "NEW-1", "name": "New <b>lamp</b>", "price": 24.0, "published": True, "stock_quantity": 3},
    )  # fmt: skip
    everything(world)
    world.set()
    row = world.ledger_product("NEW-1")
    assert (row["name"], Decimal(row["price"]), Decimal(row["vat_rate"])) == ("New lamp", Decimal(20), Decimal(20))


def test_renamed_product_of_the_ledger_is_renamed_in_the_shop(world):
    world.set(products_direction="ledger_to_shop")
    price = world.shop_product("SKU-010")["price"]
    ledger_stock(world, "SKU-010", 10, Name="Lamp of the ledger")
    everything(world)
    world.set()
    product = world.shop_product("SKU-010")
    assert (product["name"], product["price"]) == ("Lamp of the ledger", price)
