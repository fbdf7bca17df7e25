"""Faults on the transports of this stand-in: what is done, what is seen, what is counted."""

import time

import httpx
import pytest

from tests.sandbox.kashflow.client import lines


def insert(kashflow, customer, **members):
    given = {"CustomerID": customer, "InvoiceDate": "2026-03-04T00:00:00", "CustomerReference": "SHOP-1001", **members}
    return kashflow.soap("InsertInvoice", Inv={**given, "Lines": lines(kashflow.line())})


def until(true, seconds=3.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize(("kind", "done"), [("cut_before", 0), ("cut_after", 1), ("half_answer", 1)])
def test_only_the_aimed_operation_is_cut(kashflow, kind, done):
    customer = kashflow.customer()
    kashflow.faults({"kind": kind, "operations": ["InsertInvoice"], "times": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        insert(kashflow, customer)
    assert len(kashflow.state()["invoices"]) == done
    arrival = kashflow.http.get("/control/arrivals").json()[-1]
    assert (arrival["operation"], arrival["reference"], arrival["faults"]) == ("InsertInvoice", "SHOP-1001", [kind])
    assert insert(kashflow, customer).status == "OK"
    assert kashflow.calls()["InsertInvoice"] == 2


def test_write_lands_after_the_client_has_looked(kashflow):
    customer = kashflow.customer()
    kashflow.faults({"kind": "late_landing", "operations": ["Insert*"], "seconds": 0.4, "times": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        insert(kashflow, customer)
    span = {"StartDate": "2026-03-04T00:00:00", "EndDate": "2026-03-04T00:00:00"}
    assert kashflow.soap("GetInvoicesByDateRange", **span).ok == ""
    until(lambda: kashflow.soap("GetInvoicesByDateRange", **span).ok)


def test_written_but_unreadable_everywhere_for_a_while(kashflow):
    customer = kashflow.customer()
    kashflow.faults({"kind": "unreadable", "operations": ["InsertInvoice"], "seconds": 0.5, "cut": True})
    with pytest.raises(httpx.RemoteProtocolError):
        insert(kashflow, customer)
    assert len(kashflow.state()["invoices"]) == 1
    assert kashflow.soap("GetInvoice", InvoiceNumber=1).status == "NO"
    assert kashflow.soap("GetInvoicesForCustomer", CustID=customer).ok == ""
    assert kashflow.rest("GET", "/invoices").json()["Data"] == []
    until(lambda: kashflow.soap("GetInvoice", InvoiceNumber=1).status == "OK")


def test_a_payment_stays_unreadable_while_its_invoice_is_seen(kashflow):
    number = kashflow.invoice()
    kashflow.faults({"kind": "unreadable", "operations": ["InsertInvoicePayment"], "seconds": 0.5})
    kashflow.pay(number, "12").ok  # noqa: B018
    assert kashflow.get(number)["Paid"] == "0"
    assert kashflow.soap("GetInvoicePayment", InvoiceNumber=number).ok == ""
    until(lambda: kashflow.get(number)["Paid"] == "1")


def test_the_switch_makes_every_read_lag(kashflow):
    kashflow.settings(read_after_write_seconds=0.5)
    customer_id = kashflow.customer(Email="lag@example.test")
    assert kashflow.soap("GetCustomerByEmail", CustomerEmail="lag@example.test").status == "NO"
    assert insert(kashflow, customer_id).status == "OK"
    until(lambda: kashflow.soap("GetCustomerByEmail", CustomerEmail="lag@example.test").status == "OK")


def test_refusal_with_odd_text_on_both_transports(kashflow):
    kashflow.sign_in()
    kashflow.faults({"kind": "refuse", "text": "Computer says <no>"})
    answer = kashflow.soap("GetCustomers")
    assert (answer.response.status_code, answer.status, answer.detail) == (200, "NO", "Computer says <no>")
    refused = kashflow.rest("GET", "/customers")
    assert (refused.status_code, refused.json()["Message"]) == (400, "Computer says <no>")


def test_database_timeout_is_a_400_on_rest(kashflow):
    kashflow.sign_in()
    kashflow.faults({"kind": "sql_timeout", "operations": ["GET /v2/invoices"], "times": 1})
    answer = kashflow.rest("GET", "/invoices")
    assert (answer.status_code, answer.json()["Error"]) == (400, "-2146232060")
    assert answer.json()["Message"].startswith("Execution Timeout Expired.")
    assert kashflow.rest("GET", "/invoices").status_code == 200


def test_html_page_truncated_xml_and_503(kashflow):
    kashflow.faults({"kind": "html_error", "status": 500, "times": 1}, {"kind": "status", "status": 503})
    page, busy = kashflow.send("<x/>"), kashflow.send("<x/>")
    assert (page.status_code, page.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert busy.status_code == 503
    kashflow.faults({"kind": "truncated"})
    with pytest.raises(SyntaxError):
        kashflow.soap("GetCustomers")


def test_rate_limit_in_the_style_of_rest(kashflow):
    kashflow.sign_in()
    kashflow.faults({"kind": "rate_limit", "retry_after": 2, "operations": ["GET /v2/*"]})
    answer = kashflow.rest("GET", "/invoices/7")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert set(answer.json()) == {"Error", "Message"}
    assert kashflow.calls()["GET /v2/invoices/{number}"] == 1
