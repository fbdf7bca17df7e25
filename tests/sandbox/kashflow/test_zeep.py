"""A real SOAP client that somebody else wrote, against our description and against the published one."""

import datetime as dt
import os
from decimal import Decimal
from pathlib import Path

import pytest
import zeep
from lxml import etree

from tests.sandbox.kashflow.client import Client

WHERE = Path(os.environ.get("CAUSEWAY_SPECS") or Path(__file__).parents[4] / "shared" / "systems" / "specs")
PUBLISHED = WHERE / "kashflow" / "kashflow-soap-service.wsdl"
USER = {"UserName": "demo", "Password": "demo-password"}


def our_description(kashflow: Client):
    return zeep.Client(f"{kashflow.url}/api/service.asmx?WSDL").service


def published_description(kashflow: Client):
    client = zeep.Client(str(PUBLISHED))
    return client.create_service("{KashFlow}KashFlowAPISoap", f"{kashflow.url}/api/service.asmx")


@pytest.fixture(
    params=[
        pytest.param(our_description, id="generated"),
        pytest.param(
            published_description,
            id="published" if PUBLISHED.exists() else "published-skipped-because-CAUSEWAY_SPECS-has-no-description",
            marks=pytest.mark.skipif(not PUBLISHED.exists(), reason=f"no published description at {PUBLISHED}"),
        ),
    ]
)
def service(request, kashflow):
    return request.param(kashflow)


def ok(answer):
    assert answer["Status"] == "OK", answer["StatusDetail"]
    return next((answer[name] for name in answer if name.endswith("Result")), None)


NEVER = dt.datetime(1, 1, 1)
CUSTOMER = {
    **dict.fromkeys(("CustomerID", "EC", "OutsideEC", "Source", "PaymentTerms", "CurrencyID"), 0),
    **{f"CheckBox{number}": 0 for number in range(1, 21)},
    "Discount": Decimal(0),
    "ShowDiscount": False,
    "Created": NEVER,
    "Updated": NEVER,
}
INVOICE = {
    **dict.fromkeys(("InvoiceDBID", "InvoiceNumber", "Paid", "SuppressTotal", "ProjectID"), 0),
    "ExchangeRate": Decimal(1),
    "NetAmount": Decimal(0),
    "VATAmount": Decimal(0),
    "AmountPaid": Decimal(0),
}
LINE = {"Sort": 1, "ProjID": 0, "LineID": 0, "ProductID": 0}


def test_customer_invoice_payment_and_product(service, kashflow):
    customer_id = ok(service.InsertCustomer(**USER, custr={**CUSTOMER, "Code": "ZEEP1", "Email": "z@example.test"}))
    assert ok(service.GetCustomerByEmail(**USER, CustomerEmail="z@example.test"))["CustomerID"] == customer_id
    missing = service.GetCustomerByEmail(**USER, CustomerEmail="nobody@example.test")
    assert missing["StatusDetail"] == "There is no customer with that email address"

    product = ok(service.GetSubProductByCode(**USER, ProductCode="SKU-001"))
    line = {
        **LINE,
        "Quantity": Decimal(2),
        "Description": "Blue mug",
        "Rate": Decimal("8.33"),
        "ChargeType": product["ParentID"],
        "VatRate": Decimal(20),
        "VatAmount": Decimal("3.33"),
        "ProductID": product["id"],
    }
    typed = {**INVOICE, "CustomerID": customer_id, "InvoiceDate": dt.datetime(2026, 3, 4), "DueDate": NEVER}
    typed |= {"CustomerReference": "SHOP-1", "Lines": {"InvoiceLine": [line]}}
    number = ok(service.InsertInvoice_TypeDefined(**USER, Inv_TD=typed))

    invoice = ok(service.GetInvoice_TypeDefined(**USER, InvoiceNumber=number))
    assert (invoice["NetAmount"], invoice["VATAmount"]) == (Decimal("16.66"), Decimal("3.33"))
    assert invoice["Lines"]["InvoiceLine"][0]["Description"] == "Blue mug"
    assert ok(service.GetSubProductByCode(**USER, ProductCode="SKU-001"))["QtyInStock"] == product["QtyInStock"] - 2

    method = ok(service.GetInvPayMethods(**USER))["PaymentMethod"][0]
    bank = ok(service.GetBankAccounts(**USER))["BankAccount"][0]
    payment = {
        "PayID": 0,
        "PayInvoice": number,
        "PayDate": dt.datetime(2026, 3, 4),
        "PayNote": "SHOP-1",
        "PayMethod": method["MethodID"],
        "PayAccount": bank["AccountID"],
        "PayAmount": Decimal("19.99"),
    }
    ok(service.InsertInvoicePayment(**USER, InvoicePayment=payment))
    assert ok(service.GetInvoicePayment(**USER, InvoiceNumber=number))["Payment"][0]["PayAmount"] == Decimal("19.99")
    span = {"StartDate": dt.datetime(2026, 3, 1), "EndDate": dt.datetime(2026, 3, 31)}
    found = ok(service.GetInvoicesByDateRange(**USER, **span))["Invoice"]
    assert [(row["InvoiceNumber"], row["Paid"]) for row in found] == [(number, 1)]
    assert ok(service.AddOrUpdateSubProduct(**USER, sp={**_plain(product), "QtyInStock": 7})) == product["id"]
    assert ok(service.GetSubProductByID(**USER, ProductID=product["id"]))["QtyInStock"] == 7


def _plain(row):
    return {name: row[name] for name in row}


def test_every_reading_operation_without_parameters_is_understood(service):
    for name in (
        "GetCompanyDetails",
        "isUserVATRegistered",
        "GetVATRates",
        "GetCurrencies",
        "GetUserAccountDefaults_TypeDefined",
        "GetCustomers",
        "GetCustomerSources",
        "GetInvoices_Unpaid",
        "GetInvPayMethods",
        "GetProducts",
        "GetProductsWithSubProducts",
        "GetNominalCodes",
        "GetNominalCodesExtended",
        "GetBankAccounts",
        "GetBankOverview",
        "GetBankTxTypes",
        "GetJournals",
    ):
        ok(getattr(service, name)(**USER))


def test_untyped_lines_are_read(service, kashflow):
    number = kashflow.invoice()
    invoice = ok(service.GetInvoice(**USER, InvoiceNumber=number))
    assert invoice["Lines"]["anyType"][0]["Rate"] == Decimal("10.0000")


def test_company_details_hold_the_published_members_only(service):
    company = ok(service.GetCompanyDetails(**USER))
    assert (company["CompanyName"], company["VatRegistered"]) == ("Demo Homewares", "Yes")


def described(text):
    """Every element and type of a description with its members: name, type, how often, in their order."""
    schema = etree.fromstring(text).find(f".//{XS}schema")
    found = {}
    for top in schema:
        members = [
            tuple(element.get(name, "") for name in ("name", "type", "minOccurs", "maxOccurs"))
            for element in top.iterdescendants(f"{XS}element")
        ]
        base = top.find(f".//{XS}extension")
        found[top.tag, top.get("name")] = (base.get("base") if base is not None else None, members)
    return found


XS = "{http://www.w3.org/2001/XMLSchema}"


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"no published description at {PUBLISHED}")
def test_our_description_is_a_part_of_the_published_one(kashflow):
    ours = described(kashflow.http.get("/api/service.asmx?WSDL").content)
    theirs = described(PUBLISHED.read_bytes())
    assert len(ours) > 200
    assert {key: theirs.get(key) for key in ours} == ours
