"""Payments and credit notes: once, in home currency, found by their note."""

import asyncio
from decimal import Decimal

import pytest

from connectors.base.actions import Verdict
from connectors.base.errors import MappingFailed, OutcomeUnknown, Rejected
from tests.connectors.kashflow.drafts import line, payment, some_invoice

INSERT = ("InsertInvoicePayment", "PUT /v2/invoices/{number}")


async def test_payment_settles_its_invoice(desk):
    made = await some_invoice(desk)
    ref = await desk.run("record_payment", payment(made.number))
    [row] = desk.invoices()
    [paid] = row["payments"]
    assert row["paid"] and ref.id == str(paid["pay_id"]) and ref.amount == Decimal("19.99")
    assert (paid["pay_note"], paid["pay_date"]) == ("pay-1001", "2026-03-04")
    books = desk.books()
    method = next(m for m in books["payment_methods"] if m["method_id"] == paid["pay_method"])
    account = next(a for a in books["bank_accounts"] if a["account_id"] == paid["pay_account"])
    assert (method["method_name"], account["account_name"]) == ("Card", "Card clearing")


async def test_account_may_be_named_by_code_and_names_ignore_case(desk):
    made = await some_invoice(desk)
    await desk.run("record_payment", payment(made.number, method="cARD", account="1221"))
    assert desk.invoices()[0]["paid"]


async def test_payment_leaves_lines_and_stock_alone(desk):
    made = await some_invoice(desk, lines=[line(sku="SKU-001")])
    stock = desk.product("SKU-001")["qty_in_stock"]
    await desk.run("record_payment", payment(made.number))
    [row] = desk.invoices()
    assert desk.product("SKU-001")["qty_in_stock"] == stock
    assert row["lines"][0]["description"] == "Blue mug" and Decimal(row["gross_amount"]) == Decimal("19.99")


async def test_money_back_is_negative(desk):
    made = await some_invoice(desk, reference="NOP-1001-CR1", lines=[line(unit_price="-8.33", tax="-3.33")])
    await desk.run("record_payment", payment(made.number, "-19.99"))
    [row] = desk.invoices()
    assert row["paid"] and Decimal(row["payments"][0]["pay_amount"]) == Decimal("-19.99")


async def test_foreign_payment_is_booked_in_home_currency_at_the_documents_rate(desk):
    made = await some_invoice(desk, currency="EUR", exchange_rate="1.17")
    draft = payment(made.number, currency="EUR")
    assert (await desk.run("record_payment", draft)).amount == Decimal("19.99")
    [row] = desk.invoices()
    assert Decimal(row["payments"][0]["pay_amount"]) == Decimal("17.09") and row["paid"]
    assert (await desk.find("record_payment", draft)).verdict is Verdict.SAME


async def test_payment_in_a_third_currency_is_refused(desk):
    made = await some_invoice(desk, currency="EUR", exchange_rate="1.17")
    with pytest.raises(Rejected) as refused:
        await desk.run("record_payment", payment(made.number, currency="USD"))
    assert refused.value.code == "payment_currency"


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"method": "Barter"}, "unknown_payment_method", "PayPal"),
        ({"account": "Attic"}, "unknown_bank_account", "Card clearing (1221)"),
    ],
)
async def test_unknown_names_are_rejected_with_what_exists(desk, changes, code, says):
    made = await some_invoice(desk)
    with pytest.raises(Rejected) as refused:
        await desk.run("record_payment", payment(made.number, **changes))
    assert refused.value.code == code and says in refused.value.customer_text and refused.value.cure
    assert desk.invoices()[0]["payments"] == []


async def test_just_added_method_works_on_the_next_try(desk):
    """The kept list lacks it; it is asked for once more before anything is refused."""
    made = await some_invoice(desk)
    ledger, methods = desk.client.ledger, desk.client.ledger.payment_methods

    async def without_card():
        return [row for row in await methods() if row.name != "Card"]

    ledger.payment_methods = without_card
    with pytest.raises(Rejected):
        await desk.run("record_payment", payment(made.number))
    ledger.payment_methods = methods
    desk.ctx.remembered.forget(":afresh")
    assert (await desk.run("record_payment", payment(made.number))).id


async def test_facts_are_read_once(desk):
    made = await some_invoice(desk)
    for number in range(3):
        await desk.run("record_payment", payment(made.number, "1.00", reference=f"part-{number}"))
    assert desk.door.count(desk.operation("GetInvPayMethods", "GET /v2/paymentmethods/invoice")) == 1
    assert desk.door.count(desk.operation("GetBankAccounts", "GET /v2/bankaccounts")) == 1


async def test_reference_and_number_are_checked(desk):
    with pytest.raises(MappingFailed):
        await desk.run("record_payment", payment("1", reference=""))
    with pytest.raises(Rejected) as refused:
        await desk.run("record_payment", payment("(new)"))
    assert refused.value.code == "bad_document_number"


async def test_look_finds_same_changed_and_none(desk):
    made = await some_invoice(desk)
    assert await desk.find("record_payment", payment(made.number)) is None
    ref = await desk.run("record_payment", payment(made.number))
    same = await desk.find("record_payment", payment(made.number))
    assert same.verdict is Verdict.SAME and same.external_id == ref.id
    changed = await desk.find("record_payment", payment(made.number, "18.00"))
    assert changed.verdict is Verdict.CHANGED and "19.99" in changed.why and "18.00" in changed.why
    assert await desk.find("record_payment", payment(made.number, reference="pay-1002")) is None


async def test_two_payments_with_one_reference_are_shown(desk):
    made = await some_invoice(desk)
    ids = [(await desk.run("record_payment", payment(made.number, "1.00"))).id for _ in range(2)]
    found = await desk.find("record_payment", payment(made.number, "1.00"))
    assert found.verdict is Verdict.FOREIGN and all(number in found.why for number in ids)


@pytest.mark.parametrize("kind", ["cut_after", "truncated"])
async def test_lost_answer_leaves_the_outcome_unknown_and_the_look_finds_it(desk, kind):
    made = await some_invoice(desk)
    desk.faults({"kind": kind, "operations": [desk.operation(*INSERT)], "times": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.run("record_payment", payment(made.number))
    assert (await desk.find("record_payment", payment(made.number))).verdict is Verdict.SAME
    assert len(desk.invoices()[0]["payments"]) == 1


async def test_parallel_payments_of_one_document_all_stay(desk):
    made = await some_invoice(desk)
    drafts = [payment(made.number, "1.00", reference=f"part-{n}") for n in range(8)]
    refs = await asyncio.gather(*(desk.run("record_payment", draft) for draft in drafts))
    assert len({ref.id for ref in refs}) == 8 == len(desk.invoices()[0]["payments"])


async def test_payment_is_deleted_once_and_only_ours(desk):
    made = await some_invoice(desk)
    ref = await desk.run("record_payment", payment(made.number))
    order = {"document_number": made.number, "payment_id": ref.id, "reference": "pay-1001"}
    with pytest.raises(Rejected) as refused:
        await desk.run("delete_payment", order | {"reference": "other"})
    assert refused.value.code == "not_our_payment"
    assert (await desk.run("delete_payment", order)).existed
    assert desk.invoices()[0]["payments"] == [] and not desk.invoices()[0]["paid"]
    assert not (await desk.run("delete_payment", order)).existed


# Credit notes


async def _invoice_and_credit(desk):
    made = await some_invoice(desk)
    credit = await some_invoice(desk, reference="NOP-1001-CR1", lines=[line(unit_price="-8.33", tax="-3.33")])
    return {"invoice_number": made.number, "credit_number": credit.number, "reference": "NOP-1001-CR1"}


async def test_credit_note_settles_an_unpaid_invoice(soap):
    order = await _invoice_and_credit(soap)
    assert await soap.find("apply_credit_note", order) is None
    applied = await soap.run("apply_credit_note", order)
    assert applied.amount == Decimal("19.99") and all(row["paid"] for row in soap.invoices())
    found = await soap.find("apply_credit_note", order)
    assert found.verdict is Verdict.SAME and found.output.amount == Decimal("19.99")


async def test_credit_note_paid_out_is_not_taken_for_applied(soap):
    order = await _invoice_and_credit(soap)
    await soap.run("record_payment", payment(order["credit_number"], "-19.99", reference="back"))
    found = await soap.find("apply_credit_note", order)
    assert found.verdict is Verdict.FOREIGN and order["credit_number"] in found.why


async def test_lost_answer_of_a_set_off_is_found(soap):
    order = await _invoice_and_credit(soap)
    soap.faults({"kind": "cut_after", "operations": ["applyCreditNoteToInvoice"], "times": 1})
    with pytest.raises(OutcomeUnknown):
        await soap.run("apply_credit_note", order)
    assert (await soap.find("apply_credit_note", order)).verdict is Verdict.SAME


async def test_only_the_named_credit_note_is_applied(soap):
    order = await _invoice_and_credit(soap)
    for wrong in ({"reference": "NOP-9-CR1"}, {"credit_number": order["invoice_number"], "reference": "NOP-1001"}):
        with pytest.raises(Rejected) as refused:
            await soap.run("apply_credit_note", order | wrong)
        assert refused.value.code == "not_our_document"


async def test_setting_off_is_refused_on_rest_with_the_cure(rest):
    with pytest.raises(Rejected) as refused:
        await rest.run("apply_credit_note", await _invoice_and_credit(rest))
    assert refused.value.code == "not_on_rest" and "SOAP" in refused.value.cure
