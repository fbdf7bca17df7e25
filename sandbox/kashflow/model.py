"""What an account holds. Names are those of the SOAP types in lower case, so that one table serves both directions.

``created_at`` is when a row took effect, in epoch seconds, and ``made_by`` the operation that made it; both are for
tests and appear only at ``/control/state``.
"""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal

from sandbox.kashflow.money import ZERO, half_up

CUSTOM_FIELDS = 20
"""ExtraText1–20 and CheckBox1–20 of a customer."""


@dataclass
class DeliveryAddress:
    name: str = ""
    line1: str = ""
    line2: str = ""
    line3: str = ""
    line4: str = ""
    post_code: str = ""
    country_name: str = ""
    country_code: str = ""


@dataclass
class Customer:
    customer_id: int
    code: str
    name: str = ""
    contact: str = ""
    telephone: str = ""
    mobile: str = ""
    fax: str = ""
    email: str = ""
    address1: str = ""
    address2: str = ""
    address3: str = ""
    address4: str = ""
    country_name: str = ""
    country_code: str = ""
    postcode: str = ""
    website: str = ""
    ec: int = 0
    outside_ec: int = 0
    notes: str = ""
    source: int = 0
    discount: Decimal = ZERO
    show_discount: bool = False
    payment_terms: int = 0
    extra_text: list[str] = field(default_factory=lambda: [""] * CUSTOM_FIELDS)
    check_box: list[int] = field(default_factory=lambda: [0] * CUSTOM_FIELDS)
    created: dt.datetime | None = None
    updated: dt.datetime | None = None
    currency_id: int = 0
    contact_title: str = ""
    contact_first_name: str = ""
    contact_last_name: str = ""
    cust_has_delivery_address: int = 0
    delivery_address1: str = ""
    delivery_address2: str = ""
    delivery_address3: str = ""
    delivery_address4: str = ""
    delivery_country_name: str = ""
    delivery_country_code: str = ""
    delivery_postcode: str = ""
    vat_number: str = ""
    customer_key: str = ""
    is_archived: bool = False
    created_at: float = 0.0
    made_by: str = ""


@dataclass
class InvoiceLine:
    line_id: int
    quantity: Decimal
    description: str
    rate: Decimal
    charge_type: int
    vat_rate: Decimal
    vat_amount: Decimal
    product_id: int
    sort: int
    proj_id: int = 0
    values_in_currency: int = 1

    @property
    def net_amount(self) -> Decimal:
        return half_up(self.quantity * self.rate)


@dataclass
class Payment:
    pay_id: int
    pay_invoice: int
    pay_date: dt.date
    pay_note: str
    pay_method: int
    pay_account: int
    pay_amount: Decimal
    reference: str = ""
    bulk_id: int = 0
    is_credit_note: bool = False
    advance_id: int = 0
    created_at: float = 0.0
    made_by: str = ""


@dataclass
class Note:
    invoice_id: int
    note_id: int
    note_date: dt.date
    notes: str


@dataclass
class Invoice:
    """Also a credit note, which is an invoice whose lines come to less than nothing."""

    invoice_dbid: int
    invoice_number: int
    invoice_date: dt.date
    due_date: dt.date | None
    customer_id: int
    customer_reference: str = ""
    estimate_category: str = ""
    suppress_total: int = 0
    project_id: int = 0
    currency_code: str = "GBP"
    exchange_rate: Decimal = Decimal(1)
    lines: list[InvoiceLine] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    delivery_address: DeliveryAddress | None = None
    use_custom_delivery_address: bool = False
    permalink_key: str = ""
    is_archived: bool = False
    created_at: float = 0.0
    made_by: str = ""

    @property
    def net_amount(self) -> Decimal:
        return sum((line.net_amount for line in self.lines), ZERO)

    @property
    def vat_amount(self) -> Decimal:
        return sum((line.vat_amount for line in self.lines), ZERO)

    @property
    def gross_amount(self) -> Decimal:
        return self.net_amount + self.vat_amount

    @property
    def home_gross_amount(self) -> Decimal:
        return half_up(self.gross_amount / (self.exchange_rate or 1))

    @property
    def amount_paid(self) -> Decimal:
        """Payments are booked in home currency, also those of a foreign invoice."""
        return sum((payment.pay_amount for payment in self.payments), ZERO)

    @property
    def due_amount(self) -> Decimal:
        return self.home_gross_amount - self.amount_paid

    @property
    def paid(self) -> int:
        settled = self.due_amount >= 0 if self.is_credit_note else self.due_amount <= 0
        return int(settled)

    @property
    def is_credit_note(self) -> bool:
        return self.gross_amount < 0


@dataclass
class SubProduct:
    id: int
    parent_id: int
    name: str
    code: str
    description: str = ""
    price: Decimal = ZERO
    vat_rate: Decimal = ZERO
    wholesale_price: Decimal = ZERO
    managed: int = 0
    qty_in_stock: int = 0
    stock_warn_qty: int = 0
    auto_fill: int = 0
    created_at: float = 0.0
    made_by: str = ""


@dataclass
class Nominal:
    """``type_id`` 1 sales, 2 outgoing, 3 bank transaction type; ``classification_id`` 1 turnover … 6 capital."""

    id: int
    code: int
    name: str
    type_id: int = 1
    classification_id: int = 1
    vat_rate: Decimal = Decimal(20)
    price: Decimal = ZERO
    description: str = ""
    auto_fill: int = 0
    archived: bool = False


@dataclass
class BankAccount:
    account_id: int
    account_name: str
    account_code: int


@dataclass
class BankTransaction:
    id: int
    accid: int
    transaction_date: dt.date
    moneyin: Decimal
    moneyout: Decimal
    vatable: int
    vat_rate: Decimal
    vat_amount: Decimal
    transaction_type: int
    comment: str
    project_id: int = 0
    customer_id: int = 0
    supplier_id: int = 0
    allocated: Decimal = ZERO
    created_at: float = 0.0
    made_by: str = ""


@dataclass
class JournalLine:
    nominal_id: int
    amount: Decimal
    comment: str
    proj_id: int = 0


@dataclass
class Journal:
    dbid: int
    journal_number: int
    journal_date: dt.date
    comment: str
    lines: list[JournalLine] = field(default_factory=list)
    created_at: float = 0.0
    made_by: str = ""


@dataclass
class Currency:
    """``exchange_rate`` is foreign units per unit of home currency."""

    currency_id: int
    currency_code: str
    exchange_rate: Decimal
    is_default: int
    name: str = ""
    symbol: str = ""


@dataclass
class VatRate:
    id: int
    name: str
    value: Decimal


@dataclass
class PaymentMethod:
    method_id: int
    method_name: str


@dataclass
class Source:
    id: int
    name: str


@dataclass
class AllowedAddress:
    id: int
    address: str
    comment: str = ""


@dataclass
class Company:
    """One login and what GetCompanyDetails tells of it."""

    user_name: str
    password: str
    api_password: str
    memorable_word: str
    auto_auth_key: str
    company_id: int
    company_name: str
    address1: str = "1 Example Street"
    address2: str = "Exampleton"
    address3: str = ""
    address4: str = ""
    postcode: str = "EX1 1EX"
    primary_email: str = "office@example.test"
    primary_contact: str = "Sam Example"
    telephone: str = "01632 960000"
    mobile: str = ""
    vat_registered: str = "Yes"
    vat_registration_number: str = "GB000000000"
    payment_terms: int = 30
    currency_symbol: str = "£"
    currency_position: str = "Left"
    us_date: str = "No"
    currency_id: int = 1
    currency_name: str = "GBP"
    payment_terms_type: str = "invoice date"
    business_type: int = 1
