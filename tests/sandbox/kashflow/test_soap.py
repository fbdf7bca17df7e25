"""The SOAP transport itself: versions, credentials, strictness, formats."""

import pytest

from tests.sandbox.kashflow.client import SOAP12, Raw, lines, xml

COMPANY = '<GetCompanyDetails xmlns="KashFlow"><UserName>demo</UserName><Password>demo-password</Password></{}>'.format(
    "GetCompanyDetails"
)


def test_both_versions_answer_in_kind_with_or_without_soap_action(kashflow):
    plain = kashflow.post(COMPANY, "GetCompanyDetails")
    assert plain.ok["CompanyName"] == "Demo Homewares"
    assert plain.response.headers["Content-Type"] == "text/xml; charset=utf-8"
    twelve = kashflow.post(
        COMPANY,
        "GetCompanyDetails",
        namespace=SOAP12,
        headers={"Content-Type": "application/soap+xml; charset=utf-8; action=KashFlow/GetCompanyDetails"},
    )
    assert twelve.ok["CompanyName"] == "Demo Homewares"
    assert twelve.response.headers["Content-Type"] == "application/soap+xml; charset=utf-8"
    acted = {"Content-Type": "text/xml", "SOAPAction": '"KashFlow/GetCompanyDetails"'}
    assert kashflow.post(COMPANY, "GetCompanyDetails", headers=acted).ok


def test_wrong_credentials_are_a_refusal_with_http_200(kashflow):
    kashflow.password = "wrong"
    answer = kashflow.soap("GetCustomers")
    assert (answer.response.status_code, answer.status) == (200, "NO")
    assert answer.detail == "Incorrect username or password"
    kashflow.user = "nobody"
    assert kashflow.soap("GetCustomers").detail == "Incorrect username or password"


def test_credentials_come_before_the_allow_list(kashflow):
    kashflow.settings(ip_allow_list=True)
    assert kashflow.soap("GetCustomers").detail == "The IP address of 127.0.0.1 is not in the access list"
    kashflow.password = "wrong"
    assert kashflow.soap("GetCustomers").detail == "Incorrect username or password"


def test_address_on_the_list_is_let_in(kashflow):
    kashflow.settings(ip_allow_list=True, ip_allowed_addresses=["127.0.0.1"])
    assert kashflow.soap("GetCompanyDetails").ok


def test_auto_auth_ip_adds_the_caller_when_the_key_matches(kashflow):
    kashflow.settings(ip_allow_list=True)
    bad = kashflow.soap("AutoAuthIP", appName="Shop", AutoAuthKey="0000AAAA-0000")
    assert (bad.status, kashflow.soap("GetCompanyDetails").status) == ("NO", "NO")
    assert kashflow.soap("AutoAuthIP", appName="Shop", AutoAuthKey="1234ABCD-1234").ok == "1"
    assert kashflow.soap("GetCompanyDetails").ok


def test_separate_api_password_refuses_the_login_password(kashflow):
    kashflow.settings(password="separate_api")
    assert kashflow.soap("GetCompanyDetails").detail == "Incorrect username or password"
    kashflow.password = "demo-api-password"
    assert kashflow.soap("GetCompanyDetails").ok


def test_two_companies_are_told_apart_and_share_nothing(kashflow, second):
    assert second.soap("GetCompanyDetails").ok["CompanyName"] == "Second Demo Trading"
    kashflow.invoice()
    assert second.soap("GetInvoice", InvoiceNumber=1).status == "NO"
    mine, theirs = ({row["MethodID"] for row in client.soap("GetInvPayMethods").ok} for client in (kashflow, second))
    assert not mine & theirs


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("GetInvoice", {"InvoiceNumber": ""}),
        ("GetInvoice", {"InvoiceNumber": "1.5"}),
        ("InsertInvoicePayment", {"InvoicePayment": {"PayAmount": ""}}),
        ("InsertInvoicePayment", {"InvoicePayment": {"PayAmount": "1,5"}}),
        ("GetInvoicesByDateRange", {"StartDate": "", "EndDate": ""}),
        ("GetInvoicesByDateRange", {"StartDate": "04/03/2026", "EndDate": "2026-03-04T00:00:00"}),
        ("InsertCustomer", {"custr": {"ShowDiscount": ""}}),
    ],
)
def test_text_that_is_no_value_is_a_fault(kashflow, operation, members):
    answer = kashflow.soap(operation, **members)
    assert answer.response.status_code == 500
    assert "Server was unable to read request" in answer.fault


def test_faults_exist_in_soap_12_too(kashflow):
    response = kashflow.post('<Nonsense xmlns="KashFlow" />', namespace=SOAP12).response
    assert response.status_code == 500
    assert b"soap:Sender" in response.content and b"Nonsense" in response.content


def test_unknown_operation_and_broken_xml_are_faults(kashflow):
    assert "did not recognize the value of HTTP Header SOAPAction" in kashflow.soap("GetMoon").fault
    assert "did not recognize" in kashflow.post('<GetCustomers xmlns="Other" />').fault
    for text in ("<not xml", "", "<a/>"):
        assert kashflow.send(text).status_code == 500
    assert kashflow.calls() == {"GetCustomers": 1, "unknown": 1, "unreadable": 3}


def test_entities_are_not_expanded(kashflow):
    bomb = '<!DOCTYPE a [<!ENTITY b "boo">]>' + f'<s:Envelope xmlns:s="{SOAP12}"><s:Body>&b;</s:Body></s:Envelope>'
    response = kashflow.send(bomb)
    assert response.status_code == 500
    assert b"DTD is prohibited" in response.content


def test_unknown_elements_are_ignored_and_unqualified_ones_dropped(kashflow):
    body = xml(custr={"Name": "Jo", "Shoe": "42", "Code": "JO1"})
    assert kashflow.soap("InsertCustomer", body).status == "OK"
    unqualified = Raw('<custr><Code xmlns="">DROPPED</Code><Name xmlns="">x</Name></custr>')
    kashflow.soap("InsertCustomer", unqualified)
    codes = [row["code"] for row in kashflow.state()["customers"]]
    assert codes[0] == "JO1" and "DROPPED" not in codes


def test_missing_members_are_zero_and_empty(kashflow):
    customer = kashflow.soap("GetCustomerByID", CustomerID=kashflow.customer()).ok
    assert (customer["PaymentTerms"], customer["Discount"], customer["ExtraText20"], customer["CheckBox20"]) == (
        "0",
        "0.0000",
        "",
        "0",
    )


def test_invoice_lines_need_their_type(kashflow):
    untyped = Raw(f"<anyType>{xml(**kashflow.line())}</anyType>")
    answer = kashflow.soap("InsertInvoice", Inv={"CustomerID": kashflow.customer(), "Lines": untyped})
    assert answer.response.status_code == 500
    assert "The specified type was not recognized" in answer.fault
    wrong = lines(kashflow.line(), kind="JournalLine")
    assert kashflow.soap("InsertInvoice", Inv={"Lines": wrong}).fault


def test_decimals_have_four_places_and_dates_no_time(kashflow):
    number = kashflow.invoice(kashflow.line(rate="8.33", vat="1.67"), InvoiceDate="2026-03-04T22:44:00")
    invoice = kashflow.get(number)
    assert (invoice["NetAmount"], invoice["VATAmount"]) == ("8.3300", "1.6700")
    assert invoice["InvoiceDate"] == "2026-03-04T00:00:00"
    assert "04/03/2026" in invoice["ReadableString"]


def test_unset_date_has_the_year_one(kashflow):
    number = kashflow.invoice(DueDate="0001-01-01T00:00:00")
    assert kashflow.get(number)["DueDate"] == "0001-01-01T00:00:00"


def test_text_with_markup_and_control_characters_survives(kashflow):
    kashflow.customer(Name="R&D <b>Ltd</b> – Zoë", Code="RD")
    assert kashflow.soap("GetCustomer", CustomerCode="rd").ok["Name"] == "R&D <b>Ltd</b> – Zoë"


def test_status_only_operations_have_no_result(kashflow):
    number = kashflow.invoice()
    sent = kashflow.soap("EmailInvoice", InvoiceNumber=number, RecipientEmail="jo@example.test")
    assert sent.status == "OK"
    assert sent.result_element is None


def test_account_facts(kashflow):
    assert kashflow.soap("isUserVATRegistered").ok == "true"
    assert [row["Value"] for row in kashflow.soap("GetVATRates").ok] == ["0.0000", "5.0000", "20.0000"]
    currencies = {row["CurrencyCode"]: row for row in kashflow.soap("GetCurrencies").ok}
    assert set(currencies) == {"GBP", "EUR", "USD"}
    assert currencies["GBP"]["isDefault"] == "1"
    assert kashflow.soap("GetUserAccountDefaults").ok["isVATRegistered"] == "true"
    codes = kashflow.soap("GetNominalCodesExtended").ok
    assert all(row["id"] != row["Code"] for row in codes)
    goods = next(row for row in codes if row["Code"] == "100")
    assert (goods["TypeID"], goods["TypeName"], goods["ClassificationName"]) == ("1", "Turnover", "Sales Type")
