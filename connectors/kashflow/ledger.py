"""One account as both transports show it: neutral shapes and the protocol that actions are written against.

Ids are KashFlow's internal numbers (SOAP speaks nothing else); codes are what people see. Shapes carry what was read,
``raw`` the provider's own record, because updates there overwrite the whole record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Protocol

from connectors.base.records import Address

PENNY = Decimal("0.01")


def to_pennies(amount: Decimal) -> Decimal:
    return amount.quantize(PENNY, ROUND_HALF_UP)


def plain(amount: Decimal) -> Decimal:
    """KashFlow writes 8.3300: two places, where that loses nothing."""
    pennies = to_pennies(amount)
    return pennies if pennies == amount else amount


class CodeTaken(Exception):
    """Customer codes are unique; this one is in use already."""


@dataclass(frozen=True)
class Company:
    """``currency`` is the home currency's code; ``vat_registered`` decides whether lines may carry VAT."""

    name: str
    currency: str
    vat_registered: bool
    vat_number: str = ""


@dataclass(frozen=True)
class Currency:
    id: int
    code: str
    rate: Decimal
    is_home: bool


@dataclass(frozen=True)
class Nominal:
    id: int
    code: str
    name: str
    archived: bool = False


@dataclass(frozen=True)
class NamedId:
    """A payment method or a bank account; ``code`` is empty for methods."""

    id: int
    name: str
    code: str = ""


@dataclass(frozen=True)
class LedgerCustomer:
    """``fields`` by neutral name (see ``customer_fields.NAMES``), every value text, blank where nothing is set."""

    id: int
    code: str
    fields: Mapping[str, str]
    updated: datetime | None = None
    raw: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class LedgerInvoice:
    """A document as read. Amounts are in the document's currency, ``paid`` is in home currency."""

    number: int
    id: int
    reference: str
    customer_id: int
    customer_code: str
    issued_date: date
    currency: str
    rate: Decimal
    net: Decimal
    tax: Decimal
    paid: Decimal

    @property
    def gross(self) -> Decimal:
        return self.net + self.tax


@dataclass(frozen=True)
class LedgerLine:
    """A document's line as read. ``vat_rate`` None = exempt; ``product_code`` is empty where it moves no stock."""

    description: str
    quantity: Decimal
    rate: Decimal
    tax: Decimal
    vat_rate: Decimal | None
    nominal_code: str
    product_code: str


@dataclass(frozen=True)
class LedgerPayment:
    """``amount`` is in home currency; negative is money back."""

    id: int
    document_number: int
    paid_date: date
    note: str
    method_id: int
    account_id: int
    amount: Decimal


@dataclass(frozen=True)
class LedgerProduct:
    """``vat_rate`` None = exempt. ``id`` 0 = not there yet."""

    id: int
    nominal_id: int
    code: str
    name: str
    description: str
    price: Decimal
    vat_rate: Decimal | None
    managed: bool
    quantity: int
    raw: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class LineToWrite:
    """``rate`` per unit, two places; ``vat_rate`` None = exempt; ``product`` None moves no stock."""

    description: str
    quantity: Decimal
    rate: Decimal
    tax: Decimal
    vat_rate: Decimal | None
    nominal: Nominal
    product: LedgerProduct | None


@dataclass(frozen=True)
class DocumentToWrite:
    """``exchange_rate`` is foreign units per one home unit, 1 for the home currency."""

    customer_id: str
    reference: str
    issued_date: date
    due_date: date
    currency: str
    exchange_rate: Decimal
    foreign: bool
    lines: Sequence[LineToWrite]
    delivery_address: Address | None = None


@dataclass(frozen=True)
class PaymentToWrite:
    document_number: int
    paid_date: date
    note: str
    method_id: int
    account_id: int
    amount: Decimal


@dataclass(frozen=True)
class ProductToWrite:
    """A new sellable item under a nominal. ``quantity`` None = stock not managed."""

    nominal: Nominal
    code: str
    name: str
    description: str
    price: Decimal
    vat_rate: Decimal | None
    quantity: int | None


class Ledger(Protocol):
    """What actions may ask of an account, whichever transport carries it.

    Reads answer None (or an empty list) for what does not exist. Every method raises the connector error family;
    writes raise OutcomeUnknown when the request was sent and the answer is missing or unreadable.
    """

    async def company(self) -> Company: ...

    async def currencies(self) -> list[Currency]: ...

    async def vat_rates(self) -> list[Decimal]: ...

    async def nominals(self) -> list[Nominal]: ...

    async def payment_methods(self) -> list[NamedId]: ...

    async def bank_accounts(self) -> list[NamedId]: ...

    async def customer_by_email(self, email: str) -> LedgerCustomer | None: ...

    async def customer_by_code(self, code: str) -> LedgerCustomer | None: ...

    async def customers_modified_since(self, moment: datetime) -> list[LedgerCustomer]:
        """:param moment: naive, UK local time, as KashFlow keeps it."""

    async def customer_insert(self, code: str, fields: Mapping[str, str], currency: Currency | None) -> int:
        """:param currency: None for the home currency.
        :raises CodeTaken: the code is in use.
        """

    async def customer_update(self, existing: LedgerCustomer, changes: Mapping[str, str]) -> None:
        """Write the record back whole, as read, with ``changes`` put in."""

    async def invoice(self, number: int) -> LedgerInvoice | None: ...

    async def invoice_lines(self, number: int) -> list[LedgerLine]:
        """The lines of a document; what they hang under that no longer exists has an empty code."""

    async def invoices_of_customer(self, customer_id: str) -> list[LedgerInvoice]: ...

    async def invoices_between(self, first: date, last: date) -> list[LedgerInvoice]: ...

    async def invoice_insert(self, document: DocumentToWrite) -> tuple[int, int]:
        """:returns: document number and internal id (0 where the transport does not tell it)."""

    async def invoice_delete(self, number: int) -> bool: ...

    async def notes(self, invoice: LedgerInvoice) -> list[str]: ...

    async def note_insert(self, invoice: LedgerInvoice, on: datetime, text: str) -> None: ...

    async def payments(self, number: int) -> list[LedgerPayment]: ...

    async def payment_insert(self, payment: PaymentToWrite) -> int: ...

    async def payment_delete(self, payment: LedgerPayment) -> None: ...

    async def credit_apply(self, invoice: LedgerInvoice, credit: LedgerInvoice) -> bool: ...

    async def products(self) -> list[LedgerProduct]: ...

    async def product_find(self, code: str, prefer: Nominal | None) -> LedgerProduct | None:
        """The product of that code, under ``prefer`` where it is there (codes are unique within a nominal only)."""

    async def product_under(self, nominal: Nominal, code: str) -> LedgerProduct | None: ...

    async def product_insert(self, product: ProductToWrite) -> int: ...

    async def product_update(self, existing: LedgerProduct, changes: Mapping[str, Any]) -> None:
        """Write the item back whole, with ``changes`` (names as in LedgerProduct) put in."""
