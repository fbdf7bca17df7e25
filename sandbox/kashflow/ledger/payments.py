"""Payments of invoices, credit notes set against invoices, money on account."""

import datetime as dt
from decimal import Decimal

from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger.bank import bank_account_of_id
from sandbox.kashflow.ledger.invoices import no_such_invoice, stored_dbid
from sandbox.kashflow.model import BankTransaction, Invoice, Payment
from sandbox.kashflow.money import half_up
from sandbox.kashflow.refusal import invented

CREDIT_NOTE_METHOD = "Credit note"


def payment_insert(account: Account, draft: Payment) -> Payment:
    """More than is due is accepted. ``pay_invoice`` is an invoice number, ``pay_amount`` in home currency.

    :raises Refused: unknown invoice, method or bank account; period locked.
    """
    dbid = stored_dbid(account, number=draft.pay_invoice)
    payment_check(account, draft)
    draft.pay_id = account.next_id("payment")
    draft.pay_amount = half_up(draft.pay_amount, 4)
    draft.created_at, draft.made_by = account.stamps()
    invoice = account.invoices.edit(dbid)
    invoice.payments.append(draft)
    account.invoice_index(invoice)
    account.changed()
    return draft


def payment_check(account: Account, draft: Payment) -> None:
    if account.payment_methods.get(draft.pay_method) is None:
        raise invented(f"There is no payment method with id {draft.pay_method}", code="UnknownPaymentMethod")
    bank_account_of_id(account, draft.pay_account)
    account.refuse_if_locked(draft.pay_date)


def payment_delete(account: Account, pay_id: int) -> None:
    """The invoice is open again; money on account is on account again.

    :raises Refused: no such payment, period locked.
    """
    dbid = account.dbid_of_payment(pay_id)
    if dbid is None:
        raise invented("There is no payment with that id", code="NotFound", http_status=404)
    stored = account.invoices.rows[dbid]
    payment = next(payment for payment in stored.payments if payment.pay_id == pay_id)
    account.refuse_if_locked(payment.pay_date)
    invoice = account.invoices.edit(dbid)
    account.invoice_unindex(invoice)
    invoice.payments = [kept for kept in invoice.payments if kept.pay_id != pay_id]
    account.invoice_index(invoice)
    advance = account.bank_transactions.get(payment.advance_id)
    if advance is not None:
        account.bank_transactions.edit(advance.id).allocated -= payment.pay_amount
    account.changed()


def payments_between(account: Account, start: dt.date, end: dt.date) -> list[Payment]:
    payments = [p for i in account.invoices.read_all() for p in i.payments if start <= p.pay_date <= end]
    return sorted(payments, key=lambda payment: (payment.pay_date, payment.pay_id))


def credit_note_apply(account: Account, invoice_dbid: int, note_dbid: int) -> None:
    """Two opposite payments of what both have open: plus on the invoice, minus on the note.

    :raises Refused: unknown, the note is none, or nothing is open on one of them.
    """
    invoice, note = account.invoices.get(invoice_dbid), account.invoices.get(note_dbid)
    if invoice is None or note is None:
        raise no_such_invoice()
    amount = min(invoice.due_amount, -note.due_amount)
    if not note.is_credit_note or amount <= 0:
        raise invented("There is nothing to set off between these documents", code="NothingToApply")
    for document, signed in ((invoice, amount), (note, -amount)):
        payment = _internal_payment(account, document, signed, f"Credit note {note.invoice_number}")
        payment.is_credit_note = True
        payment_insert(account, payment)


def _internal_payment(account: Account, invoice: Invoice, amount: Decimal, note: str) -> Payment:
    method = next(
        (m for m in account.payment_methods.all() if m.method_name == CREDIT_NOTE_METHOD),
        account.payment_methods.all()[0],
    )
    bank_account = account.bank_accounts.all()[0]
    return Payment(0, invoice.invoice_number, account.today(), note, method.method_id, bank_account.account_id, amount)


def debtors_control_id(account: Account) -> int:
    nominal = account.nominal_of_code(DEBTORS_CONTROL_CODE)
    return nominal.id if nominal is not None else 0


DEBTORS_CONTROL_CODE = 1200
"""Visible code of the debtors control account in the seeded chart."""


def advance_payments(account: Account, customer_id: int) -> list[BankTransaction]:
    """Money a customer paid on account and that is not (wholly) allocated yet."""
    debtors = debtors_control_id(account)
    return [
        row
        for row in account.bank_transactions.read_all()
        if row.customer_id == customer_id and row.transaction_type == debtors and row.moneyin > row.allocated
    ]


def advance_allocate(account: Account, number: int, transaction_id: int) -> Payment:
    """Pay an invoice with money on account: what is left of it, but no more than is due.

    :raises Refused: not money on account of the invoice's customer, or nothing due.
    """
    dbid = stored_dbid(account, number=number)
    invoice = account.invoices.rows[dbid]
    transaction = account.bank_transactions.get(transaction_id)
    if transaction is None or transaction not in advance_payments(account, invoice.customer_id):
        raise invented("This is no advance payment of the invoice's customer", code="NotAnAdvancePayment")
    amount = min(transaction.moneyin - transaction.allocated, invoice.due_amount)
    if amount <= 0:
        raise invented("Nothing is due on this invoice", code="NothingToApply")
    payment = _internal_payment(account, invoice, amount, transaction.comment)
    payment.pay_account, payment.pay_date = transaction.accid, transaction.transaction_date
    payment.advance_id = transaction.id
    payment_insert(account, payment)
    account.bank_transactions.edit(transaction.id).allocated += amount
    return payment


def payment_status(invoice: Invoice, *, overdue: bool) -> str:
    """The words of the REST pages; a part payment leaves a document Unpaid."""
    if invoice.gross_amount == 0:
        return "NA"
    if invoice.due_amount == 0:
        return "Paid"
    if (invoice.due_amount < 0) is not invoice.is_credit_note:
        return "Overpaid"
    return "Overdue" if overdue else "Unpaid"
