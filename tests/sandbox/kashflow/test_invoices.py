import pytest

from tests.sandbox.kashflow.client import Raw, lines, xml


def test_number_is_highest_plus_one_and_the_dbid_something_else(kashflow):
    assert [kashflow.invoice() for _ in range(3)] == [1, 2, 3]
    assert int(kashflow.get(3)["InvoiceDBID"]) > 1_000_000
    kashflow.soap("DeleteInvoice", InvoiceNumber=3)
    assert kashflow.invoice() == 3


def test_figures_the_caller_sends_are_ignored(kashflow):
    number = kashflow.invoice(NetAmount="999", VATAmount="999", AmountPaid="999", Paid="1")
    invoice = kashflow.get(number)
    assert (invoice["NetAmount"], invoice["VATAmount"], invoice["AmountPaid"], invoice["Paid"]) == (
        "10.0000",
        "2.0000",
        "0.0000",
        "0",
    )


def test_net_is_rounded_half_up_line_by_line(kashflow):
    number = kashflow.invoice(*(kashflow.line("1.5", "0.03", "0") for _ in range(3)))
    assert kashflow.get(number)["NetAmount"] == "0.1500"


def test_sent_vat_is_kept_even_when_it_disagrees_with_the_rate(kashflow):
    number = kashflow.invoice(kashflow.line(vat="0"), kashflow.line(vat="1.99"))
    assert kashflow.get(number)["VATAmount"] == "1.9900"


def test_recompute_ignores_the_sent_vat(kashflow):
    kashflow.settings(vat_arithmetic="recompute")
    rows = [kashflow.line(rate=rate, vat="9") for rate in ("8.33", "10.82", "10.82")]
    exempt = kashflow.line(rate="5", vat="9", VatRate="-1")
    invoice = kashflow.get(kashflow.invoice(*rows, exempt))
    assert [line["VatAmount"] for line in invoice["Lines"]] == ["1.6700", "2.1600", "2.1600", "0.0000"]


def test_recompute_rounds_a_half_penny_up_on_the_whole_line(kashflow):
    kashflow.settings(vat_arithmetic="recompute")
    number = kashflow.invoice(kashflow.line("3", "0.175", "0", VatRate="5"))  # 0.02625 → 0.03
    assert kashflow.get(number)["VATAmount"] == "0.0300"


def test_rate_keeps_the_places_the_switch_says(kashflow):
    long = kashflow.line("3", "1.66665", "0")
    assert kashflow.get(kashflow.invoice(long, long))["Lines"][0]["Rate"] == "1.6667"
    kashflow.settings(rate_decimals=2)
    invoice = kashflow.get(kashflow.invoice(long, kashflow.line("1", "0.125", "0")))
    assert [line["Rate"] for line in invoice["Lines"]] == ["1.6700", "0.1300"]
    assert invoice["NetAmount"] == "5.1400"


def test_unknown_customer_and_currency_are_refused_in_invented_words(kashflow):
    unknown = kashflow.soap("InsertInvoice", Inv={"CustomerID": 7, "Lines": lines(kashflow.line())})
    assert (unknown.status, unknown.result) == ("NO", "0")
    assert unknown.detail.endswith("[stand-in wording]")
    foreign = {"CustomerID": kashflow.customer(), "CurrencyCode": "JPY", "Lines": lines(kashflow.line())}
    assert "JPY" in kashflow.soap("InsertInvoice", Inv=foreign).detail
    assert kashflow.state()["invoices"] == []


def test_supplied_number_is_used_when_free_and_refused_when_taken(kashflow):
    assert kashflow.invoice(InvoiceNumber=50) == 50
    assert kashflow.invoice() == 51
    given = {"InvoiceNumber": 50, "CustomerID": kashflow.customer(), "Lines": lines(kashflow.line())}
    assert kashflow.soap("InsertInvoice", Inv=given).status == "NO"


def test_supplied_number_can_overwrite_the_older_invoice(kashflow):
    kashflow.settings(supplied_invoice_number="overwrite_if_taken")
    kashflow.invoice(InvoiceNumber=50, CustomerReference="OLD")
    assert kashflow.invoice(kashflow.line(rate="1", vat="0.2"), InvoiceNumber=50, CustomerReference="NEW") == 50
    stored = kashflow.state()["invoices"]
    assert [(row["invoice_number"], row["customer_reference"], row["gross_amount"]) for row in stored] == [
        (50, "NEW", "1.2000")
    ]


def test_typed_twin_takes_lines_without_xsi_type(kashflow):
    typed = Raw(f"<InvoiceLine>{xml(**kashflow.line())}</InvoiceLine>")
    given = {"InvoiceDate": "2026-03-04T00:00:00", "CustomerID": kashflow.customer(), "Lines": typed}
    number = int(kashflow.soap("InsertInvoice_TypeDefined", Inv_TD=given).ok)
    invoice = kashflow.soap("GetInvoice_TypeDefined", InvoiceNumber=number).ok
    assert invoice["NetAmount"] == "10.0000"
    assert "PermaLink" not in invoice


def test_line_with_an_unknown_nominal_lands_in_other(kashflow):
    invoice = kashflow.get(kashflow.invoice(kashflow.line(ChargeType=100)))
    assert int(invoice["Lines"][0]["ChargeType"]) == kashflow.nominal(0)


def test_update_replaces_all_lines_and_gives_new_line_ids(kashflow):
    number = kashflow.invoice(kashflow.line(), kashflow.line())
    before = kashflow.get(number)
    given = {"InvoiceNumber": number, "InvoiceDate": "2026-03-05T00:00:00", "CustomerID": before["CustomerID"]}
    given["Lines"] = lines(kashflow.line(rate="3", vat="0.6"))
    assert kashflow.soap("UpdateInvoice", Inv=given).status == "OK"
    after = kashflow.get(number)
    assert after["NetAmount"] == "3.0000"
    assert after["InvoiceDBID"] == before["InvoiceDBID"]
    assert not {line["LineID"] for line in after["Lines"]} & {line["LineID"] for line in before["Lines"]}


def test_header_update_leaves_the_lines(kashflow):
    number = kashflow.invoice()
    before = kashflow.get(number)
    given = {"InvoiceNumber": number, "InvoiceDate": "2026-04-01T00:00:00", "CustomerID": before["CustomerID"]}
    assert kashflow.soap("UpdateInvoiceHeader", Inv={**given, "CustomerReference": "R"}).status == "OK"
    after = kashflow.get(number)
    assert (after["InvoiceDate"][:10], after["CustomerReference"]) == ("2026-04-01", "R")
    assert after["Lines"] == before["Lines"]


def test_update_moves_the_invoice_between_days_and_customers(kashflow):
    jo, al = kashflow.customer(), kashflow.customer()
    number = kashflow.invoice(customer=jo)
    given = {"InvoiceNumber": number, "InvoiceDate": "2026-04-01T00:00:00", "CustomerID": al}
    assert kashflow.soap("UpdateInvoiceHeader", Inv=given).status == "OK"
    assert kashflow.soap("GetInvoicesForCustomer", CustID=jo).ok == ""
    assert len(kashflow.soap("GetInvoicesForCustomer", CustID=al).ok) == 1
    march = {"StartDate": "2026-03-01T00:00:00", "EndDate": "2026-03-31T00:00:00"}
    assert kashflow.soap("GetInvoicesByDateRange", **march).ok == ""


def test_lines_are_added_and_deleted_one_by_one(kashflow):
    number = kashflow.invoice()
    dbid = kashflow.get(number)["InvoiceDBID"]
    by_number = kashflow.soap(
        "InsertInvoiceLineWithInvoiceNumber", InvoiceNumber=number, InvLine=kashflow.line(rate="1")
    ).ok
    by_id = kashflow.soap("InsertInvoiceLine", InvoiceID=dbid, InvLine=kashflow.line(rate="2")).ok
    assert kashflow.get(number)["NetAmount"] == "13.0000"
    assert kashflow.soap("DeleteInvoiceLine", LineID=by_number, InvoiceNumber=number).ok == "1"
    assert kashflow.soap("DeleteInvoiceLineWithInvoiceID", LineID=by_id, InvoiceID=dbid).ok == "1"
    assert kashflow.soap("DeleteInvoiceLine", LineID=by_id, InvoiceNumber=number).ok == "0"
    assert kashflow.get(number)["NetAmount"] == "10.0000"


def test_delete_by_number_and_by_id(kashflow):
    first, other = kashflow.invoice(), kashflow.invoice()
    dbid = kashflow.get(other)["InvoiceDBID"]
    assert kashflow.soap("DeleteInvoice", InvoiceNumber=first).ok == "1"
    assert kashflow.soap("DeleteInvoiceByID", InvoiceID=dbid).ok == "1"
    assert kashflow.soap("DeleteInvoice", InvoiceNumber=first).ok == "0"
    assert kashflow.state()["invoices"] == []


def test_lists_by_date_customer_recent_unpaid_and_overdue(kashflow):
    jo = kashflow.customer()
    march = kashflow.invoice(customer=jo, DueDate="2099-01-01T00:00:00")
    april = kashflow.invoice(InvoiceDate="2026-04-30T00:00:00")

    def numbers(operation, **members):
        return [int(row["InvoiceNumber"]) for row in kashflow.soap(operation, **members).ok or []]

    span = {"StartDate": "2026-03-04T00:00:00", "EndDate": "2026-04-30T00:00:00"}
    assert numbers("GetInvoicesByDateRange", **span) == [march, april]
    assert numbers("GetInvoicesByDateRange", **{**span, "StartDate": "2026-03-05T00:00:00"}) == [april]
    assert numbers("GetInvoicesByDateRange", **{**span, "EndDate": "2026-04-29T00:00:00"}) == [march]
    assert numbers("GetInvoicesForCustomer", CustID=jo) == [march]
    assert numbers("GetInvoices_Recent", NumberOfInvoices=1) == [april]
    assert numbers("GetInvoices_Unpaid") == [march, april]
    assert numbers("GetInvoices_Overdue") == [april]
    kashflow.pay(april, "12").ok  # noqa: B018
    assert numbers("GetInvoices_Unpaid") == [march]


def test_delivery_address_notes_and_link(kashflow):
    address = {"Name": "Jo", "Line1": "2 Side Street", "PostCode": "EX2 2EX", "CountryCode": "GB"}
    number = kashflow.invoice(DeliveryAddress=address, UseCustomDeliveryAddress="true")
    invoice = kashflow.get(number)
    assert (invoice["DeliveryAddress"]["Line1"], invoice["UseCustomDeliveryAddress"]) == ("2 Side Street", "true")
    assert invoice["PermaLink"].startswith("https://api.kashflow.com/v2/documents/invoice/")
    dbid = invoice["InvoiceDBID"]
    noted = kashflow.soap("InsertInvoiceNote", InvoiceId=dbid, NoteDate="2026-03-04T00:00:00", Notes="Hello")
    assert noted.ok == "true"
    assert kashflow.soap("GetInvoiceNotes", InvoiceId=dbid).ok[0]["Notes"] == "Hello"


def test_foreign_invoice_converts_home_figures_unless_told_they_are_foreign(kashflow):
    foreign = {"CurrencyCode": "USD", "ExchangeRate": "1.25"}
    converted = kashflow.get(kashflow.invoice(kashflow.line(), **foreign))
    as_given = kashflow.get(kashflow.invoice(kashflow.line(ValuesInCurrency="1"), **foreign))
    assert (converted["NetAmount"], converted["VATAmount"]) == ("12.5000", "2.5000")
    assert (as_given["NetAmount"], as_given["ExchangeRate"]) == ("10.0000", "1.2500")
    assert kashflow.get(kashflow.invoice(ExchangeRate="0"))["ExchangeRate"] == "1.0000"


@pytest.mark.parametrize("setting", [{"deny_locked_before": "2026-04-01"}, {"invoice_limit_reached": True}])
def test_locked_period_and_used_up_plan_refuse(kashflow, setting):
    kashflow.settings(**setting)
    given = {"InvoiceDate": "2026-03-31T00:00:00", "CustomerID": kashflow.customer(), "Lines": lines(kashflow.line())}
    answer = kashflow.soap("InsertInvoice", Inv=given)
    assert (answer.status, answer.detail.endswith("[stand-in wording]")) == ("NO", True)


def test_locked_period_protects_what_is_in_it(kashflow):
    number = kashflow.invoice()
    kashflow.settings(deny_locked_before="2026-04-01")
    assert kashflow.soap("DeleteInvoice", InvoiceNumber=number).status == "NO"
    assert kashflow.pay(number, "12").status == "NO"
    assert kashflow.pay(number, "12", PayDate="2026-04-01T00:00:00").status == "OK"
