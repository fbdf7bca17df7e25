"""The canonical records: what a shop's order, a ledger's invoice and their relatives mean between any two systems.

Money is ``Decimal`` with a currency beside it; a line's amounts are totals of the line, never per unit, unless the
name says unit. Amounts may carry four decimals (shops do); only documents are exact to the currency's minor unit.
Moments are aware datetimes, days are dates in the source account's own time zone.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("an amount must be a finite number")
    return value


Amount = Annotated[Decimal, AfterValidator(_finite)]


class Canonical(BaseModel):
    """Immutable, closed: an unknown member is an error here and not three steps later."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OrderStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETE = "complete"
    CANCELLED = "cancelled"


class PaymentStatus(StrEnum):
    PENDING = "pending"
    AUTHORIZED = "authorized"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"


class LineKind(StrEnum):
    PRODUCT = "product"
    GIFT_CARD_SALE = "gift_card_sale"  # money received for a voucher: a liability, no revenue
    SHIPPING = "shipping"
    FEE = "fee"
    DISCOUNT = "discount"  # amounts are negative
    ROUNDING = "rounding"


class TenderKind(StrEnum):
    GIFT_CARD = "gift_card"
    REWARD_POINTS = "reward_points"
    STORED_VALUE = "stored_value"  # gift card or points: the source's API does not tell which


class Address(Canonical):
    """Lines hold what is printed, top to bottom; ``country_code`` is ISO 3166 alpha-2 (Greece GR, Britain GB)."""

    recipient: str = ""
    company: str = ""
    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postcode: str = ""
    country_code: str = ""
    country_name: str = ""
    phone: str = ""


class Customer(Canonical):
    """A person or firm. ``source_id`` is empty for a guest; ``email`` is lower-cased and trimmed."""

    source_id: str = ""
    guest: bool = False
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    phone: str = ""
    tax_number: str = ""
    address: Address | None = None
    delivery_address: Address | None = None

    @property
    def display_name(self) -> str:
        return self.company or f"{self.first_name} {self.last_name}".strip() or self.email


class OrderLine(Canonical):
    """``net`` + ``tax`` = what the shopper paid for the whole line; ``tax_rate`` in per cent, None = exempt."""

    id: str
    kind: LineKind
    sku: str = ""
    description: str
    quantity: Decimal = Decimal(1)
    net: Amount
    tax: Amount
    tax_rate: Decimal | None
    product_id: str = ""


class TaxTotal(Canonical):
    """Tax the source states for one rate (per cent)."""

    rate: Decimal
    tax: Amount


class Tender(Canonical):
    """Part of the gross that was settled with something other than a payment (it is not a discount)."""

    kind: TenderKind
    amount: Amount
    reference: str = ""


class Payment(Canonical):
    """Money received. ``reference`` is unique within the order and stable (capture id, else ``paid``)."""

    reference: str
    method: str
    amount: Amount
    currency: str
    paid_at: AwareDatetime


class Order(Canonical):
    """One sale as its shop states it now.

    ``gross`` is the total before tenders; ``total`` = gross − tenders is what the shop calls the order total.
    ``refunded_total`` is cumulative. ``arithmetic_note`` is filled when the shop's own figures do not add up.
    """

    source_id: str
    number: str
    external_key: str = ""
    placed_at: AwareDatetime
    placed_date: date
    status: OrderStatus
    payment_status: PaymentStatus
    fulfilment_status: str = ""
    deleted: bool = False
    currency: str
    display_currency: str = ""
    display_rate: Decimal = Decimal(1)
    customer: Customer
    billing_address: Address | None = None
    shipping_address: Address | None = None
    shipping_method: str = ""
    payment_method: str = ""
    tax_number: str = ""
    lines: tuple[OrderLine, ...]
    taxes: tuple[TaxTotal, ...] = ()
    tenders: tuple[Tender, ...] = ()
    payments: tuple[Payment, ...] = ()
    gross: Amount
    total: Amount
    tax_total: Amount
    refunded_total: Amount = Decimal(0)
    note: str = ""
    arithmetic_note: str = ""


class Refund(Canonical):
    """The part of a cumulative refund that has no credit yet: ``amount`` = ``cumulative`` − already credited."""

    order_id: str
    cumulative: Amount
    amount: Amount
    currency: str


class Product(Canonical):
    """A sellable item. ``price`` is per unit without tax in ``currency``; ``quantity`` None = stock not managed."""

    source_id: str
    sku: str
    name: str
    description: str = ""
    price: Amount
    currency: str = ""
    tax_rate: Decimal | None = None
    managed: bool = True
    quantity: int | None = None
    nominal: str = ""


class StockLevel(Canonical):
    """Absolute quantity on hand of one SKU."""

    sku: str
    quantity: int


class DocumentKind(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class DocumentLine(Canonical):
    """A line exactly as the ledger will hold it: ``quantity`` × ``unit_price`` is net, ``tax`` the VAT of the line.

    ``unit_price`` and ``tax`` have two decimals. ``tax_rate`` None = not applicable/exempt. ``nominal`` is the visible
    nominal code, ``product_code`` the SKU there, empty when the line moves no stock.
    """

    description: str
    quantity: Decimal
    unit_price: Amount
    tax: Amount
    tax_rate: Decimal | None
    nominal: str
    product_code: str = ""
    kind: LineKind = LineKind.PRODUCT

    @property
    def net(self) -> Decimal:
        return self.quantity * self.unit_price


class InvoiceDraft(Canonical):
    """A sales document ready to be written. Totals are those the lines add up to; a connector re-checks them.

    ``depends_on_sent_tax``: the totals hold only if the ledger keeps the tax amounts we send (it does not recompute).
    """

    kind: DocumentKind
    reference: str
    customer_id: str
    issued_date: date
    due_date: date
    currency: str
    exchange_rate: Decimal = Decimal(1)
    lines: tuple[DocumentLine, ...]
    net: Amount
    tax: Amount
    gross: Amount
    depends_on_sent_tax: bool = False
    delivery_address: Address | None = None
    note: str = ""


class InvoiceRef(Canonical):
    """What a ledger says of a document of ours. ``number`` is shown to people, ``id`` is the ledger's internal key."""

    number: str
    id: str = ""
    reference: str = ""
    customer_id: str = ""
    issued_date: date | None = None
    currency: str = ""
    net: Amount = Decimal(0)
    tax: Amount = Decimal(0)
    gross: Amount = Decimal(0)
    paid: Amount = Decimal(0)


class PaymentDraft(Canonical):
    """One receipt (negative = money back) against one document. ``method`` and ``account`` are names in the ledger."""

    document_number: str
    amount: Amount
    currency: str
    paid_date: date
    method: str
    account: str
    reference: str


class PaymentRef(Canonical):
    id: str
    document_number: str
    amount: Amount
    reference: str = ""


class PaymentThere(Canonical):
    """A payment as it stands on a document. ``reference`` is ours where we recorded it."""

    id: str
    amount: Amount
    reference: str = ""


class DocumentThere(Canonical):
    """A sales document as it stands in a ledger just now, with everything that was paid on it."""

    number: str
    reference: str
    issued_date: date
    currency: str = ""
    gross: Amount
    paid: Amount = Decimal(0)
    payments: tuple[PaymentThere, ...] = ()


class CustomerDraft(Canonical):
    """A customer as we want the ledger (or shop) to know it. ``code`` is deterministic: the natural key."""

    code: str
    source_id: str = ""
    email: str = ""
    name: str
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    phone: str = ""
    tax_number: str = ""
    address: Address | None = None
    delivery_address: Address | None = None
    currency: str = ""


class CustomerRef(Canonical):
    """``shown`` lists fields we left alone because a person edited them there.

    ``written``: what we have said of this customer so far, this time included; by it we know our own values again.
    """

    id: str
    code: str = ""
    email: str = ""
    name: str = ""
    created: bool = False
    shown: tuple[str, ...] = ()
    written: CustomerDraft | None = None
