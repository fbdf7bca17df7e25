"""The account through SOAP 1.1: one method per remote call. ``https://securedwebapp.com/api/service.asmx``.

There is no session: user name and password ride in every body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from lxml import etree

from connectors.base.errors import Rejected
from connectors.base.http import Effect, HttpDoor, Reply, raise_for_status
from connectors.kashflow import entities_soap as shapes
from connectors.kashflow import refusals
from connectors.kashflow.auth import Login
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
from connectors.kashflow.soap_xml import (
    SoapFault,
    SoapReply,
    Unreadable,
    children,
    envelope,
    is_nil,
    read_reply,
    result_bool,
    result_int,
)

REAL_ADDRESS = "https://securedwebapp.com/api/service.asmx"
SECONDS = 30.0
SECONDS_FOR_LISTS = 60.0  # what published clients allow; whole lists come without paging

READS = (
    "GetCompanyDetails GetCurrencies GetVATRates GetNominalCodesExtended GetInvPayMethods GetBankAccounts "
    "GetCustomerByEmail GetCustomer GetCustomersModifiedSince GetInvoice GetInvoicesForCustomer "
    "GetInvoicesByDateRange GetInvoiceNotes GetInvoicePayment GetProductsWithSubProducts GetSubProductByCode "
    "GetSubProducts"
)
WRITES = (
    "AutoAuthIP InsertCustomer UpdateCustomer InsertInvoice DeleteInvoice InsertInvoiceNote InsertInvoicePayment "
    "DeleteInvoicePayment applyCreditNoteToInvoice AddOrUpdateSubProduct"
)
CALL_NAMES: tuple[str, ...] = (*READS.split(), *WRITES.split())

Answer = TypeVar("Answer")


class SoapLedger:
    """``Ledger`` over SOAP. ``address`` is the service address, the real one unless a setting says otherwise."""

    def __init__(self, door: HttpDoor, address: str, login: Login) -> None:
        self._door = door
        self._address = address
        self._login = login

    # Account facts

    async def company(self) -> Company:
        result = await self._read("GetCompanyDetails", lambda reply: _required(reply, shapes.company))
        home = next((c for c in await self.currencies() if c.is_home), None)
        code = home.code if home else ""
        return Company(result.name, code, result.vat_registered, result.vat_number)

    async def currencies(self) -> list[Currency]:
        return await self._read("GetCurrencies", _list_of("Currencies", shapes.currency))

    async def vat_rates(self) -> list[Decimal]:
        return await self._read("GetVATRates", _list_of("BasicDataset", shapes.vat_rate))

    async def nominals(self) -> list[Nominal]:
        return await self._read("GetNominalCodesExtended", _list_of("NominalCodeExtended", shapes.nominal))

    async def payment_methods(self) -> list[NamedId]:
        return await self._read("GetInvPayMethods", _list_of("PaymentMethod", shapes.payment_method))

    async def bank_accounts(self) -> list[NamedId]:
        return await self._read("GetBankAccounts", _list_of("BankAccount", shapes.bank_account))

    async def allow_our_address(self, key: str) -> bool:
        """AutoAuthIP: put the address we call from on the account's list. True when KashFlow took the key."""
        reply = await self._call("AutoAuthIP", [("appName", "Causeway"), ("AutoAuthKey", key)], Effect.WRITE, SECONDS)
        return reply.status == "OK"

    # Customers

    async def customer_by_email(self, email: str) -> LedgerCustomer | None:
        return await self._find("GetCustomerByEmail", [("CustomerEmail", email)], shapes.customer)

    async def customer_by_code(self, code: str) -> LedgerCustomer | None:
        return await self._find("GetCustomer", [("CustomerCode", code)], shapes.customer)

    async def customers_modified_since(self, moment: datetime) -> list[LedgerCustomer]:
        return await self._list("GetCustomersModifiedSince", "Customer", shapes.customer, [("ModifiedSince", moment)])

    async def customer_insert(self, code: str, fields: Mapping[str, str], currency: Currency | None) -> int:
        record = shapes.new_customer(code, fields, currency)
        try:
            return await self._write("InsertCustomer", [("custr", record)], _positive("InsertCustomer"))
        except Rejected as error:
            if refusals.is_code_taken(error.provider_code):
                raise CodeTaken(code) from error
            raise

    async def customer_update(self, existing: LedgerCustomer, changes: Mapping[str, str]) -> None:
        record = shapes.changed_customer(existing, changes)
        await self._write("UpdateCustomer", [("custr", record)], lambda reply: None)

    # Documents

    async def invoice(self, number: int) -> LedgerInvoice | None:
        found = await self._find("GetInvoice", [("InvoiceNumber", number)], shapes.invoice)
        return found if found and found.number else None

    async def invoice_lines(self, number: int) -> list[LedgerLine]:
        rows = await self._find("GetInvoice", [("InvoiceNumber", number)], shapes.invoice_lines) or []
        nominals = {nominal.id: nominal.code for nominal in await self.nominals()}
        products = {product.id: product.code for product in await self.products()}
        return [
            replace(
                row.line,
                nominal_code=nominals.get(row.nominal_id, ""),
                product_code=products.get(row.product_id, "") if row.product_id else "",
            )
            for row in rows
        ]

    async def invoices_of_customer(self, customer_id: str) -> list[LedgerInvoice]:
        number = _customer_number(customer_id)
        return await self._list("GetInvoicesForCustomer", "Invoice", shapes.invoice, [("CustID", number)])

    async def invoices_between(self, first: date, last: date) -> list[LedgerInvoice]:
        days = [("StartDate", first), ("EndDate", last)]
        return await self._list("GetInvoicesByDateRange", "Invoice", shapes.invoice, days)

    async def invoice_insert(self, document: DocumentToWrite) -> tuple[int, int]:
        record = shapes.new_invoice(document, _customer_number(document.customer_id))
        return await self._write("InsertInvoice", [("Inv", record)], _positive("InsertInvoice")), 0

    async def invoice_delete(self, number: int) -> bool:
        return await self._write("DeleteInvoice", [("InvoiceNumber", number)], _done("DeleteInvoice"))

    async def notes(self, invoice: LedgerInvoice) -> list[str]:
        return await self._list("GetInvoiceNotes", "InvoiceNotes", shapes.note, [("InvoiceId", invoice.id)])

    async def note_insert(self, invoice: LedgerInvoice, on: datetime, text: str) -> None:
        arguments = [("InvoiceId", invoice.id), ("NoteDate", on), ("Notes", text)]
        await self._write("InsertInvoiceNote", arguments, lambda reply: None)

    # Payments

    async def payments(self, number: int) -> list[LedgerPayment]:
        return await self._list("GetInvoicePayment", "Payment", shapes.payment, [("InvoiceNumber", number)])

    async def payment_insert(self, payment: PaymentToWrite) -> int:
        record = shapes.new_payment(payment)
        return await self._write(
            "InsertInvoicePayment", [("InvoicePayment", record)], _positive("InsertInvoicePayment")
        )

    async def payment_delete(self, payment: LedgerPayment) -> None:
        await self._write("DeleteInvoicePayment", [("InvoicePaymentNumber", payment.id)], lambda reply: None)

    async def credit_apply(self, invoice: LedgerInvoice, credit: LedgerInvoice) -> bool:
        arguments = [("InvoiceID", invoice.id), ("CreditNoteID", credit.id)]
        return await self._write("applyCreditNoteToInvoice", arguments, lambda reply: result_bool(reply.result))

    # Products

    async def products(self) -> list[LedgerProduct]:
        return await self._read("GetProductsWithSubProducts", _catalogue, seconds=SECONDS_FOR_LISTS)

    async def product_find(self, code: str, prefer: Nominal | None) -> LedgerProduct | None:
        found = await self._find("GetSubProductByCode", [("ProductCode", code)], shapes.product)
        # The look-up names any product of this code, whatever its nominal.
        if found is not None and prefer is not None and found.nominal_id != prefer.id:
            return await self.product_under(prefer, code) or found
        return found

    async def product_under(self, nominal: Nominal, code: str) -> LedgerProduct | None:
        under = await self._list("GetSubProducts", "SubProduct", shapes.product, [("NominalID", nominal.id)])
        return next((product for product in under if product.code == code), None)

    async def product_insert(self, product: ProductToWrite) -> int:
        record = shapes.new_product(product)
        return await self._write("AddOrUpdateSubProduct", [("sp", record)], _positive("AddOrUpdateSubProduct"))

    async def product_update(self, existing: LedgerProduct, changes: Mapping[str, Any]) -> None:
        record = shapes.changed_product(existing, changes)
        await self._write("AddOrUpdateSubProduct", [("sp", record)], lambda reply: None)

    # The call itself

    async def _find(
        self, method: str, arguments: list[tuple[str, Any]], shape: Callable[[etree._Element], Answer]
    ) -> Answer | None:
        """A look-up by key. KashFlow reports a miss as a refusal, as nil, or as an empty object with id 0."""
        reply = await self._call(method, arguments, Effect.READ, SECONDS)
        if reply.status == "NO":
            if refusals.is_not_found(reply.detail):
                return None
            raise refusals.refusal(method, reply.detail, Effect.READ)
        result = reply.result
        if result is None or is_nil(result) or not len(result):
            return None
        found = self._understood(method, reply, Effect.READ, lambda _: shape(result))
        return found if getattr(found, "id", 1) else None

    async def _list(
        self,
        method: str,
        name: str,
        shape: Callable[[etree._Element], Answer],
        arguments: list[tuple[str, Any]],
    ) -> list[Answer]:
        """Records of something; how KashFlow words "none" is not known for every list, so a miss is an empty one."""
        reply = await self._call(method, arguments, Effect.READ, SECONDS_FOR_LISTS)
        if reply.status == "NO":
            if refusals.is_not_found(reply.detail):
                return []
            raise refusals.refusal(method, reply.detail, Effect.READ)
        return self._understood(method, reply, Effect.READ, _list_of(name, shape))

    async def _read(
        self,
        method: str,
        understand: Callable[[SoapReply], Answer],
        seconds: float = SECONDS,
    ) -> Answer:
        """A fact of the account, which takes no arguments."""
        reply = await self._call(method, [], Effect.READ, seconds)
        if reply.status == "NO":
            raise refusals.refusal(method, reply.detail, Effect.READ)
        return self._understood(method, reply, Effect.READ, understand)

    async def _write(
        self, method: str, arguments: list[tuple[str, Any]], understand: Callable[[SoapReply], Answer]
    ) -> Answer:
        reply = await self._call(method, arguments, Effect.WRITE, SECONDS)
        if reply.status == "NO":
            raise refusals.refusal(method, reply.detail, Effect.WRITE)
        return self._understood(method, reply, Effect.WRITE, understand)

    async def _call(self, method: str, arguments: list[tuple[str, Any]], effect: Effect, seconds: float) -> SoapReply:
        credentials = [("UserName", self._login.username), ("Password", self._login.password)]
        reply = await self._door.call(
            "POST",
            self._address,
            operation=method,
            effect=effect,
            headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"KashFlow/{method}"'},
            content=envelope(method, [*credentials, *arguments]),
            timeout_seconds=seconds,
        )
        return _opened(reply, method, effect)

    @staticmethod
    def _understood(method: str, reply: SoapReply, effect: Effect, understand: Callable[[SoapReply], Answer]) -> Answer:
        try:
            return understand(reply)
        except Unreadable as error:
            raise refusals.unreadable(method, effect, str(error)) from error


def _opened(reply: Reply, method: str, effect: Effect) -> SoapReply:
    """A fault (HTTP 500) is a refusal of the request as such: not done. Anything else but 200 goes by the table."""
    if reply.status not in {200, 500}:
        raise_for_status(reply, effect, what=f"KashFlow {method}")
    try:
        opened = read_reply(reply.content, method)
    except Unreadable as error:
        raise refusals.unreadable(method, effect, f"HTTP {reply.status}: {error}") from error
    if isinstance(opened, SoapFault):
        if refusals.is_transient(opened.text):
            raise refusals.transient(method, opened.text, effect)
        raise Rejected(
            f"KashFlow could not read our request for {method}.",
            code="soap_fault",
            cure="This is ours to correct; support has the details.",
            operator_text=f"{method}: {opened.code}: {opened.text}"[:2000],
            provider_code=opened.code,
        )
    if reply.status != 200:
        raise refusals.unreadable(method, effect, f"HTTP {reply.status} without a fault")
    return opened


def _required(reply: SoapReply, shape: Callable[[etree._Element], Answer]) -> Answer:
    if reply.result is None or is_nil(reply.result):
        raise Unreadable("the result is missing")
    return shape(reply.result)


def _list_of(name: str, shape: Callable[[etree._Element], Answer]) -> Callable[[SoapReply], list[Answer]]:
    return lambda reply: [shape(element) for element in children(reply.result, name)]


def _positive(method: str) -> Callable[[SoapReply], int]:
    """Status OK without an id leaves open what was made: unreadable, so that somebody looks."""

    def understand(reply: SoapReply) -> int:
        value = result_int(reply.result, method)
        if value <= 0:
            raise Unreadable(f"{method}Result is {value}")
        return value

    return understand


def _done(method: str) -> Callable[[SoapReply], bool]:
    """1 done, 0 not done, both with status OK."""
    return lambda reply: result_int(reply.result, method) != 0


def _catalogue(reply: SoapReply) -> list[LedgerProduct]:
    return [
        shapes.product(item)
        for nominal in children(reply.result, "ProductsFull")
        for holder in children(nominal, "subProducts")
        for item in children(holder, "SubProduct")
    ]


def _customer_number(customer_id: str) -> int:
    try:
        return int(customer_id)
    except ValueError:
        raise Rejected(
            f"{customer_id!r} is no KashFlow customer id.",
            code="unknown_customer",
            field="customer_id",
            cure="Let the flow make sure of the customer first and hand on the id it returns.",
        ) from None
