import time

import pytest

from tests.sandbox.kashflow.client import lines


def paid(kashflow, number):
    invoice = kashflow.get(number)
    return invoice["Paid"], invoice["AmountPaid"]


def test_invoice_is_paid_when_payments_reach_the_gross(kashflow):
    number = kashflow.invoice()
    kashflow.pay(number, "11.99").ok  # noqa: B018
    assert paid(kashflow, number) == ("0", "11.9900")
    kashflow.pay(number, "0.01").ok  # noqa: B018
    assert paid(kashflow, number) == ("1", "12.0000")


def test_deleting_a_payment_opens_the_invoice_again(kashflow):
    number = kashflow.invoice()
    pay_id = kashflow.pay(number, "12").ok
    assert kashflow.soap("DeleteInvoicePayment", InvoicePaymentNumber=pay_id).status == "OK"
    assert paid(kashflow, number) == ("0", "0.0000")
    assert kashflow.soap("DeleteInvoicePayment", InvoicePaymentNumber=pay_id).status == "NO"


def test_payment_names_the_invoice_by_number_not_by_id(kashflow):
    number = kashflow.invoice()
    assert kashflow.pay(kashflow.get(number)["InvoiceDBID"], "12").status == "NO"
    kashflow.pay(number, "12").ok  # noqa: B018
    rows = kashflow.soap("GetInvoicePayment", InvoiceNumber=number).ok
    assert [(row["PayInvoice"], row["PayAmount"], row["PayNote"]) for row in rows] == [
        (str(number), "12.0000", "SHOP-1001")
    ]


@pytest.mark.parametrize("member", ["PayMethod", "PayAccount", "PayInvoice"])
def test_unknown_ids_are_refused(kashflow, member):
    assert kashflow.pay(kashflow.invoice(), "12", **{member: 999}).status == "NO"


def test_over_payment_is_accepted(kashflow):
    number = kashflow.invoice()
    kashflow.pay(number, "20").ok  # noqa: B018
    assert paid(kashflow, number) == ("1", "20.0000")


def test_foreign_invoice_is_paid_in_home_currency(kashflow):
    line = kashflow.line("1", "100", "20", ValuesInCurrency="1")
    number = kashflow.invoice(line, CurrencyCode="USD", ExchangeRate="1.25")
    kashflow.pay(number, "95.99").ok  # noqa: B018
    assert paid(kashflow, number)[0] == "0"
    kashflow.pay(number, "0.01").ok  # noqa: B018
    assert paid(kashflow, number)[0] == "1"


def test_payments_by_date_come_in_pages_until_empty(kashflow):
    number = kashflow.invoice()
    for _ in range(51):
        kashflow.pay(number, "0.01").ok  # noqa: B018
    span = {"StartDate": "2026-03-01T00:00:00", "EndDate": "2026-03-31T00:00:00"}
    pages = [kashflow.soap("GetInvoicePaymentsByDateRange", **span, PageNumber=page).ok for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 1, 0]
    assert kashflow.soap("GetInvoicePaymentsCountforDateRange", **span).ok == "51"


def credit_note(kashflow, customer, reference="SHOP-1001-CR1"):
    return kashflow.invoice(kashflow.line("1", "-10", "-2"), customer=customer, CustomerReference=reference)


def test_credit_note_is_a_negative_invoice_paid_by_money_back(kashflow):
    note = credit_note(kashflow, kashflow.customer())
    assert (kashflow.get(note)["NetAmount"], paid(kashflow, note)[0]) == ("-10.0000", "0")
    kashflow.pay(note, "-12").ok  # noqa: B018
    assert paid(kashflow, note) == ("1", "-12.0000")


def test_applying_a_credit_note_makes_two_opposite_payments(kashflow):
    customer = kashflow.customer()
    number, note = kashflow.invoice(customer=customer), credit_note(kashflow, customer)
    ids = {"InvoiceID": kashflow.get(number)["InvoiceDBID"], "CreditNoteID": kashflow.get(note)["InvoiceDBID"]}
    by_number = kashflow.soap("applyCreditNoteToInvoice", InvoiceID=number, CreditNoteID=note)
    assert (by_number.status, by_number.result) == ("NO", "false")
    assert kashflow.soap("applyCreditNoteToInvoice", **ids).ok == "true"
    assert (paid(kashflow, number), paid(kashflow, note)) == (("1", "12.0000"), ("1", "-12.0000"))
    overview = {row["AccountName"]: row["Balance"] for row in kashflow.soap("GetBankOverview").ok}
    assert set(overview.values()) == {"0.0000"}
    assert kashflow.soap("applyCreditNoteToInvoice", **ids).status == "NO"


def test_advance_payment_is_listed_and_allocated(kashflow):
    customer = kashflow.customer()
    number = kashflow.invoice(customer=customer)
    advance = {"accid": kashflow.bank(), "TransactionDate": "2026-03-01T00:00:00", "moneyin": "20", "moneyout": "0"}
    advance |= {"TransactionType": kashflow.nominal(1200), "CustomerId": customer, "Comment": "on account"}
    tx = kashflow.soap("InsertBankTransaction", bp=advance).ok
    other = kashflow.soap("InsertBankTransaction", bp={**advance, "TransactionType": kashflow.nominal(9990)}).ok
    rows = kashflow.soap("GetCustomerAdvancePayments", CustomerId=customer).ok
    assert [row["ID"] for row in rows] == [tx]
    assert kashflow.soap("AllocateAdvancePaymentToInvoice", InvoiceNumber=number, BankTxId=other).status == "NO"
    pay_id = kashflow.soap("AllocateAdvancePaymentToInvoice", InvoiceNumber=number, BankTxId=tx).ok
    assert paid(kashflow, number) == ("1", "12.0000")
    balance = kashflow.soap("GetBankBalance", AccountID=kashflow.bank(), BalanceDate="2026-12-31T00:00:00").ok
    assert balance == "40.0000"
    kashflow.soap("DeleteInvoicePayment", InvoicePaymentNumber=pay_id)
    assert paid(kashflow, number)[0] == "0"
    assert kashflow.state()["bank_transactions"][0]["allocated"] in ("0", "0.0000")


def test_rows_say_when_and_by_what_they_took_effect(kashflow):
    before = time.time()
    number = kashflow.invoice()
    kashflow.pay(number, "12").ok  # noqa: B018
    invoice = kashflow.state()["invoices"][0]
    assert (invoice["made_by"], invoice["payments"][0]["made_by"]) == ("InsertInvoice", "InsertInvoicePayment")
    assert before <= invoice["created_at"] <= invoice["payments"][0]["created_at"] <= time.time()


def test_other_lines_need_no_product(kashflow):
    given = {"CustomerID": kashflow.customer(), "Lines": lines(kashflow.line(ProductID="0"))}
    assert kashflow.soap("InsertInvoice", Inv=given).status == "OK"
