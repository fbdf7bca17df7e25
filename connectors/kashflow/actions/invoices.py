"""Sales documents: invoices and credit notes, which KashFlow tells apart by their sign only."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

from connectors.base.actions import ActionContext, Found, Once, ReadAction, Verdict
from connectors.base.errors import ConnectorError, MappingFailed, Rejected
from connectors.base.records import Amount, Canonical, InvoiceDraft, InvoiceRef
from connectors.kashflow.actions.base import NEW, LedgerWrite, document_number, existing_document
from connectors.kashflow.actions.document_build import document_for
from connectors.kashflow.actions.document_look import look, ref_of
from connectors.kashflow.facts import ledger_of
from connectors.kashflow.ledger import DocumentToWrite, LedgerInvoice

LONDON = ZoneInfo("Europe/London")


class DocumentNumber(Canonical):
    number: str


class DocumentToDelete(Canonical):
    """What must be true of the document for it to be ours, and unchanged since we wrote it."""

    number: str
    reference: str
    expected_gross: Amount


class DocumentDeleted(Canonical):
    """``existed`` False: it was gone already."""

    number: str
    existed: bool


class DocumentNote(Canonical):
    number: str
    text: str


class GetInvoice(ReadAction[DocumentNumber, InvoiceRef]):
    key, title = "get_invoice", "Read an invoice or credit note"
    input, output = DocumentNumber, InvoiceRef

    async def run(self, ctx: ActionContext, data: DocumentNumber) -> InvoiceRef | None:
        found = await ledger_of(ctx).invoice(document_number(data.number, "number"))
        return ref_of(found) if found else None


class CreateInvoice(LedgerWrite[InvoiceDraft, InvoiceRef]):
    """Look first: our reference is the document's CustomerReference.

    The output's totals are KashFlow's own when the draft depends on the VAT we send, because an account may compute
    VAT by itself; the flow compares them with the draft after the link is remembered. Otherwise they are the draft's.
    """

    key, title = "create_invoice", "Create an invoice or credit note"
    input, output = InvoiceDraft, InvoiceRef
    once = Once.LOOK_FIRST

    def external_id(self, output: InvoiceRef) -> str:
        return output.number

    async def find(self, ctx: ActionContext, data: InvoiceDraft) -> Found[InvoiceRef] | None:
        return await look(ctx, data)

    async def write(self, ctx: ActionContext, data: InvoiceDraft) -> InvoiceRef:
        number, internal_id = await ledger_of(ctx).invoice_insert(await self._document(ctx, data))
        written = self._ref(data, str(number), str(internal_id or ""))
        return await self._as_booked(ctx, number, written) if data.depends_on_sent_tax else written

    async def plan(self, ctx: ActionContext, data: InvoiceDraft) -> InvoiceRef:
        """Asks the ledger whether it knows each product, nominal and currency: what it lacks would stop the write."""
        await self._document(ctx, data)
        return self.pretend(data)

    @staticmethod
    async def _document(ctx: ActionContext, data: InvoiceDraft) -> DocumentToWrite:
        if not data.reference.strip():
            raise MappingFailed("A document needs a reference.", code="reference_missing", field="reference")
        return await document_for(ctx, data)

    async def _as_booked(self, ctx: ActionContext, number: int, written: InvoiceRef) -> InvoiceRef:
        """Nothing may be raised here: the document exists, and its number would be lost."""
        try:
            found = await ledger_of(ctx).invoice(number)
        except ConnectorError:
            return written
        return ref_of(found) if found else written

    def pretend(self, data: InvoiceDraft) -> InvoiceRef:
        return self._ref(data, NEW, "")

    @staticmethod
    def _ref(data: InvoiceDraft, number: str, internal_id: str) -> InvoiceRef:
        return InvoiceRef(
            number=number,
            id=internal_id,
            reference=data.reference,
            customer_id=data.customer_id,
            issued_date=data.issued_date,
            currency=data.currency,
            net=data.net,
            tax=data.tax,
            gross=data.gross,
            paid=Decimal(0),
        )


class DeleteInvoice(LedgerWrite[DocumentToDelete, DocumentDeleted]):
    """Gone is gone: a second call finds nothing and is done. Refused unless the document is ours, unpaid, unchanged."""

    key, title = "delete_invoice", "Delete an unpaid invoice of ours"
    input, output = DocumentToDelete, DocumentDeleted
    once = Once.ABSOLUTE

    def external_id(self, output: DocumentDeleted) -> str:
        return output.number

    async def write(self, ctx: ActionContext, data: DocumentToDelete) -> DocumentDeleted:
        number = document_number(data.number, "number")
        found = await ledger_of(ctx).invoice(number)
        if found is None:
            return DocumentDeleted(number=data.number, existed=False)
        await self._refuse_if_not_deletable(ctx, data, found)
        if not await ledger_of(ctx).invoice_delete(number):
            raise _kept(
                data, "KashFlow did not delete it", "not_deleted", "Delete it in KashFlow, or let it be credited."
            )
        return DocumentDeleted(number=data.number, existed=True)

    async def _refuse_if_not_deletable(self, ctx: ActionContext, data: DocumentToDelete, found: LedgerInvoice) -> None:
        """KashFlow gives a freed number to the next document, so the number alone proves nothing."""
        if found.reference != data.reference:
            what = f"it carries the reference {found.reference!r}, not {data.reference!r}"
            raise _kept(data, what, "not_our_document", "Nothing needs doing if ours was deleted before.")
        if found.gross != data.expected_gross:
            what = f"its total is {ref_of(found).gross}, we wrote {data.expected_gross}"
            raise _kept(
                data, what, "document_changed", "Somebody edited it; decide in KashFlow, or let it be credited."
            )
        if found.paid or await ledger_of(ctx).payments(found.number):
            raise _kept(data, "it has payments", "document_paid", "Let it be credited instead.")

    def pretend(self, data: DocumentToDelete) -> DocumentDeleted:
        return DocumentDeleted(number=data.number, existed=True)


def _kept(data: DocumentToDelete, why: str, code: str, cure: str) -> Rejected:
    return Rejected(f"Document {data.number} was not deleted: {why}.", code=code, field="number", cure=cure)


class AddInvoiceNote(LedgerWrite[DocumentNote, DocumentNote]):
    """Look first: the same text on the same document is the same note. SOAP only."""

    key, title = "add_invoice_note", "Add a note to an invoice"
    input, output = DocumentNote, DocumentNote
    once = Once.LOOK_FIRST

    def external_id(self, output: DocumentNote) -> str:
        return output.number

    async def find(self, ctx: ActionContext, data: DocumentNote) -> Found[DocumentNote] | None:
        document = await existing_document(ctx, data.number, "number")
        there = {" ".join(note.split()) for note in await ledger_of(ctx).notes(document)}
        return Found(Verdict.SAME, data, data.number) if " ".join(data.text.split()) in there else None

    async def write(self, ctx: ActionContext, data: DocumentNote) -> DocumentNote:
        document = await existing_document(ctx, data.number, "number")
        await ledger_of(ctx).note_insert(document, ctx.now().astimezone(LONDON), data.text)
        return data

    def pretend(self, data: DocumentNote) -> DocumentNote:
        return data
