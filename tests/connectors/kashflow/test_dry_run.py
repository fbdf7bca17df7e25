"""A dry run is stopped by what would stop the write, and writes nothing."""

import pytest

from connectors.base.errors import ConnectorError
from tests.connectors.kashflow.drafts import invoice, line, payment, some_customer, some_invoice


def product(**changes):
    return {"source_id": "", "sku": "MUG-9", "name": "Mug", "price": "8.33", "nominal": "100", **changes}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"lines": [line(), line(sku="NO-SUCH")]}, "unknown_sku"),
        ({"lines": [line(nominal="999")]}, "unknown_nominal_code"),
        ({"currency": "JPY"}, "unknown_currency"),
        ({"gross": "20.00"}, "totals_do_not_add_up"),
        ({"reference": " "}, "reference_missing"),
    ],
)
async def test_an_invoice_that_would_be_refused_is_refused_when_it_is_planned(desk, changes, code):
    draft = invoice(await some_customer(desk), **changes)
    with pytest.raises(ConnectorError) as planned:
        await desk.plan("create_invoice", draft)
    with pytest.raises(type(planned.value)) as written:
        await desk.run("create_invoice", draft)
    assert planned.value.code == written.value.code == code


async def test_an_invoice_of_a_customer_who_is_not_there_yet_can_be_planned(desk):
    planned = await desk.plan("create_invoice", invoice("(new)", lines=[line(sku="SKU-001")]))
    assert planned.number == "(new)" and desk.invoices() == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"method": "Barter"}, "unknown_payment_method"), ({"account": "Attic"}, "unknown_bank_account")],
)
async def test_a_payment_that_would_be_refused_is_refused_when_it_is_planned(desk, changes, code):
    number = (await some_invoice(desk)).number
    with pytest.raises(ConnectorError) as planned:
        await desk.plan("record_payment", payment(number, **changes))
    assert planned.value.code == code


async def test_a_payment_of_a_document_that_is_not_there_yet_can_be_planned(desk):
    assert (await desk.plan("record_payment", payment("(new)"))).id == "(new)"


async def test_a_product_under_an_unknown_nominal_is_refused_when_it_is_planned(desk):
    with pytest.raises(ConnectorError) as planned:
        await desk.plan("upsert_product", product(nominal="7"))
    assert planned.value.code == "unknown_nominal_code"
    assert (await desk.plan("upsert_product", product())).source_id == "(new)"
    assert all(row["code"] != "MUG-9" for row in desk.books()["products"])
