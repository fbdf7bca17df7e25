"""The look for a document of ours, and what a hit means (rule C5)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from connectors.base.actions import ActionContext, Found, Verdict
from connectors.base.errors import Rejected
from connectors.base.records import DocumentKind, DocumentLine, InvoiceDraft, InvoiceRef, LineKind
from connectors.kashflow.actions.base import NEW
from connectors.kashflow.facts import ledger_of
from connectors.kashflow.ledger import LedgerInvoice, LedgerLine, plain, to_pennies

ZERO = Decimal(0)
LARGE = 300
"""Documents of one customer from which on reading those of a few days is the smaller read."""

DAYS_AROUND = 3
"""Slack around the document's date: between two attempts it may have moved to the first open day."""


CROWD = 4
"""Looks for documents of one day at once from which on one read of that day serves them all."""


async def look(ctx: ActionContext, draft: InvoiceDraft) -> Found[InvoiceRef] | None:
    """The document that carries the draft's reference, exactly."""
    if draft.customer_id == NEW:
        return None  # a dry run, and a customer who is not there yet has no documents
    hits = await _hits(ctx, draft)
    documents = [await with_currency(ctx, hit) for hit in sorted(hits, key=lambda hit: hit.number)]
    if not documents:
        return None
    if len(documents) > 1:
        numbers = ", ".join(str(document.number) for document in documents)
        why = f"Several documents carry the reference {draft.reference}: {numbers}. Keep one and delete the others."
        return Found(Verdict.FOREIGN, ref_of(documents[0]), str(documents[0].number), why)
    verdict, why = judge(draft, documents[0])
    facts = await _facts_there(ctx, documents[0]) if verdict is Verdict.CHANGED else {}
    return Found(verdict, ref_of(documents[0]), str(documents[0].number), why, facts)


async def _facts_there(ctx: ActionContext, found: LedgerInvoice) -> dict[str, Any]:
    """The document line by line, so that what is missing on it can be written; nothing where that would be a guess."""
    if found.rate != 1:
        return {}  # which currency its lines are told in is not documented
    rows = await ledger_of(ctx).invoice_lines(found.number)
    net, tax = sum((to_pennies(row.quantity * row.rate) for row in rows), ZERO), sum((row.tax for row in rows), ZERO)
    if (net, tax) != (found.net, found.tax) or not all(row.nominal_code for row in rows):
        return {}
    lines = [
        DocumentLine(
            description=row.description,
            quantity=row.quantity,
            unit_price=row.rate,
            tax=row.tax,
            tax_rate=row.vat_rate,
            nominal=row.nominal_code,
            product_code=row.product_code,
            kind=_kind_of_line(row),
        ).model_dump(mode="json")
        for row in rows
    ]
    return {"kind": _kind(found).value, "reference": found.reference, "gross": str(found.gross), "lines": lines}


def _kind_of_line(row: LedgerLine) -> LineKind:
    """As near as the ledger tells: lines of goods name them, ours of rounding say so, the rest are charges."""
    if row.product_code:
        return LineKind.PRODUCT
    if "rounding" in row.description.lower():
        return LineKind.ROUNDING
    return LineKind.DISCOUNT if row.quantity * row.rate < 0 else LineKind.SHIPPING


async def _hits(ctx: ActionContext, draft: InvoiceDraft) -> list[LedgerInvoice]:
    """What carries the reference; in a crowd, as after a crash, among the day's documents, which are read once for all.

    Else among the customer's, and where none of them does, among the day's as well: since it was written the order's
    e-mail may have been corrected, or the customer been merged with another, and then it stands under another one.
    """
    client, day = ctx.client, draft.issued_date
    client.looking[day] += 1
    try:
        await asyncio.sleep(0)  # let those who ask in the same moment be counted
        if client.looking[day] >= CROWD and (of_day := await _of_day(ctx, day)) is not None:
            return _carrying(draft.reference, of_day)
        by_day = not draft.customer_id or draft.customer_id in client.large_customers
        hits = _carrying(draft.reference, await documents_near(ctx, draft.customer_id, [day]))
        return hits if hits or by_day else _carrying(draft.reference, await _of_day(ctx, day) or [])
    finally:
        client.looking[day] -= 1
        if not client.looking[day]:
            del client.looking[day]


def _carrying(reference: str, documents: list[LedgerInvoice]) -> list[LedgerInvoice]:
    return [document for document in documents if document.reference == reference]


async def _of_day(ctx: ActionContext, day: date) -> list[LedgerInvoice] | None:
    """The documents around the day; None where they are too many to read."""
    if day in ctx.client.large_days:
        return None
    try:
        return await _around(ctx, day)
    except Rejected as error:
        if error.code != "answer_too_large":
            raise
        ctx.client.large_days.add(day)
        return None


async def documents_near(ctx: ActionContext, customer_id: str, days: Sequence[date]) -> list[LedgerInvoice]:
    """All documents of the customer; where none is named, or a shared one with very many, those around ``days``."""
    large: set[str] = ctx.client.large_customers
    if not customer_id or customer_id in large:
        around = [await _around(ctx, day) for day in sorted(set(days))]
        return [document for documents in around for document in documents]
    try:
        documents: list[LedgerInvoice] = await ctx.client.reads(
            ("customer", customer_id), lambda: ledger_of(ctx).invoices_of_customer(customer_id)
        )
    except Rejected as error:
        if error.code != "answer_too_large":
            raise
        large.add(customer_id)
        return await documents_near(ctx, customer_id, days)
    if len(documents) > LARGE:
        large.add(customer_id)
    return documents


async def _around(ctx: ActionContext, day: date) -> list[LedgerInvoice]:
    slack = timedelta(days=DAYS_AROUND)
    documents: list[LedgerInvoice] = await ctx.client.reads(
        ("day", day), lambda: ledger_of(ctx).invoices_between(day - slack, day + slack)
    )
    return documents


async def with_currency(ctx: ActionContext, found: LedgerInvoice) -> LedgerInvoice:
    """List rows of REST tell no currency."""
    if found.currency:
        return found
    return await ledger_of(ctx).invoice(found.number) or found


def judge(draft: InvoiceDraft, found: LedgerInvoice) -> tuple[Verdict, str]:
    """SAME: adopt. CHANGED: ours, with other totals. FOREIGN: our reference on something that is not ours."""
    differences = []
    if str(found.customer_id) != draft.customer_id:
        differences.append(f"its customer is {found.customer_code or found.customer_id}, not {draft.customer_id}")
    if found.gross and _kind(found) is not draft.kind:
        differences.append(f"it is a {_kind(found).value.replace('_', ' ')}")
    if found.currency != draft.currency:
        differences.append(f"its currency is {found.currency}, not {draft.currency}")
    if differences:
        return Verdict.FOREIGN, f"KashFlow's document {found.number} carries {draft.reference}, but " + " and ".join(
            differences
        )
    if found.gross != draft.gross:
        return Verdict.CHANGED, totals_text(draft, found)
    return Verdict.SAME, ""


def totals_text(draft: InvoiceDraft, found: LedgerInvoice) -> str:
    ref = ref_of(found)
    return (
        f"KashFlow's document {found.number}: net {ref.net} + VAT {ref.tax} = {ref.gross}; "
        f"ours: net {draft.net} + VAT {draft.tax} = {draft.gross}; "
        f"difference {ref.gross - draft.gross} {draft.currency}"
    )


def _kind(found: LedgerInvoice) -> DocumentKind:
    return DocumentKind.CREDIT_NOTE if found.gross < 0 else DocumentKind.INVOICE


def ref_of(found: LedgerInvoice) -> InvoiceRef:
    return InvoiceRef(
        number=str(found.number),
        id=str(found.id or ""),
        reference=found.reference,
        customer_id=str(found.customer_id or ""),
        issued_date=found.issued_date,
        currency=found.currency,
        net=plain(found.net),
        tax=plain(found.tax),
        gross=plain(found.gross),
        paid=plain(found.paid),
    )
