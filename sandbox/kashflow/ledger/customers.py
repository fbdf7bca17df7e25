"""Customers: unique codes, look-ups, balances."""

import datetime as dt
import re
from dataclasses import dataclass, fields
from decimal import Decimal

from sandbox.kashflow.account import Account
from sandbox.kashflow.model import Customer
from sandbox.kashflow.money import ZERO
from sandbox.kashflow.refusal import Refused, invented

CODE_NOT_UNIQUE = "Customer Code is not unique"
NO_SUCH_EMAIL = "There is no customer with that email address"
KEPT_ON_UPDATE = {"customer_id", "created", "updated", "customer_key", "is_archived", "created_at", "made_by"}


@dataclass
class Balance:
    """``value``: payments made; ``balance``: unpaid invoices; neither counts what is dated in the future."""

    customer_id: int
    customer_code: str
    value: Decimal
    balance: Decimal


def customer_of_id(account: Account, customer_id: int) -> Customer:
    """As readers see it.

    :raises Refused: no such customer, or not readable yet.
    """
    customer = account.customers.read(customer_id)
    if customer is None:
        raise invented("There is no customer with that id", code="NotFound", http_status=404)
    return customer


def customer_of_code(account: Account, code: str) -> Customer:
    """:raises Refused: no such customer, or not readable yet."""
    customer_id = account.customer_id_of_code(code)
    customer = account.customers.read(customer_id) if customer_id is not None else None
    if customer is None:
        raise invented("There is no customer with that code", code="NotFound", http_status=404)
    return customer


def customer_of_email(account: Account, email: str) -> Customer:
    """The one with the lowest id among several; a customer's Email may hold more than one address.

    :raises Refused: none has it.
    """
    wanted = email.strip().casefold()
    found = [customer for customer in account.customers.read_all() if wanted and wanted in addresses(customer)]
    if not found:
        raise Refused(NO_SUCH_EMAIL, code="NotFound", http_status=404)
    return min(found, key=lambda customer: customer.customer_id)


def addresses(customer: Customer) -> list[str]:
    return [address.casefold() for address in re.split(r"[\s,;]+", customer.email) if address]


def customer_of_text(account: Account, value: str) -> Customer:
    """By the content of one of the ExtraText fields.

    :raises Refused: none has it.
    """
    for customer in account.customers.read_all():
        if value and value in customer.extra_text:
            return customer
    raise invented("There is no customer with that text", code="NotFound", http_status=404)


def customers_of_postcode(account: Account, postcode: str) -> list[Customer]:
    wanted = postcode.replace(" ", "").casefold()
    return [c for c in account.customers.read_all() if c.postcode.replace(" ", "").casefold() == wanted]


def customers_modified_since(account: Account, moment: dt.datetime | None) -> list[Customer]:
    """Changed at that moment or later; all without one."""
    rows = account.customers.read_all()
    return [c for c in rows if moment is None or (c.updated is not None and c.updated >= moment)]


def suggested_code(account: Account, name: str) -> str:
    """Four letters and two digits, as in STEV01."""
    letters = re.sub(r"[^A-Z]", "", name.upper())[:4].ljust(4, "X")
    number = 1
    while account.customer_id_of_code(f"{letters}{number:02d}") is not None:
        number += 1
    return f"{letters}{number:02d}"


def customer_insert(account: Account, draft: Customer) -> Customer:
    """:raises Refused: the code is taken."""
    if draft.code and account.customer_id_of_code(draft.code) is not None:
        raise Refused(CODE_NOT_UNIQUE, code="DuplicateCustomerCode")
    draft.code = draft.code or suggested_code(account, draft.name)
    draft.customer_id = account.next_id("customer")
    draft.currency_id = draft.currency_id or account.home_currency().currency_id
    draft.created = draft.updated = account.now()
    draft.created_at, draft.made_by = account.stamps()
    account.customers.add(draft.customer_id, draft)
    account.customer_index(draft)
    account.changed()
    return draft


def customer_update(account: Account, draft: Customer) -> Customer:
    """Every field a caller can set is overwritten.

    :raises Refused: no such customer, or another one has the code.
    """
    if account.customers.get(draft.customer_id) is None:
        raise invented("There is no customer with that id", code="NotFound", http_status=404)
    holder = account.customer_id_of_code(draft.code) if draft.code else None
    if holder not in (None, draft.customer_id):
        raise Refused(CODE_NOT_UNIQUE, code="DuplicateCustomerCode")
    customer = account.customers.edit(draft.customer_id)
    account.customer_unindex(customer)
    draft.code = draft.code or customer.code
    for field in fields(Customer):
        if field.name not in KEPT_ON_UPDATE:
            setattr(customer, field.name, getattr(draft, field.name))
    customer.updated = account.now()
    account.customer_index(customer)
    account.changed()
    return customer


def customer_delete(account: Account, customer_id: int) -> bool:
    """False when it stays, because there is none or because it has invoices."""
    if account.customers.get(customer_id) is None or account.has_invoices(customer_id):
        return False
    account.customer_unindex(account.customers.delete(customer_id))
    account.changed()
    return True


def customer_balance(account: Account, customer: Customer) -> Balance:
    today = account.today()
    invoices = [i for i in account.invoices_of_customer(customer.customer_id) if i.invoice_date <= today]
    paid = sum((p.pay_amount for i in invoices for p in i.payments if p.pay_date <= today), ZERO)
    unpaid = sum((invoice.due_amount for invoice in invoices), ZERO)
    return Balance(customer.customer_id, customer.code, paid, unpaid)
