"""Invoices on REST: invoice numbers in paths, nominal and product codes in lines, payments as lines of the invoice."""

import copy
from decimal import Decimal
from typing import Any

from aiohttp import web

from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger import catalogue, customers, invoices, payments
from sandbox.kashflow.model import DeliveryAddress, Invoice, InvoiceLine, Payment
from sandbox.kashflow.money import NOT_APPLICABLE, ZERO, half_up
from sandbox.kashflow.refusal import invented
from sandbox.kashflow.rest.wire import (
    Body,
    Listing,
    amount,
    date_out,
    day,
    listed,
    read_object,
    reply,
    text,
    whole_number,
)
from sandbox.kashflow.soap.views import permalink

_SORTS = (
    ("number", lambda i: i.invoice_number),
    ("customerreference", lambda i: i.customer_reference),
    ("customername", lambda i: i.customer_id),
    ("issueddate", lambda i: i.invoice_date),
    ("duedate", lambda i: i.due_date or i.invoice_date),
    ("grossamount", lambda i: i.gross_amount),
    ("netamount", lambda i: i.net_amount),
)
LISTING = Listing(50, None, {key: sort for number, (name, sort) in enumerate(_SORTS) for key in (str(number), name)})
STATUSES = ("Unpaid", "Paid", "Overpaid", "Overdue", "NA")
_ADDRESS = {
    "Name": "name",
    "Line1": "line1",
    "Line2": "line2",
    "Line3": "line3",
    "Line4": "line4",
    "PostCode": "post_code",
    "CountryName": "country_name",
    "CountryCode": "country_code",
}


async def get_list(account: Account, request: web.Request) -> web.Response:
    rows = [invoice for invoice in account.invoices.read_all() if _wanted(account, request, invoice)]
    total = sum((row.home_gross_amount for row in rows), ZERO)
    more = {"InvoiceLimitReached": account.settings["invoice_limit_reached"]}
    return listed(request, rows, LISTING, lambda row: view(account, row, detail=False), total=total, more=more)


def _wanted(account: Account, request: web.Request, invoice: Invoice) -> bool:
    query = request.query
    customer = account.customers.get(invoice.customer_id)
    code, name = (customer.code, customer.name) if customer else ("", "")
    issued = invoice.invoice_date.isoformat()
    searched = f"{invoice.invoice_number} {invoice.customer_reference} {name} {code}".casefold()
    status = query.get("statusfilter", "").casefold()
    return (
        query.get("customercode", code).casefold() == code.casefold()
        and query.get("issuedatefrom", "")[:10] <= issued <= (query.get("issuedateto", "")[:10] or "9999")
        and query.get("searchtext", "").casefold() in searched
        and status in ("", "all", _status(account, invoice).casefold())
        and (query.get("archived", "").casefold() == "true") is invoice.is_archived
    )


async def get_one(account: Account, request: web.Request) -> web.Response:
    return reply(view(account, invoices.invoice_of_number(account, _number(request)), detail=True))


def _number(request: web.Request) -> int:
    number = request.match_info["number"]
    return int(number) if number.isdecimal() else 0


async def next_number(account: Account, request: web.Request) -> web.Response:
    return reply(account.next_invoice_number())


async def payment_statuses(account: Account, request: web.Request) -> web.Response:
    return reply([{"Id": number, "Name": name} for number, name in enumerate(STATUSES)])


async def create(account: Account, request: web.Request) -> web.Response:
    body = await read_object(request)
    draft = _applied(account, body, Invoice(0, whole_number(body, "Number"), account.today(), None, 0))
    # Checked before anything is written, so that a bad payment leaves no invoice behind.
    paying = [_payment_draft(account, row, 0) for row in body.get("PaymentLines") or []]
    for payment in paying:
        payments.payment_check(account, payment)
    invoice = invoices.invoice_insert(account, draft)
    for payment in paying:
        payment.pay_invoice = invoice.invoice_number
        payments.payment_insert(account, payment)
    location = f"/v2/invoices/{invoice.invoice_number}"
    return reply(view(account, invoice, detail=True), status=201, location=location)


async def update(account: Account, request: web.Request) -> web.Response:
    """What the body names is overwritten; LineItems and PaymentLines, when there, replace the old ones."""
    body = await read_object(request)
    dbid = invoices.stored_dbid(account, number=_number(request))
    stored = account.invoices.rows[dbid]
    draft = _applied(account, body, copy.deepcopy(stored))
    if "LineItems" in body:
        invoices.invoice_update(account, draft, dbid=dbid)
    else:
        invoices.invoice_header_update(account, draft, dbid=dbid)
    if "PaymentLines" in body:
        _replace_payments(account, dbid, body["PaymentLines"] or [])
    number = whole_number(body, "Number", stored.invoice_number)
    renamed = number != _number(request)
    if renamed:
        invoices.invoice_renumber(account, dbid, number)
    return reply(view(account, account.invoices.rows[dbid], detail=True), status=201 if renamed else 200)


def _replace_payments(account: Account, dbid: int, rows: list[Body]) -> None:
    """Lines with a known Id stay as they are, those without one are new, those not named are deleted."""
    kept = {whole_number(row, "Id") for row in rows}
    for payment in list(account.invoices.rows[dbid].payments):
        if payment.pay_id not in kept:
            payments.payment_delete(account, payment.pay_id)
    for row in rows:
        if not row.get("Id"):
            number = account.invoices.rows[dbid].invoice_number
            payments.payment_insert(account, _payment_draft(account, row, number))


async def delete(account: Account, request: web.Request) -> web.Response:
    invoices.invoice_delete(account, invoices.stored_dbid(account, number=_number(request)))
    return web.Response(status=204)


async def archive(account: Account, request: web.Request) -> web.Response:
    """Body: a bare array of invoice numbers."""
    archived = request.match_info["archived"].casefold() == "true"
    for number in await request.json():
        account.invoices.edit(invoices.stored_dbid(account, number=int(number))).is_archived = archived
    account.changed()
    return reply(True)


async def bulk_payments(account: Account, request: web.Request) -> web.Response:
    """``{Date, Comment, AccountId, Method, PaymentItems: [{ObjectNumber, Amount}]}``; all or nothing."""
    body = await read_object(request)
    rows = body.get("PaymentItems") or []
    drafts = []
    for row in rows:
        draft = _payment_draft(account, {**body, **row, "Note": body.get("Comment")}, whole_number(row, "ObjectNumber"))
        invoices.stored_dbid(account, number=draft.pay_invoice)
        payments.payment_check(account, draft)
        drafts.append(draft)
    bulk_id = account.next_id("bulk")
    for draft in drafts:
        draft.bulk_id = bulk_id
        payments.payment_insert(account, draft)
    return reply({"BulkPaymentNumber": bulk_id, "PaymentItems": rows}, status=201)


def _applied(account: Account, body: Body, invoice: Invoice) -> Invoice:
    if "CustomerCode" in body:
        invoice.customer_id = customers.customer_of_code(account, text(body, "CustomerCode")).customer_id
    elif not invoice.customer_id:
        raise invented("CustomerCode is required")
    invoice.invoice_date = day(body, "IssuedDate", invoice.invoice_date) or account.today()
    invoice.due_date = day(body, "DueDate", invoice.due_date)
    invoice.customer_reference = text(body, "CustomerReference", invoice.customer_reference)
    invoice.project_id = whole_number(body, "ProjectNumber", invoice.project_id)
    if currency := body.get("Currency"):
        invoice.currency_code = text(currency, "Code", invoice.currency_code)
        invoice.exchange_rate = amount(currency, "ExchangeRate", invoice.exchange_rate)
    if address := body.get("DeliveryAddress"):
        invoice.delivery_address = DeliveryAddress(**{own: text(address, name) for name, own in _ADDRESS.items()})
    invoice.use_custom_delivery_address = bool(
        body.get("UseCustomDeliveryAddress", invoice.use_custom_delivery_address)
    )
    if "LineItems" in body:
        rows = body["LineItems"] or []
        invoice.lines = [_line_draft(account, row, position) for position, row in enumerate(rows, start=1)]
    return invoice


def _line_draft(account: Account, row: Body, position: int) -> InvoiceLine:
    """:raises Refused: NominalCode, ProductCode or VATLevel not known to the account."""
    nominal = account.nominal_of_code(whole_number(row, "NominalCode"))
    if nominal is None:
        raise invented(f"Nominal code {row.get('NominalCode')} does not exist", code="InvalidNominalCode")
    rate = NOT_APPLICABLE if row.get("VATExempt") in (True, 1) else amount(row, "VATLevel")
    if rate != NOT_APPLICABLE and rate not in {level.value for level in account.vat_rates.all()}:
        raise invented(f"VAT level {rate} is not set up in this account", code="InvalidVATLevel")
    return InvoiceLine(
        line_id=0,
        quantity=amount(row, "Quantity", Decimal(1)),
        description=text(row, "Description"),
        rate=amount(row, "Rate"),
        charge_type=nominal.id,
        vat_rate=rate,
        vat_amount=amount(row, "VATAmount"),
        product_id=_product_id(account, row, nominal.id),
        sort=whole_number(row, "Number", position),
        proj_id=whole_number(row, "ProjectNumber"),
    )


def _product_id(account: Account, row: Body, nominal_id: int) -> int:
    code = text(row, "ProductCode")
    if not code:
        return 0
    for product in catalogue.products_under(account, nominal_id):
        if product.code.casefold() == code.casefold():
            return product.id
    raise invented(f"Product code {code} does not exist under this nominal", code="InvalidProductCode")


def _payment_draft(account: Account, row: Body, number: int) -> Payment:
    return Payment(
        pay_id=0,
        pay_invoice=number,
        pay_date=day(row, "Date", None) or account.today(),
        pay_note=text(row, "Note"),
        pay_method=whole_number(row, "Method"),
        pay_account=whole_number(row, "AccountId"),
        pay_amount=amount(row, "Amount"),
        reference=text(row, "Reference"),
    )


def _status(account: Account, invoice: Invoice) -> str:
    return payments.payment_status(invoice, overdue=invoices.is_overdue(account, invoice))


def view(account: Account, invoice: Invoice, *, detail: bool) -> Body:
    """A row of the list, in which lines, payments and currency are null, or (``detail``) the single resource."""
    customer = account.customers.get(invoice.customer_id)
    rate = invoice.exchange_rate or Decimal(1)
    latest = max((payment.pay_date for payment in invoice.payments), default=None)
    return {
        "Id": invoice.invoice_dbid,
        "Number": invoice.invoice_number,
        "Type": "Invoice",
        "IssuedDate": date_out(account, invoice.invoice_date),
        "DueDate": date_out(account, invoice.due_date),
        "PaidDate": date_out(account, latest if invoice.paid else None),
        "LastPaymentDate": date_out(account, latest),
        "CustomerId": invoice.customer_id,
        "CustomerCode": customer.code if customer else "",
        "CustomerName": customer.name if customer else "",
        "CustomerKey": customer.customer_key if customer else "",
        "CustomerReference": invoice.customer_reference,
        "ProjectNumber": invoice.project_id,
        "Status": _status(account, invoice),
        "NetAmount": invoice.net_amount,
        "VATAmount": invoice.vat_amount,
        "GrossAmount": invoice.gross_amount,
        "HomeCurrencyGrossAmount": invoice.home_gross_amount,
        "HomeCurrencyVATAmount": half_up(invoice.vat_amount / rate),
        "TotalPaidAmount": invoice.amount_paid,
        "DueAmount": invoice.due_amount,
        "Permalink": permalink(invoice),
        "IsArchived": invoice.is_archived,
        "VATReturnId": 0,
        "UseCustomDeliveryAddress": invoice.use_custom_delivery_address,
        **(_detail(account, invoice) if detail else dict.fromkeys(_DETAIL)),
    }


_DETAIL = ("Currency", "DeliveryAddress", "LineItems", "PaymentLines")


def _detail(account: Account, invoice: Invoice) -> Body:
    currency = account.currency(invoice.currency_code)
    address: Any = None
    if invoice.delivery_address is not None:
        address = {name: getattr(invoice.delivery_address, own) for name, own in _ADDRESS.items()}
    lines = sorted(invoice.lines, key=lambda line: line.sort)
    return {
        "Currency": {
            "Code": currency.currency_code,
            "ExchangeRate": invoice.exchange_rate,
            "Symbol": currency.symbol,
            "Name": currency.name,
            "DisplaySymbolOnRight": False,
        },
        "DeliveryAddress": address,
        "LineItems": [_line_view(account, line, invoice) for line in lines],
        "PaymentLines": [_payment_view(account, payment) for payment in invoice.payments],
    }


def _line_view(account: Account, line: InvoiceLine, invoice: Invoice) -> Body:
    nominal, product = account.nominals.get(line.charge_type), account.products.get(line.product_id)
    exempt = line.vat_rate == NOT_APPLICABLE
    rate = invoice.exchange_rate or Decimal(1)
    return {
        "Number": line.sort,
        "Description": line.description,
        "Quantity": line.quantity,
        "Rate": line.rate,
        "HomeCurrencyRate": half_up(line.rate / rate, 4),
        "VATLevel": ZERO if exempt else line.vat_rate,
        "VATExempt": exempt,
        "VATAmount": line.vat_amount,
        "HomeCurrencyVATAmount": half_up(line.vat_amount / rate),
        "NominalCode": nominal.code if nominal else 0,
        "NominalId": line.charge_type,
        "ProductCode": product.code if product else "",
        "ProductName": product.name if product else "",
        "ProjectNumber": line.proj_id,
    }


def _payment_view(account: Account, payment: Payment) -> Body:
    return {
        "Id": payment.pay_id,
        "Date": date_out(account, payment.pay_date),
        "Amount": payment.pay_amount,
        "Method": payment.pay_method,
        "Reference": payment.reference,
        "Note": payment.pay_note,
        "AccountId": payment.pay_account,
        "BulkId": payment.bulk_id,
        "BulkPaymentNumber": payment.bulk_id,
        "IsPaymentCreditNote": payment.is_credit_note,
        "VATReturnId": 0,
    }
