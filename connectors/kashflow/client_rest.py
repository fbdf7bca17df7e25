"""The account through REST v2: one method per remote call. ``https://api.kashflow.com/v2``.

REST speaks codes where SOAP speaks ids; the ids our records carry (equal on both transports) are translated here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote

from connectors.base.errors import NeedsAttention, Rejected, Retryable
from connectors.base.http import Effect, HttpDoor, Reply, raise_for_status
from connectors.kashflow import entities_rest as shapes
from connectors.kashflow import refusals
from connectors.kashflow import rest_json as wire
from connectors.kashflow.auth import RestSession
from connectors.kashflow.ledger import (
    CodeTaken,
    Company,
    Currency,
    DocumentToWrite,
    LedgerCustomer,
    LedgerInvoice,
    LedgerLine,
    LedgerPayment,
    LedgerProduct,
    NamedId,
    Nominal,
    PaymentToWrite,
    ProductToWrite,
)

REAL_ADDRESS = "https://api.kashflow.com/v2"
SECONDS = 30.0
ROWS_PER_PAGE = 100
MOST_PAGES = 1000

CALL_NAMES: tuple[str, ...] = tuple(
    f"{method} /v2/{route}"
    for method, route in (
        ("POST", "sessiontoken"),
        ("PUT", "sessiontoken"),
        ("GET", "settings/vat"),
        ("GET", "currencies"),
        ("GET", "vat/settings/vatrates"),
        ("GET", "nominals"),
        ("GET", "paymentmethods/invoice"),
        ("GET", "bankaccounts"),
        ("GET", "customers"),
        ("GET", "customers/search"),
        ("GET", "customers/{code}"),
        ("POST", "customers"),
        ("PUT", "customers/{code}"),
        ("GET", "invoices"),
        ("GET", "invoices/{number}"),
        ("POST", "invoices"),
        ("PUT", "invoices/{number}"),
        ("DELETE", "invoices/{number}"),
        ("GET", "products/list"),
        ("GET", "products/{nominalCode}/{code}"),
        ("POST", "products"),
        ("PUT", "products/{nominalCode}/{code}"),
    )
)

Answer = TypeVar("Answer")


class RestLedger:
    """``Ledger`` over REST v2. ``base`` is the service address, the real one unless a setting says otherwise."""

    def __init__(self, door: HttpDoor, base: str, session: RestSession) -> None:
        self._door = door
        self._base = base
        self._session = session
        self._codes: dict[int, str] = {}

    # Account facts

    async def company(self) -> Company:
        settings = await self._get("settings/vat", shapes.vat_settings)
        home = next((currency.code for currency in await self.currencies() if currency.is_home), "")
        return Company(settings.company_name, home, settings.vat_registered, settings.vat_number)

    async def currencies(self) -> list[Currency]:
        return await self._get("currencies", shapes.currencies)

    async def vat_rates(self) -> list[Decimal]:
        return await self._get("vat/settings/vatrates", lambda rows: [shapes.vat_rate(row) for row in wire.rows(rows)])

    async def nominals(self) -> list[Nominal]:
        return await self._get("nominals", lambda rows: [shapes.nominal(row) for row in wire.rows(rows)])

    async def payment_methods(self) -> list[NamedId]:
        return await self._get("paymentmethods/invoice", lambda rows: [shapes.named(row) for row in wire.rows(rows)])

    async def bank_accounts(self) -> list[NamedId]:
        return await self._get("bankaccounts", lambda rows: [shapes.bank_account(row) for row in wire.rows(rows)])

    # Customers

    async def customer_by_email(self, email: str) -> LedgerCustomer | None:
        found = await self._get(
            "customers/search", shapes.search_ids, params={"searchBy": "email", "searchText": email}
        )
        for customer_id in sorted(found):
            customer = await self.customer_by_code(await self._code_of(customer_id, near=email))
            # The search is by text; only the whole address counts.
            if (
                customer
                and email.lower() in customer.fields["email"].lower().replace(";", " ").replace(",", " ").split()
            ):
                return customer
        return None

    async def customer_by_code(self, code: str) -> LedgerCustomer | None:
        found = await self._find("customers/{code}", shapes.customer, code=code)
        if found is not None:
            self._codes[found.id] = found.code
        return found

    async def customers_modified_since(self, moment: datetime) -> list[LedgerCustomer]:
        """REST has no such feed: the whole list is read and filtered by day, since times are not reliable there."""
        changed = []
        async for row in self._pages("customers"):
            updated = wire.day(row.get("LastUpdatedDate"))
            if updated is None or updated >= moment.date():
                changed.append(shapes.customer(row))
        return changed

    async def customer_insert(self, code: str, fields: Mapping[str, str], currency: Currency | None) -> int:
        body = shapes.new_customer(code, fields, currency)
        try:
            customer: LedgerCustomer = await self._send("POST", "customers", shapes.customer, body)
        except Rejected as error:
            # How REST words a duplicate is not documented; whether the code is there can be read.
            if refusals.is_code_taken(error.provider_code) or await self.customer_by_code(code) is not None:
                raise CodeTaken(code) from error
            raise
        self._codes[customer.id] = customer.code
        return customer.id

    async def customer_update(self, existing: LedgerCustomer, changes: Mapping[str, str]) -> None:
        body = shapes.changed_customer(existing, changes)
        await self._send("PUT", "customers/{code}", lambda _: None, body, code=existing.code)

    async def _code_of(self, customer_id: int, near: str = "") -> str:
        """:raises Rejected: no customer has this id."""
        for params in ({"searchtext": near}, {}) if near else ({},):
            if customer_id in self._codes:
                break
            async for row in self._pages("customers", params):
                self._codes[int(row["Id"])] = str(row["Code"])
        if customer_id not in self._codes:
            raise _unknown_customer(str(customer_id))
        return self._codes[customer_id]

    async def _code_of_text(self, customer_id: str) -> str:
        if not customer_id.isdigit():
            raise _unknown_customer(customer_id)
        return await self._code_of(int(customer_id))

    # Documents

    async def invoice(self, number: int) -> LedgerInvoice | None:
        return await self._find("invoices/{number}", shapes.invoice, number=number)

    async def invoice_lines(self, number: int) -> list[LedgerLine]:
        return await self._find("invoices/{number}", shapes.invoice_lines, number=number) or []

    async def invoices_of_customer(self, customer_id: str) -> list[LedgerInvoice]:
        return await self._invoices({"customercode": await self._code_of_text(customer_id)})

    async def invoices_between(self, first: date, last: date) -> list[LedgerInvoice]:
        return await self._invoices({"issuedatefrom": first.isoformat(), "issuedateto": last.isoformat()})

    async def _invoices(self, params: Mapping[str, str]) -> list[LedgerInvoice]:
        """Summaries: ``currency`` is blank where the list does not tell it."""
        return [shapes.invoice(row) async for row in self._pages("invoices", params)]

    async def invoice_insert(self, document: DocumentToWrite) -> tuple[int, int]:
        body = shapes.new_invoice(document, await self._code_of_text(document.customer_id))
        created: LedgerInvoice = await self._send("POST", "invoices", shapes.invoice, body)
        return created.number, created.id

    async def invoice_delete(self, number: int) -> bool:
        await self._send("DELETE", "invoices/{number}", lambda _: None, number=number)
        return True

    async def notes(self, invoice: LedgerInvoice) -> list[str]:
        raise _not_on_rest("notes of invoices")

    async def note_insert(self, invoice: LedgerInvoice, on: datetime, text: str) -> None:
        raise _not_on_rest("notes of invoices")

    # Payments: lines of their invoice, changed by writing the invoice back

    async def payments(self, number: int) -> list[LedgerPayment]:
        return await self._find("invoices/{number}", shapes.payments, number=number) or []

    async def payment_insert(self, payment: PaymentToWrite) -> int:
        body = await self._invoice_body(payment.document_number)
        before = {line.id for line in shapes.payments(body)}
        body["PaymentLines"] = [*(body.get("PaymentLines") or []), shapes.new_payment(payment)]

        def id_of_new(answer: Any) -> int:
            added = [line.id for line in shapes.payments(answer) if line.id not in before and line.note == payment.note]
            if not added:
                raise wire.Unreadable("the payment is not on the invoice that came back")
            return added[-1]

        return await self._send("PUT", "invoices/{number}", id_of_new, body, number=payment.document_number)

    async def payment_delete(self, payment: LedgerPayment) -> None:
        body = await self._invoice_body(payment.document_number)
        body["PaymentLines"] = [row for row in body.get("PaymentLines") or [] if row.get("Id") != payment.id]
        await self._send("PUT", "invoices/{number}", lambda _: None, body, number=payment.document_number)

    async def _invoice_body(self, number: int) -> dict[str, Any]:
        body = await self._find("invoices/{number}", lambda answer: dict(wire.record(answer)), number=number)
        if body is None:
            raise Rejected(
                f"There is no document {number} in KashFlow.",
                code="unknown_document",
                field="document_number",
                cure="See whether it was deleted there; if so, let it be made again.",
            )
        return body

    async def credit_apply(self, invoice: LedgerInvoice, credit: LedgerInvoice) -> bool:
        raise _not_on_rest("setting a credit note against an invoice")

    # Products

    async def products(self) -> list[LedgerProduct]:
        return [shapes.product(row) async for row in self._pages("products/list", {"filterbyinuseonly": "false"})]

    async def product_find(self, code: str, prefer: Nominal | None) -> LedgerProduct | None:
        if prefer is not None and (found := await self.product_under(prefer, code)) is not None:
            return found
        return next((product for product in await self.products() if product.code == code), None)

    async def product_under(self, nominal: Nominal, code: str) -> LedgerProduct | None:
        return await self._find("products/{nominalCode}/{code}", shapes.product, nominalCode=nominal.code, code=code)

    async def product_insert(self, product: ProductToWrite) -> int:
        created: LedgerProduct = await self._send("POST", "products", shapes.product, shapes.new_product(product))
        return created.id

    async def product_update(self, existing: LedgerProduct, changes: Mapping[str, Any]) -> None:
        body = shapes.changed_product(existing, changes)
        place = {"nominalCode": body["NominalCode"], "code": existing.code}
        await self._send("PUT", "products/{nominalCode}/{code}", lambda _: None, body, **place)

    # The call itself

    async def _pages(self, route: str, params: Mapping[str, str] | None = None) -> AsyncIterator[Mapping[str, Any]]:
        """All rows of a list, by page number until a page is the last. Ends by itself should it never be."""
        for page in range(1, MOST_PAGES + 1):
            asked = {**(params or {}), "page": str(page), "perpage": str(ROWS_PER_PAGE)}
            rows, is_last = await self._get(route, wire.page, params=asked)
            for row in rows:
                yield row
            if is_last or not rows:
                return
        raise Retryable(f"KashFlow's list {route} does not end.", code="endless_list")

    async def _get(
        self, route: str, understand: Callable[[Any], Answer], params: Mapping[str, str] | None = None
    ) -> Answer:
        reply = await self._call("GET", route, Effect.READ, params=params)
        _raise_if_refused(reply, Effect.READ)
        return _understood(reply, Effect.READ, understand)

    async def _find(self, route: str, understand: Callable[[Any], Answer], **place: Any) -> Answer | None:
        reply = await self._call("GET", route, Effect.READ, place=place)
        if reply.status == 404 or (reply.status == 400 and refusals.is_not_found(reply.text)):
            return None
        _raise_if_refused(reply, Effect.READ)
        return _understood(reply, Effect.READ, understand)

    async def _send(
        self, method: str, route: str, understand: Callable[[Any], Answer], body: Any = None, **place: Any
    ) -> Answer:
        reply = await self._call(method, route, Effect.WRITE, body=body, place=place)
        _raise_if_refused(reply, Effect.WRITE)
        return _understood(reply, Effect.WRITE, understand)

    async def _call(
        self,
        method: str,
        route: str,
        effect: Effect,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        place: Mapping[str, Any] | None = None,
    ) -> Reply:
        """A refused session was not carried out, a write neither: log in anew, once, and send again."""
        path = route.format(**{name: quote(str(value), safe="") for name, value in (place or {}).items()})
        stale = ""
        for last in (False, True):
            token = await self._session.token(stale=stale)
            reply = await self._door.call(
                method,
                f"{self._base}/{path}",
                operation=f"{method} /v2/{route}",
                effect=effect,
                headers={"Authorization": f"KfToken {token}", "Accept": "application/json"},
                params=params,
                json=body,
                timeout_seconds=SECONDS,
            )
            if reply.status != 401 or last or "AccountLocked" in reply.text:
                break
            stale = token
        return reply


def _raise_if_refused(reply: Reply, effect: Effect) -> None:
    """400 is also how KashFlow reports that its own database timed out: transient, and a write may have landed."""
    if reply.status == 401 and "AccountLocked" in reply.text:
        raise NeedsAttention(
            "KashFlow has locked this user.",
            code="account_locked",
            cure="Unlock the user in KashFlow, then connect again.",
            operator_text=reply.text[:500],
        )
    if 400 <= reply.status < 500 and reply.status not in {401, 402, 403, 408, 425, 429} and not reply.is_html:
        raise refusals.refusal(reply.operation, wire.refusal_text(reply.content), effect)
    raise_for_status(reply, effect, what=f"KashFlow {reply.operation}")


def _understood(reply: Reply, effect: Effect, understand: Callable[[Any], Answer]) -> Answer:
    try:
        return understand(reply.json() if reply.content else None)
    except wire.Unreadable as error:
        raise refusals.unreadable(reply.operation, effect, str(error)) from error


def _unknown_customer(customer_id: str) -> Rejected:
    return Rejected(
        f"KashFlow has no customer with the id {customer_id!r}.",
        code="unknown_customer",
        field="customer_id",
        cure="Let the flow make sure of the customer first and hand on the id it returns.",
    )


def _not_on_rest(what: str) -> Rejected:
    return Rejected(
        f"KashFlow's REST service has no public call for {what}.",
        code="not_on_rest",
        cure="Choose the SOAP transport in the settings of this connection, or do it by hand in KashFlow.",
    )
