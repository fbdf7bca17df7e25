"""Bank accounts and what goes through them."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from sandbox.kashflow.account import Account
from sandbox.kashflow.model import BankAccount, BankTransaction
from sandbox.kashflow.money import ZERO, half_up
from sandbox.kashflow.refusal import invented


@dataclass
class Overview:
    account_id: int
    account_name: str
    balance: Decimal


def bank_account_of_id(account: Account, account_id: int) -> BankAccount:
    """:raises Refused: no such account."""
    bank_account = account.bank_accounts.get(account_id)
    if bank_account is None:
        raise invented(f"There is no bank account with id {account_id}", code="NotFound", http_status=404)
    return bank_account


def bank_account_create(account: Account, name: str, code: int) -> BankAccount:
    """:raises Refused: the code is taken."""
    if any(row.account_code == code for row in account.bank_accounts.all()):
        raise invented(f"Nominal code {code} is in use", code="DuplicateCode")
    row = BankAccount(account.next_id("bank_account"), name, code)
    account.bank_accounts.add(row.account_id, row)
    account.changed()
    return row


def bank_balance(account: Account, account_id: int, on: dt.date | None = None) -> Decimal:
    """Stand-alone transactions plus payments of invoices, up to and including the day.

    Money on account counts once: as the transaction it came in by, not as the payments it was allocated to.

    :raises Refused: no such account.
    """
    bank_account_of_id(account, account_id)
    last = on or dt.date.max
    own = (
        row.moneyin - row.moneyout
        for row in account.bank_transactions.read_all()
        if row.accid == account_id and row.transaction_date <= last
    )
    paid = (
        payment.pay_amount
        for invoice in account.invoices.read_all()
        for payment in invoice.payments
        if payment.pay_account == account_id and payment.pay_date <= last and not payment.advance_id
    )
    return sum(own, ZERO) + sum(paid, ZERO)


def bank_overview(account: Account) -> list[Overview]:
    return [
        Overview(row.account_id, row.account_name, bank_balance(account, row.account_id))
        for row in account.bank_accounts.all()
    ]


def transactions_of(account: Account, account_id: int) -> list[BankTransaction]:
    """Stand-alone transactions; payments of invoices are not among them.

    :raises Refused: no such account.
    """
    bank_account_of_id(account, account_id)
    return [row for row in account.bank_transactions.read_all() if row.accid == account_id]


def transaction_insert(account: Account, draft: BankTransaction) -> BankTransaction:
    """:raises Refused: unknown account or type, not exactly one of in and out, period locked."""
    _check(account, draft)
    draft.id = account.next_id("bank_transaction")
    draft.created_at, draft.made_by = account.stamps()
    account.bank_transactions.add(draft.id, draft)
    account.changed()
    return draft


def _check(account: Account, draft: BankTransaction) -> None:
    bank_account_of_id(account, draft.accid)
    if account.nominals.get(draft.transaction_type) is None:
        raise invented(f"There is no transaction type with id {draft.transaction_type}", code="UnknownType")
    if draft.moneyin < 0 or draft.moneyout < 0 or (draft.moneyin > 0) is (draft.moneyout > 0):
        raise invented("Exactly one of money in and money out is above zero", code="InvalidAmount")
    account.refuse_if_locked(draft.transaction_date)
    draft.moneyin, draft.moneyout = half_up(draft.moneyin, 4), half_up(draft.moneyout, 4)


def transaction_update(account: Account, draft: BankTransaction, transaction_id: int) -> bool:
    """False when there is none.

    :raises Refused: as ``transaction_insert``.
    """
    stored = account.bank_transactions.get(transaction_id)
    if stored is None:
        return False
    account.refuse_if_locked(stored.transaction_date)
    _check(account, draft)
    draft.id, draft.allocated = transaction_id, stored.allocated
    draft.created_at, draft.made_by = stored.created_at, stored.made_by
    vars(account.bank_transactions.edit(transaction_id)).update(vars(draft))
    account.changed()
    return True


def transaction_delete(account: Account, transaction_id: int) -> bool:
    """False when there is none.

    :raises Refused: period locked, or invoices were paid from it.
    """
    stored = account.bank_transactions.get(transaction_id)
    if stored is None:
        return False
    account.refuse_if_locked(stored.transaction_date)
    if stored.allocated:
        raise invented("This advance payment is allocated to an invoice", code="Allocated")
    account.bank_transactions.delete(transaction_id)
    account.changed()
    return True
