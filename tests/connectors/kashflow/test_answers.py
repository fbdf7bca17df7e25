"""What an answer means: refusals, faults, nonsense, on reads and on writes."""

import asyncio

import pytest

from connectors.base.errors import NeedsAttention, OutcomeUnknown, RateLimited, Rejected, Retryable
from connectors.kashflow import refusals
from connectors.kashflow.client_soap import SoapLedger
from connectors.kashflow.soap_types import PAYMENT
from connectors.kashflow.soap_xml import Record, SoapFault, Unreadable, read_reply
from tests.connectors.kashflow.drafts import invoice, payment, some_customer, some_invoice

READ = ("GetCustomerByEmail", "GET /v2/customers/search")
INSERT = ("InsertInvoice", "POST /v2/invoices")


def soap_body(inner):
    return (
        '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soap:Body>' + inner + "</soap:Body></soap:Envelope>"
    ).encode()


def answer(method, inner):
    return soap_body(f'<{method}Response xmlns="KashFlow">{inner}</{method}Response>')


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Service Unavailable</body></html>",
        b"not xml",
        soap_body(""),
        answer("GetCustomer", "<Status>OK</Status>"),
        answer("GetInvoice", "<GetInvoiceResult/>"),
        answer("GetInvoice", "<Status>MAYBE</Status>"),
        answer("GetInvoice", "<Status>OK</Status>")[:-30],
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + answer("GetInvoice", "<Status>OK</Status>").split(b"?>", 1)[1],
    ],
)
def test_what_is_not_a_soap_answer_is_unreadable(content):
    with pytest.raises(Unreadable):
        read_reply(content, "GetInvoice")


def test_fault_is_read():
    fault = "<soap:Fault><faultcode>soap:Client</faultcode><faultstring>Input string</faultstring></soap:Fault>"
    assert read_reply(soap_body(fault), "GetInvoice") == SoapFault("soap:Client", "Input string")


def test_external_entities_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("treasure")
    body = answer("GetInvoice", "<Status>OK</Status><StatusDetail>&x;</StatusDetail>").split(b"?>", 1)[1]
    with pytest.raises(Unreadable):
        read_reply(f'<!DOCTYPE x [<!ENTITY x SYSTEM "file://{secret}">]>'.encode() + body, "GetInvoice")


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("Incorrect username or password", NeedsAttention, "wrong_password"),
        ("The IP address of 10.1.2.3 is not in the access list", NeedsAttention, "ip_not_allowed"),
        ("Execution Timeout Expired. The timeout period elapsed", OutcomeUnknown, "kashflow_failed"),
        ("The period is locked", Rejected, "period_closed"),
        ("Invoice 4711 has 'odd' trouble", Rejected, "kashflow_invoice_has_trouble"),
        ("Invoice 815 has 'other' trouble", Rejected, "kashflow_invoice_has_trouble"),
        ("", Rejected, "kashflow_refused"),
    ],
)
def test_texts_of_refusals(text, kind, code):
    error = refusals.refusal("InsertInvoice", text, refusals.Effect.WRITE)
    assert type(error) is kind and error.code == code and text in error.operator_text


def test_time_out_inside_kashflow_is_retried_on_a_read():
    error = refusals.refusal("GetInvoice", "Execution Timeout Expired.", refusals.Effect.READ)
    assert type(error) is Retryable


async def test_odd_refusal_is_shown_with_its_text(desk):
    desk.faults({"kind": "refuse", "operations": [desk.operation(*INSERT)], "text": "Computer says no"})
    with pytest.raises(Rejected) as refused:
        await some_invoice(desk)
    assert "Computer says no" in refused.value.customer_text and refused.value.code == "kashflow_computer_says_no"


async def test_odd_refusal_of_a_look_up_is_not_taken_for_not_found(desk):
    """Else a refusal in a bad moment would make a second customer."""
    read = desk.operation("GetCustomer", "GET /v2/customers/{code}")
    desk.faults({"kind": "refuse", "operations": [read], "text": "Computer says no"})
    with pytest.raises(Rejected):
        await desk.run("find_customer", {"code": "NOP00001"})


@pytest.mark.parametrize("rule", [{"kind": "html_error"}, {"kind": "status", "status": 503}, {"kind": "sql_timeout"}])
async def test_trouble_at_kashflow_on_a_write_is_an_unknown_outcome(desk, rule):
    draft = invoice(await some_customer(desk))
    desk.faults({**rule, "operations": [desk.operation(*INSERT)]})
    with pytest.raises(OutcomeUnknown):
        await desk.run("create_invoice", draft)
    assert desk.door.count(desk.operation(*INSERT)) == 1
    assert desk.calls()[desk.operation(*INSERT)] == 1, "never repeated blind"


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "html_error"},
        {"kind": "status", "status": 503},
        {"kind": "sql_timeout"},
        {"kind": "truncated"},
        {"kind": "cut_after"},
    ],
)
async def test_trouble_at_kashflow_on_a_read_is_tried_again_later(desk, rule):
    desk.faults({**rule, "operations": [desk.operation(*READ)]})
    with pytest.raises(Retryable):
        await desk.run("find_customer", {"email": "jo@example.test"})


async def test_short_trouble_on_a_read_is_not_even_noticed(desk):
    desk.faults({"kind": "html_error", "operations": [desk.operation(*READ)], "times": 1})
    assert await desk.run("find_customer", {"email": "jo@example.test"}) is None


async def test_too_many_requests_waits_as_told(desk):
    draft = invoice(await some_customer(desk))
    desk.faults({"kind": "rate_limit", "operations": [desk.operation(*INSERT)], "retry_after": 7})
    with pytest.raises(RateLimited) as waits:
        await desk.run("create_invoice", draft)
    assert waits.value.after_seconds == 7 and desk.invoices() == []


async def test_fault_means_not_done(soap):
    made = await some_invoice(soap)
    ledger = SoapLedger(soap.door._door, soap.client.address, soap.client._login)
    wrong = Record(PAYMENT, {"PayInvoice": int(made.number), "PayAmount": "nineteen"})
    with pytest.raises(Rejected) as refused:
        await ledger._write("InsertInvoicePayment", [("InvoicePayment", wrong)], lambda reply: None)
    assert refused.value.code == "soap_fault" and refused.value.provider_code.startswith("soap:")
    assert soap.invoices()[0]["payments"] == []


# REST sessions


async def test_one_log_in_serves_many_calls(rest):
    await asyncio.gather(*(rest.run("find_customer", {"code": f"X{n}"}) for n in range(20)))
    assert rest.calls()["POST /v2/sessiontoken"] == 1


async def test_dead_session_is_renewed_once_also_for_a_write(rest):
    draft = invoice(await some_customer(rest))
    rest.switch(clock_ahead_seconds=3601)
    assert (await rest.run("create_invoice", draft)).number
    assert rest.calls()["POST /v2/sessiontoken"] == 2 and len(rest.invoices()) == 1


async def test_session_that_dies_at_once_is_not_renewed_for_ever(rest):
    rest.switch(session_idle_minutes=0)
    with pytest.raises(NeedsAttention):
        await rest.run("find_customer", {"code": "X"})
    assert rest.calls()["POST /v2/sessiontoken"] == 2


async def test_trouble_while_logging_in_leaves_the_write_undone(rest):
    customer_id = await some_customer(rest)
    rest.ctx = rest.context(rest.open())
    rest.faults({"kind": "cut_after", "operations": ["PUT /v2/sessiontoken"]})
    with pytest.raises(Retryable):
        await rest.run("create_invoice", invoice(customer_id))
    assert rest.invoices() == []


@pytest.mark.parametrize("style", ["twelve", "twelve_offset", "iso"])
async def test_every_rendering_of_a_date_is_the_day(rest, style):
    rest.switch(rest_dates=style)
    made = await some_invoice(rest)
    await rest.run("record_payment", payment(made.number))
    read = await rest.run("get_invoice", {"number": made.number})
    assert read.issued_date.isoformat() == "2026-03-04" and read.paid == read.gross


async def test_lists_are_read_to_their_end(rest, monkeypatch):
    monkeypatch.setattr("connectors.kashflow.client_rest.ROWS_PER_PAGE", 7)
    listed = await rest.run("list_products", {})
    assert len(listed.products) == len(rest.books()["products"]) > 7


async def test_customer_nobody_has_is_rejected(desk):
    for customer_id in ("999999999", "NOP1"):
        with pytest.raises(Rejected):
            await desk.run("create_invoice", invoice(customer_id))
