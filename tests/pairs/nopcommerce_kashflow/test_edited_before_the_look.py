"""An order that is edited between a lost answer and the look for its invoice, in a world without earlier trouble."""

from collections import Counter
from decimal import Decimal

import pytest

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def world(worlds):
    with worlds() as made:
        made.settle()
        yield made


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
