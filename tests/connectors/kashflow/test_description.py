"""Everything we send over SOAP is what the published description asks for. Skips nothing silently."""

from datetime import datetime

import pytest
from lxml import etree

from connectors.kashflow.client_soap import CALL_NAMES, READS
from connectors.kashflow.soap_types import PAYMENT
from connectors.kashflow.soap_xml import Record, envelope
from tests.connectors.kashflow.conftest import DESCRIPTION
from tests.connectors.kashflow.drafts import customer, invoice, line, payment, some_customer


async def _do_everything(desk):
    """One run through every operation the connector knows."""
    desk.switch(ip_allow_list=True)
    await desk.open(auto_auth_key="1234ABCD-1234").check()
    desk.switch(ip_allow_list=False)
    customer_id = await some_customer(desk)
    address = {"line1": "Odos & <1>", "country_code": "GR", "country_name": "Greece"}
    await desk.run("ensure_customer", customer(2, address=None))
    await desk.run("ensure_customer", customer(2, address=address, delivery_address=address, tax_number="EL1"))
    lines = [line(sku="SKU-001", nominal="101"), line("Exempt", "1.5", "2.00", "0", None)]
    draft = invoice(customer_id, lines=lines, currency="EUR", exchange_rate="1.1725", delivery_address=address)
    made = await desk.run("create_invoice", draft | {"depends_on_sent_tax": True})
    await desk.find("create_invoice", draft)
    desk.client.large_customers.add(customer_id)
    await desk.find("create_invoice", draft)
    await desk.run("record_payment", payment(made.number, currency="EUR"))
    paid = await desk.find("record_payment", payment(made.number, currency="EUR"))
    await desk.run("delete_payment", {"document_number": made.number, "payment_id": paid.external_id})
    home = await desk.run("create_invoice", invoice(customer_id, "NOP-2"))
    credit = await desk.run(
        "create_invoice", invoice(customer_id, "NOP-2-CR1", [line(unit_price="-8.33", tax="-3.33")])
    )
    numbers = {"invoice_number": home.number, "credit_number": credit.number}
    await desk.run("apply_credit_note", {**numbers, "reference": "NOP-2-CR1"})
    note = {"number": made.number, "text": "A note"}
    await desk.find("add_invoice_note", note)
    await desk.run("add_invoice_note", note)
    delete = {"number": made.number, "reference": "NOP-1001", "expected_gross": str(made.gross)}
    await desk.run("delete_invoice", delete)
    new = {"source_id": "", "sku": "D-1", "name": "D", "price": "1", "nominal": "100", "quantity": 1}
    await desk.run("upsert_product", new)
    await desk.run("upsert_product", new | {"name": "E"})
    await desk.run("set_stock", {"sku": "D-1", "quantity": 5})
    await desk.run("list_products", {})
    await desk.run("check_booking", {"nominals": ["100"], "tax_rates": ["20"], "currency": "GBP"})
    await desk.client.ledger.customers_modified_since(datetime(2026, 1, 1))


async def test_every_operation_is_sent_as_described(soap):
    """Without the description at hand this only proves that every operation works against the stand-in."""
    await _do_everything(soap)
    assert {name for name, count in soap.calls().items() if count} >= set(CALL_NAMES)
    if not DESCRIPTION.is_there:
        print(f"the published description is not at {DESCRIPTION.path}")
        return
    assert set(DESCRIPTION.checked) >= set(CALL_NAMES)
    print(f"{sum(DESCRIPTION.checked.values())} requests checked against the published description")


def test_the_check_would_notice():
    """A member in the wrong place, or of the wrong kind, is an error there."""
    if not DESCRIPTION.is_there:
        print(f"the published description is not at {DESCRIPTION.path}")
        return
    swapped = Record((PAYMENT[1], PAYMENT[0], *PAYMENT[2:]), {})
    wrong_kind = Record(PAYMENT, {"PayAmount": "nineteen"})
    for record in (swapped, wrong_kind):
        content = envelope("InsertInvoicePayment", [("UserName", "u"), ("Password", "p"), ("InvoicePayment", record)])
        with pytest.raises(etree.DocumentInvalid):
            DESCRIPTION.check("InsertInvoicePayment", content)


def test_reads_are_named_as_reads():
    assert all(name.startswith("Get") for name in READS.split())
