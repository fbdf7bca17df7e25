"""Sales invoices and credit notes (which are the same thing with another sign)."""

import datetime as dt
from decimal import Decimal

from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger.lines import line_booked, stock_restore, stock_take
from sandbox.kashflow.model import Invoice, InvoiceLine, Note
from sandbox.kashflow.refusal import Refused, invented

HEADER = (
    "invoice_date",
    "due_date",
    "customer_id",
    "customer_reference",
    "estimate_category",
    "suppress_total",
    "project_id",
    "currency_code",
    "exchange_rate",
    "delivery_address",
    "use_custom_delivery_address",
)


def no_such_invoice() -> Refused:
    return invented("There is no invoice with that number", code="NotFound", http_status=404)


def invoice_of_number(account: Account, number: int) -> Invoice:
    """As readers see it.

    :raises Refused: no such invoice, or not readable yet.
    """
    return invoice_of_dbid(account, account.dbid_of_number(number) or 0)


def invoice_of_dbid(account: Account, dbid: int) -> Invoice:
    """:raises Refused: no such invoice, or not readable yet."""
    invoice = account.invoices.read(dbid)
    if invoice is None:
        raise no_such_invoice()
    return invoice


def stored_dbid(account: Account, *, number: int = 0, dbid: int = 0) -> int:
    """The DBID of an invoice that exists, readable or not; ``number`` counts when ``dbid`` is 0.

    :raises Refused: none.
    """
    found = dbid or account.dbid_of_number(number) or 0
    if account.invoices.get(found) is None:
        raise no_such_invoice()
    return found


def invoice_insert(account: Account, draft: Invoice) -> Invoice:
    """Book a draft; its lines are drafts too and its figures are computed.

    :raises Refused: customer, currency, product or number not acceptable, period locked, plan used up.
    """
    if account.settings["invoice_limit_reached"]:
        raise invented("The invoice limit of your plan is reached", code="InvoiceLimitReached")
    _check_header(account, draft)
    taken = account.dbid_of_number(draft.invoice_number) if draft.invoice_number else None
    if taken is not None:
        if account.settings["supplied_invoice_number"] == "use_if_free":
            raise invented(f"Invoice number {draft.invoice_number} is in use", code="DuplicateNumber")
        return invoice_update(account, draft, dbid=taken)
    draft.lines = [line_booked(account, line, draft) for line in draft.lines]
    draft.invoice_dbid = account.next_id("invoice", step=17)
    draft.invoice_number = draft.invoice_number or account.next_invoice_number()
    draft.permalink_key = account.permalink_key(draft.invoice_dbid)
    draft.created_at, draft.made_by = account.stamps()
    account.invoices.add(draft.invoice_dbid, draft)
    account.invoice_index(draft)
    stock_take(account, draft.lines)
    account.changed()
    return draft


def _check_header(account: Account, draft: Invoice) -> None:
    if account.customers.get(draft.customer_id) is None:
        raise invented("There is no customer with that id", code="UnknownCustomer")
    draft.currency_code = draft.currency_code or account.home_currency().currency_code
    currency = account.currency(draft.currency_code)
    if currency.is_default or not draft.exchange_rate:
        draft.exchange_rate = Decimal(1)
    account.refuse_if_locked(draft.invoice_date)


def invoice_update(account: Account, draft: Invoice, *, dbid: int) -> Invoice:
    """Header overwritten, lines deleted and written anew with new ids; payments stay.

    :raises Refused: as ``invoice_insert``.
    """
    _check_header(account, draft)
    account.refuse_if_locked(_stored(account, dbid).invoice_date)
    lines = [line_booked(account, line, draft) for line in draft.lines]
    invoice = _overwrite_header(account, draft, dbid)
    stock_restore(account, invoice.lines)
    invoice.lines = lines
    stock_take(account, invoice.lines)
    account.changed()
    return invoice


def invoice_header_update(account: Account, draft: Invoice, *, dbid: int) -> Invoice:
    """As ``invoice_update``, the lines left alone."""
    _check_header(account, draft)
    account.refuse_if_locked(_stored(account, dbid).invoice_date)
    invoice = _overwrite_header(account, draft, dbid)
    account.changed()
    return invoice


def _overwrite_header(account: Account, draft: Invoice, dbid: int) -> Invoice:
    invoice = account.invoices.edit(dbid)
    account.invoice_unindex(invoice)
    for name in HEADER:
        setattr(invoice, name, getattr(draft, name))
    account.invoice_index(invoice)
    return invoice


def _stored(account: Account, dbid: int) -> Invoice:
    invoice = account.invoices.get(dbid)
    if invoice is None:
        raise no_such_invoice()
    return invoice


def invoice_renumber(account: Account, dbid: int, number: int) -> Invoice:
    """:raises Refused: the number is taken."""
    holder = account.dbid_of_number(number)
    if holder not in (None, dbid):
        raise invented(f"Invoice number {number} is in use", code="DuplicateNumber")
    invoice = account.invoices.edit(dbid)
    account.invoice_unindex(invoice)
    invoice.invoice_number = number
    for payment in invoice.payments:
        payment.pay_invoice = number
    account.invoice_index(invoice)
    account.changed()
    return invoice


def line_insert(account: Account, draft: InvoiceLine, *, dbid: int) -> InvoiceLine:
    """:raises Refused: product not acceptable, period locked."""
    account.refuse_if_locked(_stored(account, dbid).invoice_date)
    line = line_booked(account, draft, _stored(account, dbid))
    account.invoices.edit(dbid).lines.append(line)
    stock_take(account, [line])
    account.changed()
    return line


def line_delete(account: Account, line_id: int, *, dbid: int) -> bool:
    """False when the invoice has no such line.

    :raises Refused: period locked.
    """
    account.refuse_if_locked(_stored(account, dbid).invoice_date)
    gone = [line for line in _stored(account, dbid).lines if line.line_id == line_id]
    if not gone:
        return False
    invoice = account.invoices.edit(dbid)
    invoice.lines = [line for line in invoice.lines if line.line_id != line_id]
    stock_restore(account, gone)
    account.changed()
    return True


def invoice_delete(account: Account, dbid: int) -> bool:
    """False when there is none. Its payments go with it.

    :raises Refused: period locked.
    """
    invoice = account.invoices.get(dbid)
    if invoice is None:
        return False
    account.refuse_if_locked(invoice.invoice_date)
    account.invoices.delete(dbid)
    account.invoice_unindex(invoice)
    stock_restore(account, invoice.lines)
    account.changed()
    return True


def note_insert(account: Account, dbid: int, day: dt.date, text: str) -> Note:
    note = Note(dbid, account.next_id("note"), day, text)
    account.invoices.edit(stored_dbid(account, dbid=dbid)).notes.append(note)
    account.changed()
    return note


def is_overdue(account: Account, invoice: Invoice) -> bool:
    return not invoice.paid and invoice.due_date is not None and invoice.due_date < account.today()
