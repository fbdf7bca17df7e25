"""What stands in KashFlow about one order just now: its documents by reference, with everything paid on them."""

from __future__ import annotations

from datetime import date

from connectors.base.actions import ActionContext, ReadAction
from connectors.base.records import Canonical, DocumentThere, PaymentThere
from connectors.kashflow.actions.base import document_number
from connectors.kashflow.actions.document_look import documents_near, with_currency
from connectors.kashflow.facts import ledger_of
from connectors.kashflow.ledger import Ledger, LedgerInvoice, plain


class DocumentsQuery(Canonical):
    """``reference`` also finds what begins with it and a dash: credit notes, differences.

    ``numbers``: documents known by number; one that carries another reference by now is not ours any more.
    ``days``: where to look when the customer is not known or has very many documents.
    """

    reference: str
    customer_id: str = ""
    numbers: tuple[str, ...] = ()
    days: tuple[date, ...] = ()


class DocumentsThere(Canonical):
    """By number."""

    documents: tuple[DocumentThere, ...] = ()


class ListDocuments(ReadAction[DocumentsQuery, DocumentsThere]):
    key, title = "list_documents", "Read the documents of an order"
    input, output = DocumentsQuery, DocumentsThere
    cacheable = False

    async def run(self, ctx: ActionContext, data: DocumentsQuery) -> DocumentsThere:
        ledger = ledger_of(ctx)
        nearby = await documents_near(ctx, data.customer_id, data.days)
        found = {row.number: row for row in nearby if _belongs(row, data.reference)}
        for number in (document_number(text, "numbers") for text in data.numbers):
            if number not in found and (row := await ledger.invoice(number)) and _belongs(row, data.reference):
                found[number] = row
        whole = [await with_currency(ctx, found[number]) for number in sorted(found)]
        return DocumentsThere(documents=tuple([await _there(ledger, row) for row in whole]))


def _belongs(row: LedgerInvoice, reference: str) -> bool:
    return row.reference == reference or row.reference.startswith(f"{reference}-")


async def _there(ledger: Ledger, row: LedgerInvoice) -> DocumentThere:
    payments = await ledger.payments(row.number)
    return DocumentThere(
        number=str(row.number),
        reference=row.reference,
        issued_date=row.issued_date,
        currency=row.currency,
        gross=plain(row.gross),
        paid=plain(row.paid),
        payments=tuple(
            PaymentThere(id=str(payment.id), amount=plain(payment.amount), reference=payment.note)
            for payment in payments
        ),
    )
