"""What all writes to KashFlow share."""

from __future__ import annotations

from typing import Generic

from connectors.base.actions import ActionContext, In, Out, WriteAction
from connectors.base.errors import Rejected
from connectors.kashflow.client import SETTLE_SECONDS
from connectors.kashflow.client_soap import SECONDS
from connectors.kashflow.facts import ledger_of
from connectors.kashflow.ledger import LedgerInvoice

NEW = "(new)"
"""Stands for an id in what a dry run returns."""


class LedgerWrite(WriteAction[In, Out], Generic[In, Out]):
    settle_seconds = SETTLE_SECONDS
    timeout_seconds = SECONDS

    def settle(self, ctx: ActionContext) -> float:
        """The connection's setting ``settle_seconds``."""
        return float(ctx.client.options.settle_seconds)


def document_number(text: str, field: str) -> int:
    """:raises Rejected: KashFlow's document numbers are whole numbers."""
    if not text.strip().isdigit():
        raise Rejected(
            f"{text!r} is no KashFlow document number.",
            code="bad_document_number",
            field=field,
            cure="Hand on the number that creating the document returned.",
        )
    return int(text)


async def existing_document(ctx: ActionContext, number: str, field: str) -> LedgerInvoice:
    """:raises Rejected: there is no such document."""
    found = await ledger_of(ctx).invoice(document_number(number, field))
    if found is None:
        raise Rejected(
            f"There is no document {number} in KashFlow.",
            code="unknown_document",
            field=field,
            cure="See whether it was deleted there; if so, let it be made again.",
        )
    return found
