"""Sales types (nominals) and the products beneath them."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal

from sandbox.kashflow.account import Account
from sandbox.kashflow.model import Nominal, SubProduct
from sandbox.kashflow.money import ZERO, half_up
from sandbox.kashflow.refusal import invented

SALES_TYPE = 1
BANK_TYPE = 3
TYPE_NAMES = {1: "Turnover", 2: "Cost of Sale", 3: "Expense", 4: "Fixed Asset", 5: "Current Asset", 6: "Capital"}
CLASS_NAMES = {1: "Sales Type", 2: "Outgoing Type", 3: "Bank Transaction Type"}


@dataclass
class Posting:
    """One line of a nominal's ledger; ``type`` 1 sales invoice, 3 bank, 4 journal."""

    date: dt.date
    nominal_id: int
    value: Decimal
    type: int
    id: int
    reference: str
    narrative: str


def sales_types(account: Account) -> list[Nominal]:
    return [nominal for nominal in account.nominals.all() if nominal.type_id == SALES_TYPE]


def products_under(account: Account, nominal_id: int) -> list[SubProduct]:
    return [product for product in account.products.read_all() if product.parent_id == nominal_id]


def product_of_code(account: Account, code: str) -> SubProduct:
    """:raises Refused: none, or not readable yet."""
    wanted = code.casefold()
    for product in account.products.read_all():
        if product.code.casefold() == wanted:
            return product
    raise invented("There is no product with that code", code="NotFound", http_status=404)


def product_of_id(account: Account, product_id: int) -> SubProduct:
    """:raises Refused: none, or not readable yet."""
    product = account.products.read(product_id)
    if product is None:
        raise invented("There is no product with that id", code="NotFound", http_status=404)
    return product


def product_put(account: Account, draft: SubProduct) -> SubProduct:
    """``id`` 0 creates, otherwise everything is overwritten, the stock included.

    :raises Refused: unknown nominal or id, or the code is taken within its nominal.
    """
    if account.nominals.get(draft.parent_id) is None:
        raise invented(f"There is no nominal with id {draft.parent_id}", code="UnknownNominal")
    for other in account.products.all():
        same = other.code.casefold() == draft.code.casefold() and other.parent_id == draft.parent_id
        if same and other.id != draft.id:
            raise invented("Product code is not unique", code="DuplicateProductCode")
    stored = _product_created(account, draft) if not draft.id else _product_overwritten(account, draft)
    account.changed()
    return stored


def _product_created(account: Account, draft: SubProduct) -> SubProduct:
    draft.id = account.next_id("product")
    draft.created_at, draft.made_by = account.stamps()
    return account.products.add(draft.id, draft)


def _product_overwritten(account: Account, draft: SubProduct) -> SubProduct:
    if account.products.get(draft.id) is None:
        raise invented("There is no product with that id", code="NotFound", http_status=404)
    product = account.products.edit(draft.id)
    for field in fields(SubProduct):
        if field.name not in ("id", "created_at", "made_by"):
            setattr(product, field.name, getattr(draft, field.name))
    return product


def product_delete(account: Account, product_id: int) -> None:
    account.products.delete(product_id)
    account.changed()


def nominal_insert(account: Account, *, name: str, code: int, classification: int, type_id: int) -> Nominal:
    """:raises Refused: the code is taken, or there is no such type or classification."""
    if account.nominal_of_code(code) is not None:
        raise invented(f"Nominal code {code} is in use", code="DuplicateCode")
    if classification not in TYPE_NAMES or type_id not in CLASS_NAMES:
        raise invented("Unknown classification or type", code="InvalidRequest")
    nominal = Nominal(account.next_id("nominal", step=13), code, name, type_id, classification)
    account.nominals.add(nominal.id, nominal)
    account.changed()
    return nominal


def postings(account: Account, nominal_id: int, start: dt.date, end: dt.date) -> list[Posting]:
    """What was booked to a nominal in home currency, credits positive."""
    return [posting for posting in _postings(account, start, end) if posting.nominal_id == nominal_id]


def _postings(account: Account, start: dt.date, end: dt.date) -> Iterator[Posting]:
    for invoice in account.invoices_on(start, end):
        number = str(invoice.invoice_number)
        for line in invoice.lines:
            value = half_up(line.net_amount / (invoice.exchange_rate or 1))
            day, dbid = invoice.invoice_date, invoice.invoice_dbid
            yield Posting(day, line.charge_type, value, 1, dbid, number, line.description)
    for row in account.bank_transactions.read_all():
        if start <= row.transaction_date <= end:
            value = row.moneyin - row.moneyout
            yield Posting(row.transaction_date, row.transaction_type, value, 3, row.id, "", row.comment)
    for journal in account.journals.read_all():
        if start <= journal.journal_date <= end:
            number = str(journal.journal_number)
            for part in journal.lines:
                yield Posting(journal.journal_date, part.nominal_id, part.amount, 4, journal.dbid, number, part.comment)


def balances(account: Account) -> dict[int, tuple[Decimal, Decimal]]:
    """Debit and credit by nominal id, over all time."""
    totals = {nominal.id: (ZERO, ZERO) for nominal in account.nominals.all()}
    for posting in _postings(account, dt.date.min, dt.date.max):
        debit, credit = totals.get(posting.nominal_id, (ZERO, ZERO))
        value = posting.value
        totals[posting.nominal_id] = (debit - min(value, ZERO), credit + max(value, ZERO))
    return totals
