"""Documents: written exactly, once, found again by their reference, judged by what they say."""

import asyncio
from decimal import Decimal

import pytest

from connectors.base.actions import Verdict
from connectors.base.errors import Held, MappingFailed, OutcomeUnknown, Rejected
from connectors.base.records import DocumentLine
from connectors.kashflow.actions import CreateInvoice
from connectors.kashflow.ledger import Company
from tests.connectors.kashflow.drafts import customer, invoice, line, payment, some_customer, some_invoice

INSERT = ("InsertInvoice", "POST /v2/invoices")


async def test_writes_the_document_as_drafted(desk):
    lines = [line(), line("Carriage", "1", "3.50", "0.70", nominal="101"), line("Book", "1", "10.00", "0", None)]
    ref = await some_invoice(desk, lines=lines, due_date="2026-04-03")
    [row] = desk.invoices()
    assert (row["invoice_date"], row["due_date"]) == ("2026-03-04", "2026-04-03")
    assert ref.number == str(row["invoice_number"]) and ref.gross == Decimal("34.19")
    assert row["customer_reference"] == "NOP-1001" and row["customer_code"] == "NOP00042"
    assert row["currency_code"] == "GBP"
    assert Decimal(row["gross_amount"]) == Decimal("34.19")
    assert [(r["nominal_code"], Decimal(r["vat_rate"]), Decimal(r["vat_amount"])) for r in row["lines"]] == [
        (100, 20, Decimal("3.33")),
        (101, 20, Decimal("0.70")),
        (100, -1, 0),
    ]


async def test_credit_note_has_negative_lines(desk):
    ref = await some_invoice(desk, reference="NOP-1001-CR1", lines=[line(unit_price="-8.33", tax="-3.33")])
    [row] = desk.invoices()
    assert row["is_credit_note"] and ref.gross == Decimal("-19.99") == Decimal(row["gross_amount"])


async def test_product_line_moves_stock_and_uses_the_products_own_nominal(desk):
    before = desk.product("SKU-001")["qty_in_stock"]
    await some_invoice(desk, lines=[line(sku="SKU-001", nominal="101")])
    [row] = desk.invoices()
    assert row["lines"][0]["product_code"] == "SKU-001" and row["lines"][0]["nominal_code"] == 100
    assert desk.product("SKU-001")["qty_in_stock"] == before - 2


async def test_of_two_products_with_one_code_the_one_under_the_nominal_is_used(desk):
    await desk.run("upsert_product", product_under("101"))
    await some_invoice(desk, lines=[line(sku="SKU-001", nominal="101")])
    [row] = desk.invoices()
    assert row["lines"][0]["nominal_code"] == 101
    assert desk.invoices()[0]["lines"][0]["product_code"] == "SKU-001"


def product_under(nominal):
    return {"source_id": "", "sku": "SKU-001", "name": "Twin", "price": "1.00", "nominal": nominal, "quantity": 9}


async def test_foreign_document_is_kept_in_its_currency(desk):
    ref = await some_invoice(desk, currency="EUR", exchange_rate="1.25")
    [row] = desk.invoices()
    assert row["currency_code"] == "EUR" and Decimal(row["exchange_rate"]) == Decimal("1.25")
    assert Decimal(row["gross_amount"]) == Decimal("19.99") == ref.gross
    read = await desk.run("get_invoice", {"number": ref.number})
    assert (read.currency, read.gross) == ("EUR", Decimal("19.99"))


async def test_delivery_address_is_shown(desk):
    address = {"recipient": "Al", "line1": "9 Elm", "city": "York", "postcode": "YO1", "country_code": "GR"}
    await some_invoice(desk, delivery_address=address)
    [row] = desk.invoices()
    assert row["use_custom_delivery_address"] is True
    assert row["delivery_address"]["name"] == "Al" and row["delivery_address"]["country_code"] == "EL"


async def test_unknown_sku_is_held_with_its_line(desk):
    with pytest.raises(Held) as refused:
        await some_invoice(desk, lines=[line(), line(sku="NO-SUCH")])
    assert refused.value.code == "unknown_sku" and refused.value.field == "lines[1].product_code"
    assert "NO-SUCH" in refused.value.customer_text and refused.value.cure
    assert desk.invoices() == []


async def test_just_added_product_works_at_once(desk):
    draft = invoice(await some_customer(desk), lines=[line(sku="NEW-1")])
    with pytest.raises(Held):
        await desk.run("create_invoice", draft)
    await desk.run("upsert_product", product_under("100") | {"sku": "NEW-1"})
    assert (await desk.run("create_invoice", draft)).number


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"lines": [line(nominal="999")]}, "unknown_nominal_code", "100 Sale of Goods"),
        ({"currency": "JPY"}, "unknown_currency", "GBP, EUR, USD"),
    ],
)
async def test_unknown_names_are_rejected_with_what_exists(desk, changes, code, says):
    with pytest.raises(Rejected) as refused:
        await some_invoice(desk, **changes)
    assert refused.value.code == code and says in refused.value.customer_text and refused.value.cure


@pytest.mark.parametrize(
    "changes",
    [
        {"gross": "20.00"},
        {"lines": [line(unit_price="8.333")]},
        {"lines": [line(tax="3.333")]},
        {"reference": " "},
    ],
)
async def test_a_draft_that_does_not_add_up_is_not_sent(desk, changes):
    customer_id = await some_customer(desk)
    with pytest.raises(MappingFailed):
        await desk.run("create_invoice", invoice(customer_id, **changes))
    assert not desk.door.count(desk.operation(*INSERT))


async def test_exempt_line_with_vat_is_refused(desk):
    with pytest.raises(Rejected) as refused:
        await some_invoice(desk, lines=[line(rate=None)])
    assert refused.value.code == "vat_not_possible"


async def test_company_without_vat_registration_books_no_vat(desk):
    async def unregistered():
        return Company("Small", "GBP", vat_registered=False)

    desk.client.ledger.company = unregistered
    with pytest.raises(Rejected) as refused:
        await some_invoice(desk)
    assert refused.value.code == "vat_not_possible" and "not VAT registered" in refused.value.customer_text
    await some_invoice(desk, lines=[line(tax="0")])
    assert Decimal(desk.invoices()[0]["lines"][0]["vat_rate"]) == 0


async def test_dry_run_has_the_shape_of_the_real_thing():
    action = CreateInvoice()
    ref = action.pretend(action.input.model_validate(invoice("7")))
    assert (ref.number, ref.gross, ref.reference) == ("(new)", Decimal("19.99"), "NOP-1001")


async def test_locked_period_is_named(desk):
    desk.switch(deny_locked_before="2026-04-01")
    with pytest.raises(Rejected) as refused:
        await some_invoice(desk)
    assert refused.value.code == "period_closed" and desk.invoices() == []


# The look


async def test_same_document_is_found(desk):
    made = await some_invoice(desk)
    found = await desk.find("create_invoice", invoice(await some_customer(desk)))
    assert found.verdict is Verdict.SAME and found.external_id == made.number
    assert (found.output.net, found.output.tax, found.output.gross) == (made.net, made.tax, made.gross)


async def test_reference_must_match_exactly(desk):
    await some_invoice(desk, reference="NOP-1001-CR1", lines=[line(unit_price="-8.33", tax="-3.33")])
    await some_invoice(desk, reference="NOP-10012")
    assert await desk.find("create_invoice", invoice(await some_customer(desk))) is None


async def test_other_totals_are_changed_with_the_arithmetic(desk):
    made = await some_invoice(desk)
    now = invoice(await some_customer(desk), lines=[line(quantity="3", tax="5.00")])
    found = await desk.find("create_invoice", now)
    assert found.verdict is Verdict.CHANGED and found.output.number == made.number
    assert "19.99" in found.why and "29.99" in found.why and "-10.00" in found.why


async def test_a_changed_document_is_told_line_by_line(desk):
    """So the difference to what the order says now can be written without asking a person."""
    first = [line(sku="SKU-001"), line("Carriage", "1", "3.50", "0.70", nominal="101")]
    made = await some_invoice(desk, lines=first)
    found = await desk.find(
        "create_invoice", invoice(await some_customer(desk), lines=[line(quantity="3", tax="5.00")])
    )
    assert found.verdict is Verdict.CHANGED and found.external_id == made.number
    assert Decimal(found.facts["gross"]) == made.gross and found.facts["kind"] == "invoice"
    goods, carriage = (DocumentLine.model_validate(row) for row in found.facts["lines"])
    assert (goods.product_code, goods.quantity, goods.kind) == ("SKU-001", 2, "product")
    assert (carriage.product_code, carriage.nominal, carriage.kind) == ("", "101", "shipping")
    assert sum(row.net + row.tax for row in (goods, carriage)) == made.gross
    assert (await desk.find("create_invoice", invoice(await some_customer(desk), lines=first))).facts == {}


async def test_other_kind_is_foreign(desk):
    await some_invoice(desk, lines=[line(unit_price="-8.33", tax="-3.33")])
    found = await desk.find("create_invoice", invoice(await some_customer(desk)))
    assert found.verdict is Verdict.FOREIGN and "credit note" in found.why


async def test_other_currency_is_foreign(desk):
    await some_invoice(desk, currency="EUR", exchange_rate="1.25")
    found = await desk.find("create_invoice", invoice(await some_customer(desk)))
    assert found.verdict is Verdict.FOREIGN and "EUR" in found.why


async def test_two_documents_with_one_reference_are_shown(desk):
    first, second = await some_invoice(desk), await some_invoice(desk)
    found = await desk.find("create_invoice", invoice(await some_customer(desk)))
    assert found.verdict is Verdict.FOREIGN
    assert first.number in found.why and second.number in found.why


@pytest.mark.parametrize("has_documents", [False, True])
async def test_a_document_under_another_customer_is_foreign(desk, has_documents):
    """The order's e-mail was corrected, or customers were merged, between the lost answer and the look."""
    made = await some_invoice(desk)
    now = await some_customer(desk, 1)
    if has_documents:
        await desk.run("create_invoice", invoice(now, reference="NOP-7"))
    found = await desk.find("create_invoice", invoice(now))
    assert found is not None and found.verdict is Verdict.FOREIGN
    assert found.external_id == made.number and "its customer is" in found.why


async def test_only_a_miss_among_the_customers_documents_costs_a_read_of_the_day(soap):
    await some_invoice(soap)
    draft = invoice(await some_customer(soap))
    assert await soap.find("create_invoice", draft)
    assert not soap.door.count("GetInvoicesByDateRange")
    assert await soap.find("create_invoice", {**draft, "reference": "NOP-2"}) is None
    assert soap.door.count("GetInvoicesByDateRange") == 1


async def test_shared_customer_is_looked_up_by_date(desk):
    """And a document of another customer with our reference is then seen as not ours."""
    made = await some_invoice(desk)
    web = await some_customer(desk, 1)
    shared = desk.open(shared_customers=f"{web}, 7")
    data = CreateInvoice.input.model_validate(invoice(web))
    found = await CreateInvoice().find(desk.context(shared), data)
    assert found.verdict is Verdict.FOREIGN and "customer" in found.why and found.output.number == made.number
    listed = desk.operation("GetInvoicesByDateRange", "GET /v2/invoices")
    assert shared.ledger._door.count(listed) == 1
    assert shared.ledger._door.count("GetInvoicesForCustomer") == 0


async def test_list_too_large_to_be_read_is_looked_up_by_date(soap):
    await some_invoice(soap)
    draft = invoice(await some_customer(soap))

    async def too_large(customer_id):
        raise Rejected("The other system sent more than 20480 kB in one answer.", code="answer_too_large")

    soap.client.ledger.invoices_of_customer = too_large
    assert (await soap.find("create_invoice", draft)).verdict is Verdict.SAME


async def test_customer_with_very_many_documents_is_learned(soap, monkeypatch):
    monkeypatch.setattr("connectors.kashflow.actions.document_look.LARGE", 1)
    await some_invoice(soap)
    await some_invoice(soap, reference="NOP-2")
    draft = invoice(await some_customer(soap))
    for _ in range(2):
        assert (await soap.find("create_invoice", draft)).verdict is Verdict.SAME
    assert soap.door.count("GetInvoicesForCustomer") == 1 and soap.door.count("GetInvoicesByDateRange") == 1


# Lost answers


@pytest.mark.parametrize("kind", ["cut_after", "half_answer", "truncated"])
async def test_lost_answer_leaves_the_outcome_unknown_and_the_look_finds_it(desk, kind):
    draft = invoice(await some_customer(desk))
    desk.faults({"kind": kind, "operations": [desk.operation(*INSERT)], "times": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.run("create_invoice", draft)
    assert (await desk.find("create_invoice", draft)).verdict is Verdict.SAME
    assert len(desk.invoices()) == 1 and desk.door.count(desk.operation(*INSERT)) == 1


async def test_late_landing_is_found_after_settling(desk):
    draft = invoice(await some_customer(desk))
    desk.faults({"kind": "late_landing", "operations": [desk.operation(*INSERT)], "times": 1, "seconds": 0.3})
    with pytest.raises(OutcomeUnknown):
        await desk.run("create_invoice", draft)
    assert await desk.find("create_invoice", draft) is None
    settle = CreateInvoice().settle(desk.ctx)
    assert settle == 0.5
    await asyncio.sleep(settle)
    assert (await desk.find("create_invoice", draft)).verdict is Verdict.SAME


async def test_written_but_unreadable_is_found_after_settling(desk):
    draft = invoice(await some_customer(desk))
    rule = {"kind": "unreadable", "operations": [desk.operation(*INSERT)], "times": 1, "seconds": 0.3, "cut": True}
    desk.faults(rule)
    with pytest.raises(OutcomeUnknown):
        await desk.run("create_invoice", draft)
    assert await desk.find("create_invoice", draft) is None
    await asyncio.sleep(0.5)
    assert (await desk.find("create_invoice", draft)).verdict is Verdict.SAME


# VAT that the account computes itself


async def test_totals_as_booked_come_back_when_they_depend_on_our_vat(desk):
    desk.switch(vat_arithmetic="recompute")
    lines = [line(quantity="1", unit_price="8.33", tax="1.66")]
    ref = await some_invoice(desk, lines=lines, depends_on_sent_tax=True)
    assert ref.gross == Decimal("10.00") and ref.tax == Decimal("1.67")
    assert ref.number == str(desk.invoices()[0]["invoice_number"])


async def test_the_number_is_not_lost_when_the_read_back_fails(desk):
    draft = invoice(await some_customer(desk), depends_on_sent_tax=True)
    read = desk.operation("GetInvoice", "GET /v2/invoices/{number}")
    desk.faults({"kind": "cut_before", "operations": [read]})
    ref = await desk.run("create_invoice", draft)
    assert ref.number == str(desk.invoices()[0]["invoice_number"]) and ref.gross == Decimal("19.99")


async def test_no_read_back_otherwise(desk):
    await some_invoice(desk)
    assert desk.door.count(desk.operation("GetInvoice", "GET /v2/invoices/{number}")) == 0


# Reading, deleting, notes


async def test_missing_invoice_is_none(desk):
    assert await desk.run("get_invoice", {"number": "4711"}) is None


async def test_deletes_what_is_ours_unpaid_and_unchanged_once(desk):
    made = await some_invoice(desk)
    order = {"number": made.number, "reference": "NOP-1001", "expected_gross": "19.99"}
    assert (await desk.run("delete_invoice", order)).existed
    assert desk.invoices() == []
    assert not (await desk.run("delete_invoice", order)).existed


@pytest.mark.parametrize(
    ("change", "code"),
    [({"reference": "NOP-1"}, "not_our_document"), ({"expected_gross": "1.00"}, "document_changed")],
)
async def test_does_not_delete_what_is_not_ours_or_changed(desk, change, code):
    made = await some_invoice(desk)
    order = {"number": made.number, "reference": "NOP-1001", "expected_gross": "19.99", **change}
    with pytest.raises(Rejected) as refused:
        await desk.run("delete_invoice", order)
    assert refused.value.code == code and len(desk.invoices()) == 1


async def test_does_not_delete_what_is_paid(desk):
    made = await some_invoice(desk)
    await desk.run("record_payment", payment(made.number))
    with pytest.raises(Rejected) as refused:
        await desk.run("delete_invoice", {"number": made.number, "reference": "NOP-1001", "expected_gross": "19.99"})
    assert refused.value.code == "document_paid" and len(desk.invoices()) == 1


async def test_note_is_added_and_found(soap):
    made = await some_invoice(soap)
    note = {"number": made.number, "text": "Order 1001,  paid by card"}
    assert await soap.find("add_invoice_note", note) is None
    await soap.run("add_invoice_note", note)
    assert [row["notes"] for row in soap.invoices()[0]["notes"]] == [note["text"]]
    assert (await soap.find("add_invoice_note", note)).verdict is Verdict.SAME


async def test_notes_are_refused_on_rest_with_the_cure(rest):
    made = await some_invoice(rest)
    with pytest.raises(Rejected) as refused:
        await rest.run("add_invoice_note", {"number": made.number, "text": "x"})
    assert refused.value.code == "not_on_rest" and "SOAP" in refused.value.cure


async def test_customer_codes_are_found_by_id_in_a_new_process(rest):
    """REST wants codes; our records carry ids."""
    for number in range(3):
        await rest.run("ensure_customer", customer(number))
    customer_id = await some_customer(rest, 2)
    ref = await rest.run("create_invoice", invoice(customer_id), rest.context(rest.open()))
    assert rest.invoices()[0]["customer_code"] == "NOP00002" and ref.number


async def test_documents_of_an_order_are_read_with_what_was_paid(desk):
    customer_id = await some_customer(desk)
    made = await desk.run("create_invoice", invoice(customer_id))
    await desk.run("create_invoice", invoice(customer_id, "NOP-1001-CR1", [line(unit_price="-1.00", tax="-0.40")]))
    await desk.run("create_invoice", invoice(customer_id, "NOP-10011"))
    await desk.run("record_payment", payment(made.number))
    asked = {"reference": "NOP-1001", "customer_id": customer_id}
    first, second = (await desk.run("list_documents", asked)).documents
    assert (first.reference, first.gross, first.paid) == ("NOP-1001", made.gross, made.gross)
    assert [(paid.amount, paid.reference) for paid in first.payments] == [(made.gross, "pay-1001")]
    assert (second.reference, second.payments, second.currency) == ("NOP-1001-CR1", (), "GBP")


async def test_documents_are_found_by_day_and_number_where_the_customer_is_not_known(desk):
    customer_id = await some_customer(desk)
    made = await desk.run("create_invoice", invoice(customer_id))
    for way in ({"days": ["2026-03-05"]}, {"numbers": [made.number]}):
        found = (await desk.run("list_documents", {"reference": "NOP-1001", **way})).documents
        assert [document.number for document in found] == [made.number], way
    other = await desk.run("list_documents", {"reference": "NOP-7", "numbers": [made.number, "99999"]})
    assert other.documents == (), "a number that carries another reference by now is not ours"
