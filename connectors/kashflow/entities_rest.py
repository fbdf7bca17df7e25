"""KashFlow's REST v2 records as neutral shapes, and back. Pure; what we rely on and cannot read raises Unreadable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from connectors.base.records import Address
from connectors.kashflow.customer_fields import country_to_kashflow
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
from connectors.kashflow.rest_json import Unreadable, date_text, day, day_of, flag, integer, number, record, rows, text

DOMESTIC_TRADE = "Domestic"

CONTACT_NAMES = {
    "contact": "Name",
    "first_name": "Firstname",  # spelled like this, next to LastName
    "last_name": "LastName",
    "phone": "Telephone",
    "email": "Email",
}
ADDRESS_NAMES = {
    "line1": "Line1",
    "line2": "Line2",
    "line3": "Line3",
    "line4": "Line4",
    "postcode": "PostCode",
    "country_code": "CountryCode",
    "country_name": "CountryName",
}


# Account facts


@dataclass(frozen=True)
class VatSettings:
    company_name: str
    vat_registered: bool
    vat_number: str


def vat_settings(answer: Any) -> VatSettings:
    """Its members are not documented; an account that does not say otherwise counts as registered."""
    row = record(answer)
    registered = [flag(row, name) for name in ("IsVATRegistered", "VATRegistered", "IsVatRegistered") if name in row]
    return VatSettings(
        company_name=text(row, "CompanyName"),
        vat_registered=registered[0] if registered else True,
        vat_number=text(row, "VATNumber") or text(row, "VATRegistrationNumber"),
    )


def currencies(answer: Any) -> list[Currency]:
    """The home currency is the one marked so; where none is marked, the one at rate 1."""
    found = rows(answer)
    marked = [row for row in found if any(flag(row, name) for name in ("IsDefault", "isDefault", "Default"))]
    home = marked or [row for row in found if number(row, "ExchangeRate") == 1]
    return [
        Currency(
            id=integer(row, "Id") if row.get("Id") is not None else 0,
            code=text(row, "Code"),
            rate=number(row, "ExchangeRate"),
            is_home=bool(home) and row is home[0],
        )
        for row in found
    ]


def vat_rate(row: Mapping[str, Any]) -> Decimal:
    return number(row, "VATRate")


def nominal(row: Mapping[str, Any]) -> Nominal:
    return Nominal(integer(row, "Id"), text(row, "Code"), text(row, "Name"), flag(row, "Archived"))


def named(row: Mapping[str, Any]) -> NamedId:
    return NamedId(integer(row, "Id"), text(row, "Name"))


def bank_account(row: Mapping[str, Any]) -> NamedId:
    return NamedId(integer(row, "Id"), text(row, "AccountName"), text(row, "Code"))


# Customers


def search_ids(answer: Any) -> list[int]:
    """``[{key: id, value: text}]``."""
    keys = [row.get("key", row.get("Key")) for row in rows(answer)]
    try:
        return [int(str(key)) for key in keys]
    except ValueError as error:
        raise Unreadable("a search result has no id") from error


def customer(answer: Any) -> LedgerCustomer:
    row = record(answer)
    contact, address = _first(row, "Contacts"), _first(row, "Addresses")
    delivery = _first(row, "DeliveryAddresses")
    trade = text(row, "TradeBorderType")
    fields = {
        "name": text(row, "Name"),
        "tax_number": text(row, "VATNumber"),
        "trade_border": "" if trade == DOMESTIC_TRADE else trade,
        **{name: text(contact, member) for name, member in CONTACT_NAMES.items()},
        **{name: text(address, member) for name, member in ADDRESS_NAMES.items()},
        **{f"delivery_{name}": text(delivery, member) for name, member in ADDRESS_NAMES.items()},
    }
    updated = day(row.get("LastUpdatedDate"))
    return LedgerCustomer(
        id=integer(row, "Id"),
        code=text(row, "Code"),
        fields=fields,
        updated=datetime.combine(updated, time.min) if updated else None,
        raw=row,
    )


def _first(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = row.get(name) or [{}]
    return record(found[0])


def new_customer(code: str, fields: Mapping[str, str], currency: Currency | None) -> dict[str, Any]:
    body: dict[str, Any] = {"Code": code} | ({"Currency": {"Code": currency.code}} if currency else {})
    return _with_fields(body, {name: value for name, value in fields.items() if value})


def changed_customer(existing: LedgerCustomer, changes: Mapping[str, str]) -> dict[str, Any]:
    return _with_fields(dict(existing.raw), changes)


def _with_fields(body: dict[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    for name, member in (("name", "Name"), ("tax_number", "VATNumber"), ("trade_border", "TradeBorderType")):
        if name in fields:
            body[member] = fields[name]
    _put_first(body, "Contacts", {CONTACT_NAMES[name]: fields[name] for name in CONTACT_NAMES if name in fields})
    _put_first(body, "Addresses", {ADDRESS_NAMES[name]: fields[name] for name in ADDRESS_NAMES if name in fields})
    delivery = {
        ADDRESS_NAMES[name]: fields[f"delivery_{name}"] for name in ADDRESS_NAMES if f"delivery_{name}" in fields
    }
    _put_first(body, "DeliveryAddresses", delivery)
    if delivery:
        body["UseCustomDeliveryAddress"] = True
    return body


def _put_first(body: dict[str, Any], name: str, values: Mapping[str, str]) -> None:
    """Into the first entry of a list of records, whose other entries stay."""
    if not values:
        return
    entries = [dict(entry) for entry in body.get(name) or [{"IsPrimary": True} if name == "Contacts" else {}]]
    entries[0].update(values)
    body[name] = entries


# Documents


def invoice(answer: Any) -> LedgerInvoice:
    row = record(answer)
    currency = row.get("Currency") or {}
    rate = number(currency, "ExchangeRate") if currency.get("ExchangeRate") is not None else Decimal(1)
    return LedgerInvoice(
        number=integer(row, "Number"),
        id=integer(row, "Id"),
        reference=text(row, "CustomerReference"),
        customer_id=integer(row, "CustomerId") if row.get("CustomerId") is not None else 0,
        customer_code=text(row, "CustomerCode"),
        issued_date=day_of(row, "IssuedDate"),
        currency=text(currency, "Code"),
        rate=rate or Decimal(1),
        net=number(row, "NetAmount"),
        tax=number(row, "VATAmount"),
        paid=number(row, "TotalPaidAmount") if row.get("TotalPaidAmount") is not None else Decimal(0),
    )


def invoice_lines(answer: Any) -> list[LedgerLine]:
    return [
        LedgerLine(
            description=text(row, "Description"),
            quantity=number(row, "Quantity"),
            rate=number(row, "Rate"),
            tax=number(row, "VATAmount"),
            vat_rate=None if row.get("VATExempt") in (True, 1) else number(row, "VATLevel"),
            nominal_code=str(row.get("NominalCode") or ""),
            product_code=text(row, "ProductCode"),
        )
        for row in record(answer).get("LineItems") or []
    ]


def new_invoice(document: DocumentToWrite, customer_code: str) -> dict[str, Any]:
    """No Number: KashFlow gives the next one. A number of ours could meet an older invoice."""
    body: dict[str, Any] = {
        "CustomerCode": customer_code,
        "IssuedDate": date_text(document.issued_date),
        "DueDate": date_text(document.due_date),
        "CustomerReference": document.reference,
        "Currency": {"Code": document.currency, "ExchangeRate": document.exchange_rate},
        "LineItems": [_line(line, position) for position, line in enumerate(document.lines, start=1)],
    }
    if document.delivery_address is not None:
        body["DeliveryAddress"] = _delivery(document.delivery_address)
        body["UseCustomDeliveryAddress"] = True
    return body


def _line(line: LineToWrite, position: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        "Number": position,
        "Description": line.description,
        "Quantity": line.quantity,
        "Rate": line.rate,
        "VATLevel": line.vat_rate or Decimal(0),
        "VATExempt": line.vat_rate is None,
        "VATAmount": line.tax,
        "NominalCode": int(line.nominal.code),
    }
    if line.product is not None:
        item["ProductCode"] = line.product.code
    return item


def _delivery(address: Address) -> dict[str, str]:
    return {
        "Name": address.company or address.recipient,
        "Line1": address.line1,
        "Line2": address.line2,
        "Line3": address.city,
        "Line4": address.region,
        "PostCode": address.postcode,
        "CountryCode": country_to_kashflow(address.country_code),
    }


# Payments


def payments(answer: Any) -> list[LedgerPayment]:
    row = record(answer)
    return [_payment(record(line), integer(row, "Number")) for line in row.get("PaymentLines") or []]


def _payment(line: Mapping[str, Any], document_number: int) -> LedgerPayment:
    return LedgerPayment(
        id=integer(line, "Id"),
        document_number=document_number,
        paid_date=day_of(line, "Date"),
        note=text(line, "Note"),
        method_id=integer(line, "Method") if line.get("Method") is not None else 0,
        account_id=integer(line, "AccountId") if line.get("AccountId") is not None else 0,
        amount=number(line, "Amount"),
    )


def new_payment(payment: PaymentToWrite) -> dict[str, Any]:
    return {
        "Date": date_text(payment.paid_date),
        "Amount": payment.amount,
        "Method": payment.method_id,
        "AccountId": payment.account_id,
        "Note": payment.note,
    }


# Products


def product(answer: Any) -> LedgerProduct:
    row = record(answer)
    exempt = flag(row, "VATExempt")
    rate = None if exempt or row.get("VATRate") is None else number(row, "VATRate")
    return LedgerProduct(
        id=integer(row, "Id"),
        nominal_id=integer(row, "NominalId"),
        code=text(row, "Code"),
        name=text(row, "Name"),
        description=text(row, "Description"),
        price=number(row, "Price"),
        vat_rate=rate,
        managed=flag(row, "ManageStockLevel"),
        quantity=integer(row, "QuantityInStock") if row.get("QuantityInStock") is not None else 0,
        raw=row,
    )


def new_product(product: ProductToWrite) -> dict[str, Any]:
    managed = product.quantity is not None
    return {
        "NominalCode": int(product.nominal.code),
        "Code": product.code,
        "Name": product.name,
        "Description": product.description,
        "Price": product.price,
        **_vat(product.vat_rate),
        "ManageStockLevel": managed,
        **({"QuantityInStock": product.quantity} if managed else {}),
    }


PRODUCT_NAMES = {"name": "Name", "description": "Description", "price": "Price", "quantity": "QuantityInStock"}


def changed_product(existing: LedgerProduct, changes: Mapping[str, Any]) -> dict[str, Any]:
    body = dict(existing.raw)
    body.update({PRODUCT_NAMES[name]: value for name, value in changes.items() if name in PRODUCT_NAMES})
    if "vat_rate" in changes:
        body.update(_vat(changes["vat_rate"]))
    return body


def _vat(rate: Decimal | None) -> dict[str, Any]:
    return {"VATRate": rate or Decimal(0), "VATExempt": rate is None}
