"""Orders edited or refunded between a lost answer and the look for what it was about, without earlier trouble."""

from collections import Counter
from decimal import Decimal

import pytest

pytestmark = pytest.mark.django_db


def test_an_order_edited_before_we_could_look_for_its_invoice_gets_the_difference(world):
    """The answer to the invoice is lost; until we may look, the shop edits the order. No person is needed."""
    world.faults(
        {"kind": "cut_after", "operations": ["InsertInvoice"], "times": 1},
        {"kind": "status", "status": 503, "operations": ["GetInvoicesForCustomer", "GetInvoicesByDateRange"]},
    )
    lines = [{"sku": "SKU-001", "quantity": 2}, {"sku": "SKU-002", "quantity": 1}]
    order = world.order(lines=lines, paid=False, payment_method="Payments.CheckMoneyOrder")
    world.work(2.0)
    assert world.run(order).state == "waiting" and set(world.documents(order)) == {""}
    world.act(order, "edit", lines=[lines[0], {**lines[1], "quantity": 3}])
    world.faults()
    world.settle()
    documents = world.documents(order)
    assert world.run(order).state == "done" and set(documents) == {"", "D1"}
    gross = sum(Decimal(document["gross_amount"]) for document in documents.values())
    assert gross == Decimal(world.shop_order(order)["truth"]["gross"])
    moved: Counter[str] = Counter()
    for row in documents["D1"]["lines"]:
        moved[row["product_code"]] += Decimal(row["quantity"])
    assert (moved["SKU-001"], moved["SKU-002"]) == (0, 2)


def test_an_order_refunded_again_before_we_could_look_for_the_payment_back_is_paid_back_once(world):
    """The answer to the payment back is lost; until we may look, more is refunded."""
    order = world.order(lines=[{"sku": "SKU-003", "quantity": 2}])
    world.settle()
    world.faults(
        {"kind": "cut_after", "operations": ["InsertInvoicePayment"], "times": 1},
        {"kind": "status", "status": 503, "operations": ["GetInvoicePayment", "GetInvoicesForCustomer"]},
    )
    world.act(order, "refund", amount="1.11")
    world.work(2.0)
    documents = world.documents(order)
    assert world.run(order).state == "waiting" and len(documents["CR1"]["payments"]) == 1
    world.act(order, "refund", amount="0.57")
    world.faults()
    world.settle()
    documents = world.documents(order)
    assert set(documents) == {"", "CR1", "CR2"} and world.run(order).state == "done"
    backs = [[Decimal(row["pay_amount"]) for row in documents[name]["payments"]] for name in ("CR1", "CR2")]
    assert backs == [[Decimal("-1.11")], [Decimal("-0.57")]]
