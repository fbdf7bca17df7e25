"""KashFlow's SOAP types as neutral shapes, and back. Pure; a member we rely on and cannot read raises Unreadable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lxml import etree

from connectors.base.records import Address
from connectors.kashflow.customer_fields import TRADE_EU, TRADE_WORLD, country_to_kashflow
from connectors.kashflow.ledger import (
    Currency,
    DocumentToWrite,
    LedgerCustomer,
    LedgerInvoice,
    LedgerLine,
    LedgerPayment,
    LedgerProduct,
    LineToWrite,
    NamedId,
    Nominal,
    PaymentToWrite,
    ProductToWrite,
)
from connectors.kashflow.soap_types import CUSTOMER, INVOICE, PAYMENT, SUB_PRODUCT, Members
from connectors.kashflow.soap_xml import Record, date_of, date_time_of, decimal_of, int_of, members, text_of, texts

EXEMPT = Decimal(-1)

CUSTOMER_NAMES: Mapping[str, str] = {
    "name": "Name",
    "contact": "Contact",
    "first_name": "ContactFirstName",
    "last_name": "ContactLastName",
    "phone": "Telephone",
    "email": "Email",
    "tax_number": "VATNumber",
    "line1": "Address1",
    "line2": "Address2",
    "line3": "Address3",
    "line4": "Address4",
    "postcode": "Postcode",
    "country_code": "CountryCode",
    "country_name": "CountryName",
    "delivery_line1": "DeliveryAddress1",
    "delivery_line2": "DeliveryAddress2",
    "delivery_line3": "DeliveryAddress3",
    "delivery_line4": "DeliveryAddress4",
    "delivery_postcode": "DeliveryPostcode",
    "delivery_country_code": "DeliveryCountryCode",
    "delivery_country_name": "DeliveryCountryName",
}


@dataclass(frozen=True)
class CompanyDetails:
    name: str
    vat_registered: bool
    vat_number: str


def company(element: etree._Element) -> CompanyDetails:
    return CompanyDetails(
        name=text_of(element, "CompanyName"),
        vat_registered=text_of(element, "VatRegistered").strip().lower() == "yes",
        vat_number=text_of(element, "VatRegistrationNumber"),
    )


def currency(element: etree._Element) -> Currency:
    return Currency(
        id=int_of(element, "CurrencyId"),
        code=text_of(element, "CurrencyCode").strip(),
        rate=decimal_of(element, "ExchangeRate"),
        is_home=int_of(element, "isDefault") == 1,
    )


def vat_rate(element: etree._Element) -> Decimal:
    return decimal_of(element, "Value")


def nominal(element: etree._Element) -> Nominal:
    return Nominal(
        id=int_of(element, "id"),
        code=str(int_of(element, "Code")),
        name=text_of(element, "Name"),
        archived=text_of(element, "Archived").strip().lower() in {"true", "1"},
    )


def payment_method(element: etree._Element) -> NamedId:
    return NamedId(int_of(element, "MethodID"), text_of(element, "MethodName"))


def bank_account(element: etree._Element) -> NamedId:
    return NamedId(int_of(element, "AccountID"), text_of(element, "AccountName"), str(int_of(element, "AccountCode")))


# Customers


def customer(element: etree._Element) -> LedgerCustomer:
    fields = {name: text_of(element, member).strip() for name, member in CUSTOMER_NAMES.items()}
    if int_of(element, "EC"):
        fields["trade_border"] = TRADE_EU
    elif int_of(element, "OutsideEC"):
        fields["trade_border"] = TRADE_WORLD
    return LedgerCustomer(
        id=int_of(element, "CustomerID"),
        code=text_of(element, "Code"),
        fields=fields,
        updated=date_time_of(element, "Updated"),
        raw=texts(element),
    )


def new_customer(code: str, fields: Mapping[str, str], currency: Currency | None) -> Record:
    values = {"Code": code, **_customer_members(fields), "CurrencyID": currency.id if currency else 0}
    return Record(CUSTOMER, values)


def changed_customer(existing: LedgerCustomer, changes: Mapping[str, str]) -> Record:
    """The record as read, with the changes: an update there overwrites every member."""
    return _as_read(CUSTOMER, existing.raw, _customer_members(changes))


def _customer_members(fields: Mapping[str, str]) -> dict[str, Any]:
    members: dict[str, Any] = {CUSTOMER_NAMES[name]: text for name, text in fields.items() if name in CUSTOMER_NAMES}
    if "trade_border" in fields:
        members["EC"] = int(fields["trade_border"] == TRADE_EU)
        members["OutsideEC"] = int(fields["trade_border"] == TRADE_WORLD)
    if fields.get("delivery_line1"):
        members["CustHasDeliveryAddress"] = 1
    return members


def _as_read(members: Members, raw: Mapping[str, str], changes: Mapping[str, Any]) -> Record:
    known = {name for name, _ in members}
    # Members newer than the published description go back as they came, or the overwrite would drop them.
    extra = {name: text for name, text in raw.items() if name not in known}
    return Record(members, {**raw, **changes}, extra)


# Documents


def invoice(element: etree._Element) -> LedgerInvoice:
    return LedgerInvoice(
        number=int_of(element, "InvoiceNumber"),
        id=int_of(element, "InvoiceDBID"),
        reference=text_of(element, "CustomerReference").strip(),
        customer_id=int_of(element, "CustomerID"),
        customer_code=text_of(element, "Customer"),
        issued_date=date_of(element, "InvoiceDate"),
        currency=text_of(element, "CurrencyCode").strip(),
        # Quotes and some home-currency documents read back 0, which means 1.
        rate=decimal_of(element, "ExchangeRate") or Decimal(1),
        net=decimal_of(element, "NetAmount"),
        tax=decimal_of(element, "VATAmount"),
        paid=decimal_of(element, "AmountPaid"),
    )


@dataclass(frozen=True)
class InvoiceLine:
    """As SOAP tells it: by ids."""

    nominal_id: int
    product_id: int
    line: LedgerLine


def invoice_lines(element: etree._Element) -> list[InvoiceLine]:
    return [_line_read(row) for row in members(element, "Lines")]


def _line_read(row: etree._Element) -> InvoiceLine:
    vat_rate = decimal_of(row, "VatRate")
    return InvoiceLine(
        nominal_id=int_of(row, "ChargeType"),
        product_id=int_of(row, "ProductID"),
        line=LedgerLine(
            description=text_of(row, "Description"),
            quantity=decimal_of(row, "Quantity"),
            rate=decimal_of(row, "Rate"),
            tax=decimal_of(row, "VatAmount"),
            vat_rate=None if vat_rate == EXEMPT else vat_rate,
            nominal_code="",
            product_code="",
        ),
    )


def new_invoice(document: DocumentToWrite, customer_number: int) -> Record:
    """Number 0: KashFlow gives the next one. A number of ours could overwrite an older invoice."""
    lines = [_line(line, sort, document.foreign) for sort, line in enumerate(document.lines, start=1)]
    values: dict[str, Any] = {
        "InvoiceDate": document.issued_date,
        "DueDate": document.due_date,
        "CustomerID": customer_number,
        "CustomerReference": document.reference,
        "CurrencyCode": document.currency,
        "ExchangeRate": document.exchange_rate,
        "Lines": lines,
    }
    if document.delivery_address is not None:
        values["DeliveryAddress"] = _delivery(document.delivery_address)
        values["UseCustomDeliveryAddress"] = True  # without it the address is stored and never shown
    return Record(INVOICE, values)


def _line(line: LineToWrite, sort: int, foreign: bool) -> dict[str, Any]:
    return {
        "Quantity": line.quantity,
        "Description": line.description,
        "Rate": line.rate,
        "ChargeType": line.nominal.id,
        "VatRate": EXEMPT if line.vat_rate is None else line.vat_rate,
        "VatAmount": line.tax,
        "ProductID": line.product.id if line.product else 0,
        "Sort": sort,
        # Says that the amounts are in the document's currency already.
        "ValuesInCurrency": 1 if foreign else None,
    }


def _delivery(address: Address) -> dict[str, str]:
    return {
        "Name": address.company or address.recipient,
        "Line1": address.line1,
        "Line2": address.line2,
        "Line3": address.city,
        "Line4": address.region,
        "PostCode": address.postcode,
        "CountryName": address.country_name,
        "CountryCode": country_to_kashflow(address.country_code),
    }


def note(element: etree._Element) -> str:
    return text_of(element, "Notes")


# Payments


def payment(element: etree._Element) -> LedgerPayment:
    return LedgerPayment(
        id=int_of(element, "PayID"),
        document_number=int_of(element, "PayInvoice"),
        paid_date=date_of(element, "PayDate"),
        note=text_of(element, "PayNote").strip(),
        method_id=int_of(element, "PayMethod"),
        account_id=int_of(element, "PayAccount"),
        amount=decimal_of(element, "PayAmount"),
    )


def new_payment(payment: PaymentToWrite) -> Record:
    values = {
        "PayInvoice": payment.document_number,
        "PayDate": payment.paid_date,
        "PayNote": payment.note,
        "PayMethod": payment.method_id,
        "PayAccount": payment.account_id,
        "PayAmount": payment.amount,
    }
    return Record(PAYMENT, values)


# Products


def product(element: etree._Element) -> LedgerProduct:
    rate = decimal_of(element, "VatRate")
    return LedgerProduct(
        id=int_of(element, "id"),
        nominal_id=int_of(element, "ParentID"),
        code=text_of(element, "Code").strip(),
        name=text_of(element, "Name"),
        description=text_of(element, "Description"),
        price=decimal_of(element, "Price"),
        vat_rate=None if rate == EXEMPT else rate,
        managed=int_of(element, "Managed") == 1,
        quantity=int_of(element, "QtyInStock"),
        raw=texts(element),
    )


def new_product(product: ProductToWrite) -> Record:
    values = {
        "ParentID": product.nominal.id,
        "Code": product.code,
        **_product_members({"name": product.name, "description": product.description, "price": product.price}),
        "VatRate": EXEMPT if product.vat_rate is None else product.vat_rate,
        "Managed": int(product.quantity is not None),
        "QtyInStock": product.quantity or 0,
    }
    return Record(SUB_PRODUCT, values)


PRODUCT_NAMES = {"name": "Name", "description": "Description", "price": "Price", "quantity": "QtyInStock"}


def changed_product(existing: LedgerProduct, changes: Mapping[str, Any]) -> Record:
    return _as_read(SUB_PRODUCT, existing.raw, _product_members(changes))


def _product_members(values: Mapping[str, Any]) -> dict[str, Any]:
    members = {PRODUCT_NAMES[name]: value for name, value in values.items() if name in PRODUCT_NAMES}
    if "vat_rate" in values:
        members["VatRate"] = EXEMPT if values["vat_rate"] is None else values["vat_rate"]
    return members
