"""Customers on REST: codes in paths, contacts and addresses as lists."""

import copy
from typing import Any

from aiohttp import web

from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger import customers, invoices, payments
from sandbox.kashflow.model import CUSTOM_FIELDS, Customer
from sandbox.kashflow.money import ZERO
from sandbox.kashflow.refusal import invented
from sandbox.kashflow.rest.wire import (
    Body,
    Listing,
    amount,
    date_out,
    listed,
    read_object,
    reply,
    text,
    whole_number,
)

LISTING = Listing(
    50,
    None,
    {
        "0": lambda c: c.name.casefold(),
        "name": lambda c: c.name.casefold(),
        "1": lambda c: c.code.casefold(),
        "code": lambda c: c.code.casefold(),
    },
)
BORDERS = ("Domestic", "EU", "Rest of World")


async def get_list(account: Account, request: web.Request) -> web.Response:
    rows = [customer for customer in account.customers.read_all() if _wanted(request, customer)]
    return listed(request, rows, LISTING, lambda customer: view(account, customer, detail=False))


def _wanted(request: web.Request, customer: Customer) -> bool:
    query = request.query
    created = customer.created.date().isoformat() if customer.created else ""
    searched = " ".join((customer.name, customer.code, customer.email)).casefold()
    return (
        customer.name.casefold().startswith(query.get("namestartswith", "").casefold())
        and query.get("searchtext", "").casefold() in searched
        and query.get("startcreationdate", "")[:10] <= created <= (query.get("endcreationdate", "")[:10] or "9999")
        and (query.get("filterarchived", "").casefold() != "true" or not customer.is_archived)
    )


async def search(account: Account, request: web.Request) -> web.Response:
    by, wanted = request.query.get("searchBy", "name").casefold(), request.query.get("searchText", "").casefold()
    if by not in ("code", "email", "name"):
        raise invented("searchBy is one of code, email, name")
    found = [c for c in account.customers.read_all() if wanted in str(getattr(c, by)).casefold()]
    return reply([{"key": c.customer_id, "value": f"{c.name} ({c.code})"} for c in found])


async def get_one(account: Account, request: web.Request) -> web.Response:
    customer = customers.customer_of_code(account, request.match_info["code"])
    return reply(view(account, customer, detail=True))


async def suggest_code(account: Account, request: web.Request) -> web.Response:
    return reply(customers.suggested_code(account, text(await read_object(request), "Name")))


async def create(account: Account, request: web.Request) -> web.Response:
    body = await read_object(request)
    draft = _applied(account, body, Customer(0, ""))
    if not draft.name:
        if not body.get("CreateCustomerNameIfEmptyOrNull"):
            raise invented("A customer has a name")
        draft.name = draft.email or "Customer"
    if body.get("CreateCustomerCodeIfDuplicate") and account.customer_id_of_code(draft.code) is not None:
        draft.code = customers.suggested_code(account, draft.name)
    customer = customers.customer_insert(account, draft)
    return reply(view(account, customer, detail=True), status=201, location=f"/v2/customers/{customer.code}")


async def update(account: Account, request: web.Request) -> web.Response:
    stored = customers.customer_of_code(account, request.match_info["code"])
    draft = _applied(account, await read_object(request), copy.deepcopy(stored))
    customer = customers.customer_update(account, draft)
    customer.customer_key, customer.is_archived = draft.customer_key, draft.is_archived
    renamed = customer.code != request.match_info["code"]
    return reply(view(account, customer, detail=True), status=201 if renamed else 200)


async def delete(account: Account, request: web.Request) -> web.Response:
    customer = customers.customer_of_code(account, request.match_info["code"])
    if not customers.customer_delete(account, customer.customer_id):
        raise invented("A customer with invoices is not deleted", code="CustomerInUse")
    return web.Response(status=204)


async def advance_payments(account: Account, request: web.Request) -> web.Response:
    customer = customers.customer_of_code(account, request.match_info["code"])
    rows = payments.advance_payments(account, customer.customer_id)
    listing = Listing(10, None, {"date": lambda row: row.transaction_date})
    return listed(
        request,
        rows,
        listing,
        lambda row: {
            "Id": row.id,
            "Date": date_out(account, row.transaction_date),
            "Amount": row.moneyin - row.allocated,
            "AccountId": row.accid,
            "Comment": row.comment,
        },
    )


def _applied(account: Account, body: Body, customer: Customer) -> Customer:
    """What the body names, written onto the customer."""
    for member, attribute in _TEXTS.items():
        setattr(customer, attribute, text(body, member, getattr(customer, attribute)))
    customer.discount = amount(body, "DiscountRate", customer.discount)
    customer.source = whole_number(body, "Source", customer.source)
    customer.show_discount = bool(body.get("ShowDiscount", customer.show_discount))
    customer.is_archived = bool(body.get("IsArchived", customer.is_archived))
    if (border := body.get("TradeBorderType")) is not None:
        customer.ec, customer.outside_ec = int(border == "EU"), int(border == "Rest of World")
    if terms := body.get("PaymentTerms"):
        customer.payment_terms = whole_number(terms, "Days")
    if currency := body.get("Currency"):
        customer.currency_id = account.currency(text(currency, "Code")).currency_id
    _apply_lists(body, customer)
    return customer


_TEXTS = {"Code": "code", "Name": "name", "Note": "notes", "VATNumber": "vat_number", "CustomerKey": "customer_key"}
_CONTACT = {
    "Name": "contact",
    "Title": "contact_title",
    "Firstname": "contact_first_name",
    "LastName": "contact_last_name",
    "Telephone": "telephone",
    "Fax": "fax",
    "Mobile": "mobile",
    "Website": "website",
    "Email": "email",
}
_ADDRESS = {
    "Line1": "address1",
    "Line2": "address2",
    "Line3": "address3",
    "Line4": "address4",
    "PostCode": "postcode",
    "CountryCode": "country_code",
}
_DELIVERY = {name: f"delivery_{attribute}" for name, attribute in _ADDRESS.items()}


def _apply_lists(body: Body, customer: Customer) -> None:
    for member, names in (("Contacts", _CONTACT), ("Addresses", _ADDRESS), ("DeliveryAddresses", _DELIVERY)):
        if rows := body.get(member):
            for name, attribute in names.items():
                setattr(customer, attribute, text(rows[0], name, getattr(customer, attribute)))
    if body.get("DeliveryAddresses"):
        customer.cust_has_delivery_address = 1
    for position, row in enumerate(body.get("CustomTextBoxes") or []):
        if position < CUSTOM_FIELDS:
            customer.extra_text[position] = text(row, "Value")
    for position, row in enumerate(body.get("CustomCheckBoxes") or []):
        if position < CUSTOM_FIELDS:
            customer.check_box[position] = int(bool(row.get("Value")))


def _part(customer: Customer, names: dict[str, str]) -> Body:
    return {name: getattr(customer, attribute) for name, attribute in names.items()}


def view(account: Account, customer: Customer, *, detail: bool) -> Body:
    """A row of the list, or (``detail``) the single resource with lists and statistics."""
    currency = account.currencies.get(customer.currency_id) or account.home_currency()
    summary = {
        "Id": customer.customer_id,
        **{member: getattr(customer, attribute) for member, attribute in _TEXTS.items()},
        "Source": customer.source,
        "DiscountRate": customer.discount,
        "ShowDiscount": customer.show_discount,
        "IsArchived": customer.is_archived,
        "TradeBorderType": BORDERS[1] if customer.ec else BORDERS[2] if customer.outside_ec else BORDERS[0],
        "PaymentTerms": {"Type": 0, "Days": customer.payment_terms},
        "Currency": {"Code": currency.currency_code, "Symbol": currency.symbol, "Name": currency.name},
        "Contacts": [{"Id": 1, "IsPrimary": True, **_part(customer, _CONTACT)}],
        "Addresses": [{**_part(customer, _ADDRESS), "CountryName": customer.country_name}],
        "CreatedDate": date_out(account, customer.created),
        "LastUpdatedDate": date_out(account, customer.updated),
        **_statistics(account, customer),
    }
    return {**summary, **_detail(customer)} if detail else summary


def _detail(customer: Customer) -> Body:
    delivery: list[Any] = []
    if customer.cust_has_delivery_address:
        delivery = [{**_part(customer, _DELIVERY), "CountryName": customer.delivery_country_name}]
    return {
        "DeliveryAddresses": delivery,
        "UseCustomDeliveryAddress": bool(delivery),
        "CustomTextBoxes": [{"Name": f"Text {n}", "Value": v} for n, v in enumerate(customer.extra_text, start=1)],
        "CustomCheckBoxes": [{"Name": f"Box {n}", "Value": bool(v)} for n, v in enumerate(customer.check_box, start=1)],
    }


def _statistics(account: Account, customer: Customer) -> Body:
    rows = account.invoices_of_customer(customer.customer_id)
    return {
        "InvoicedNetAmount": sum((row.net_amount for row in rows), ZERO),
        "InvoicedVATAmount": sum((row.vat_amount for row in rows), ZERO),
        "TotalPaidAmount": sum((row.amount_paid for row in rows), ZERO),
        "OutstandingBalance": sum((row.due_amount for row in rows), ZERO),
        "OverdueAmount": sum((row.due_amount for row in rows if invoices.is_overdue(account, row)), ZERO),
        "InvoiceCount": len(rows),
    }
