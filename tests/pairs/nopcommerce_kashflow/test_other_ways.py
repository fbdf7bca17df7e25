"""The same orders by the other doors: plug-ins that are polled, KashFlow's REST service, a ledger that computes VAT."""

from __future__ import annotations

from decimal import Decimal

import pytest

from demo.http import call
from demo.nopcommerce_kashflow.checker import compare
from demo.nopcommerce_kashflow.mix import orders
from tests.pairs.nopcommerce_kashflow.world import CHEQUE

pytestmark = pytest.mark.django_db
REST = {"transport": "rest", "memorable_word": "lighthouse"}


@pytest.mark.parametrize(
    "options", [{"family": "A"}, {"family": "C"}, {"ledger_values": REST}], ids=["plug-in A", "plug-in C", "REST"]
)
def test_order_becomes_an_invoice_with_its_payment(worlds, options):
    with worlds(**options) as world:
        world.settle()
        paid = world.order(lines=[{"sku": "SKU-001", "quantity": 2}, {"sku": "SKU-002", "quantity": 1}])
        later = world.order(payment_method=CHEQUE, paid=False)
        world.poll()
        world.settle()
        assert world.invoice(later)["payments"] == []
        world.act(later, "pay")
        world.act(paid, "refund", amount="1.11")
        world.poll()
        world.settle()
        assert set(world.documents(paid)) == {"", "CR1"} and set(world.documents(later)) == {""}
        for order in (paid, later):
            invoice, truth = world.invoice(order), world.shop_order(order)["truth"]
            assert Decimal(invoice["gross_amount"]) == Decimal(truth["gross"]) == Decimal(invoice["amount_paid"])


def test_ledger_that_computes_vat_itself_agrees_or_the_order_is_held(worlds):
    with worlds(settings={"ledger_arithmetic": "recompute"}) as world:
        world.ledger_set(vat_arithmetic="recompute")
        world.settle()
        placed = {call("POST", f"{world.shop}/control/orders", plan.spec)["id"]: plan for plan in orders(30, 7)}
        world.settle(seconds=40)
        shop, ledger = (call("GET", f"{url}/control/state") for url in (world.shop, world.ledger))
        books = compare(shop, ledger, order_ids=placed, prefix="NOP-", account="demo", zone="Europe/London")
        held = [order for order in placed if world.run(order).state == "held"]
        different = {v.order_id: v.problems for v in books.different if v.order_id not in held}
        assert different == {}
        assert [order for order in (v.order_id for v in books.missing) if order not in held] == []
        assert all(world.run(order).error["details"] for order in held)
        assert len(books.equal) >= 24, f"{len(held)} of 30 held"
        assert books.duplicates == []
