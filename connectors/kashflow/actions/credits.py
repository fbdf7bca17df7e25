"""Setting a credit note against an invoice: KashFlow makes two opposite payments of it."""

from __future__ import annotations

from decimal import Decimal

from connectors.base.actions import ActionContext, Found, Once, Verdict
from connectors.base.errors import Rejected
from connectors.base.records import Amount, Canonical
from connectors.kashflow.actions.base import LedgerWrite, document_number, existing_document
from connectors.kashflow.facts import ledger_of
from connectors.kashflow.ledger import LedgerInvoice, LedgerPayment, to_pennies


class CreditToApply(Canonical):
    """``reference`` names the credit note's own reference, which it must still carry."""

    invoice_number: str
    credit_number: str
    reference: str


class CreditApplied(Canonical):
    """``amount`` set off, in home currency."""

    invoice_number: str
    credit_number: str
    amount: Amount = Decimal(0)


class ApplyCreditNote(LedgerWrite[CreditToApply, CreditApplied]):
    """Look first: a pair of opposite payments of one day, plus on the invoice and minus on the note. SOAP only."""

    key, title = "apply_credit_note", "Set a credit note against an invoice"
    input, output = CreditToApply, CreditApplied
    once = Once.LOOK_FIRST

    def external_id(self, output: CreditApplied) -> str:
        return f"{output.invoice_number}:{output.credit_number}"

    async def find(self, ctx: ActionContext, data: CreditToApply) -> Found[CreditApplied] | None:
        ledger = ledger_of(ctx)
        of_note = await ledger.payments(document_number(data.credit_number, "credit_number"))
        if not of_note:
            return None
        of_invoice = await ledger.payments(document_number(data.invoice_number, "invoice_number"))
        amount = _set_off(of_invoice, of_note)
        result = self._applied(data, amount)
        if amount:
            return Found(Verdict.SAME, result, self.external_id(result))
        why = f"credit note {data.credit_number} is settled already, but not with invoice {data.invoice_number}"
        return Found(Verdict.FOREIGN, result, self.external_id(result), why)

    async def write(self, ctx: ActionContext, data: CreditToApply) -> CreditApplied:
        invoice = await existing_document(ctx, data.invoice_number, "invoice_number")
        credit = await existing_document(ctx, data.credit_number, "credit_number")
        if credit.gross >= 0 or credit.reference != data.reference:
            raise Rejected(
                f"Document {credit.number} ({credit.reference}) is not the credit note {data.reference}.",
                code="not_our_document",
                field="credit_number",
                cure="Look at both documents in KashFlow and set them off there.",
            )
        if not await ledger_of(ctx).credit_apply(invoice, credit):
            raise Rejected(
                f"KashFlow did not set credit note {credit.number} against invoice {invoice.number}.",
                code="credit_not_applied",
                cure="See in KashFlow whether both still have something open.",
            )
        return self._applied(data, min(_open(invoice), -_open(credit)))

    @staticmethod
    def _applied(data: CreditToApply, amount: Decimal) -> CreditApplied:
        return CreditApplied(
            invoice_number=data.invoice_number, credit_number=data.credit_number, amount=to_pennies(amount)
        )

    def pretend(self, data: CreditToApply) -> CreditApplied:
        return self._applied(data, Decimal(0))


def _open(document: LedgerInvoice) -> Decimal:
    return document.gross / document.rate - document.paid


def _set_off(of_invoice: list[LedgerPayment], of_note: list[LedgerPayment]) -> Decimal:
    """The amount of the first pair of opposite legs, 0 when there is none."""
    plus = {(payment.paid_date, payment.amount) for payment in of_invoice if payment.amount > 0}
    return next((-leg.amount for leg in of_note if (leg.paid_date, -leg.amount) in plus), Decimal(0))
