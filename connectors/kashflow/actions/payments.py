"""Payments of documents. Our reference is the payment's note; amounts are kept in home currency there."""

from __future__ import annotations

from decimal import Decimal

from connectors.base.actions import ActionContext, Found, Once, Verdict
from connectors.base.errors import MappingFailed, Rejected
from connectors.base.records import Canonical, PaymentDraft, PaymentRef
from connectors.kashflow import facts
from connectors.kashflow.actions.base import NEW, LedgerWrite, document_number, existing_document
from connectors.kashflow.facts import ledger_of
from connectors.kashflow.ledger import LedgerPayment, NamedId, PaymentToWrite, to_pennies


class PaymentToDelete(Canonical):
    """``reference``, where given, must still be the payment's note."""

    document_number: str
    payment_id: str
    reference: str = ""


class PaymentDeleted(Canonical):
    """``existed`` False: it was gone already."""

    payment_id: str
    existed: bool


class RecordPayment(LedgerWrite[PaymentDraft, PaymentRef]):
    """Look first among the payments of the document. A negative amount is money back to the customer."""

    key, title = "record_payment", "Record a payment on an invoice"
    input, output = PaymentDraft, PaymentRef
    once = Once.LOOK_FIRST

    def external_id(self, output: PaymentRef) -> str:
        return output.id

    async def find(self, ctx: ActionContext, data: PaymentDraft) -> Found[PaymentRef] | None:
        number = document_number(data.document_number, "document_number")
        hits = [payment for payment in await ledger_of(ctx).payments(number) if payment.note == data.reference.strip()]
        if not hits:
            return None
        if len(hits) > 1:
            why = f"Several payments on {number} carry {data.reference}: " + ", ".join(str(hit.id) for hit in hits)
            return Found(Verdict.FOREIGN, self._ref(data, hits[0], data.amount), str(hits[0].id), why)
        booked, wanted = to_pennies(hits[0].amount), await home_amount(ctx, data)
        if booked == wanted:
            return Found(Verdict.SAME, self._ref(data, hits[0], data.amount), str(hits[0].id))
        why = f"payment {hits[0].id} on document {number} is {booked}, ours is {wanted}"
        there = await amount_of(ctx, data, booked)
        return Found(Verdict.CHANGED, self._ref(data, hits[0], there), str(hits[0].id), why)

    async def write(self, ctx: ActionContext, data: PaymentDraft) -> PaymentRef:
        method, account = await self._booked_as(ctx, data)
        payment = PaymentToWrite(
            document_number=document_number(data.document_number, "document_number"),
            paid_date=data.paid_date,
            note=data.reference.strip(),
            method_id=method.id,
            account_id=account.id,
            amount=await home_amount(ctx, data),
        )
        async with ctx.client.lock(f"payments:{payment.document_number}"):
            payment_id = await ledger_of(ctx).payment_insert(payment)
        return PaymentRef(
            id=str(payment_id), document_number=data.document_number, amount=data.amount, reference=data.reference
        )

    async def plan(self, ctx: ActionContext, data: PaymentDraft) -> PaymentRef:
        """Asks the ledger whether it knows the method and the bank account: what it lacks would stop the write."""
        await self._booked_as(ctx, data)
        return self.pretend(data)

    @staticmethod
    async def _booked_as(ctx: ActionContext, data: PaymentDraft) -> tuple[NamedId, NamedId]:
        if not data.reference.strip():
            raise MappingFailed("A payment needs a reference.", code="reference_missing", field="reference")
        method = await facts.payment_method(ctx, data.method, "method")
        return method, await facts.account(ctx, data.account, "account")

    @staticmethod
    def _ref(data: PaymentDraft, found: LedgerPayment, amount: Decimal) -> PaymentRef:
        """:param amount: in the draft's currency, as of one we wrote ourselves."""
        return PaymentRef(id=str(found.id), document_number=data.document_number, amount=amount, reference=found.note)

    def pretend(self, data: PaymentDraft) -> PaymentRef:
        return PaymentRef(id=NEW, document_number=data.document_number, amount=data.amount, reference=data.reference)


async def home_amount(ctx: ActionContext, data: PaymentDraft) -> Decimal:
    """KashFlow books payments in home currency also on foreign documents: foreign ÷ the document's own rate.

    :raises Rejected: the payment's currency is neither home nor the document's.
    """
    return to_pennies(data.amount / await _rate(ctx, data))


async def amount_of(ctx: ActionContext, data: PaymentDraft, booked: Decimal) -> Decimal:
    """What a booked payment (in home currency) is in the draft's; of a foreign document to a penny or so."""
    return to_pennies(booked * await _rate(ctx, data))


async def _rate(ctx: ActionContext, data: PaymentDraft) -> Decimal:
    if data.currency == (await facts.company(ctx)).currency:
        return Decimal(1)
    document = await existing_document(ctx, data.document_number, "document_number")
    if document.currency != data.currency:
        raise Rejected(
            f"A payment in {data.currency} cannot be booked on document {document.number} in {document.currency}.",
            code="payment_currency",
            field="currency",
            cure="Record it by hand in KashFlow, or correct the order's payment.",
        )
    return document.rate


class DeletePayment(LedgerWrite[PaymentToDelete, PaymentDeleted]):
    """Gone is gone: a second call finds nothing and is done."""

    key, title = "delete_payment", "Delete a payment of ours"
    input, output = PaymentToDelete, PaymentDeleted
    once = Once.ABSOLUTE

    def external_id(self, output: PaymentDeleted) -> str:
        return output.payment_id

    async def write(self, ctx: ActionContext, data: PaymentToDelete) -> PaymentDeleted:
        number = document_number(data.document_number, "document_number")
        async with ctx.client.lock(f"payments:{number}"):
            there = {str(payment.id): payment for payment in await ledger_of(ctx).payments(number)}
            found = there.get(data.payment_id)
            if found is None:
                return PaymentDeleted(payment_id=data.payment_id, existed=False)
            if data.reference and found.note != data.reference:
                raise Rejected(
                    f"Payment {found.id} on document {number} carries {found.note!r}, not {data.reference!r}.",
                    code="not_our_payment",
                    field="reference",
                    cure="Look at the payment in KashFlow and delete it there if it is wrong.",
                )
            await ledger_of(ctx).payment_delete(found)
        return PaymentDeleted(payment_id=data.payment_id, existed=True)

    def pretend(self, data: PaymentToDelete) -> PaymentDeleted:
        return PaymentDeleted(payment_id=data.payment_id, existed=True)
