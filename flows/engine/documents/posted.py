"""What has been posted about an order, as remembered beside the record link."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from connectors.base.records import Canonical, DocumentKind, DocumentLine, InvoiceDraft
from flows.engine.documents.rules import rate_key

ZERO = Decimal(0)
Pair = tuple[Decimal, Decimal]


class PostedDocument(Canonical):
    """One document in the ledger, line for line, so that it can be mirrored or compared exactly."""

    kind: DocumentKind
    reference: str
    gross: Decimal
    lines: tuple[DocumentLine, ...]

    @classmethod
    def facts_of(cls, draft: InvoiceDraft) -> dict[str, Any]:
        """JSON-able; read back by ``PostedDocument.model_validate``. Holds no personal data."""
        kept = cls(kind=draft.kind, reference=draft.reference, gross=draft.gross, lines=draft.lines)
        return kept.model_dump(mode="json")


class PostedCredit(Canonical):
    """A credit note in the ledger: its number and reference there, and what it gives back, positive."""

    number: str
    reference: str
    amount: Decimal


def lines_of(documents: Iterable[PostedDocument]) -> list[DocumentLine]:
    return [line for document in documents for line in document.lines]


def by_sku(lines: Iterable[DocumentLine]) -> dict[str, Pair]:
    """Ledger product code → (quantity, net). What is neither sold nor charged any more is left out."""
    return _sums((line.product_code, line.quantity, line.net) for line in lines if line.product_code)


def by_rate(lines: Iterable[DocumentLine]) -> dict[str, Pair]:
    """Rate ("20", "exempt") → (net, VAT)."""
    return _sums((rate_key(line.tax_rate), line.net, line.tax) for line in lines)


def mirrored(line: DocumentLine) -> DocumentLine:
    """The line that takes it back: goods by a negative quantity at the price they had, all else by a negative price."""
    if line.product_code:
        return line.model_copy(update={"quantity": -line.quantity, "tax": -line.tax})
    return line.model_copy(update={"unit_price": -line.unit_price, "tax": -line.tax})


def cancelled_out(lines: Sequence[DocumentLine]) -> list[DocumentLine]:
    """The lines without those pairs of which one takes back the other, in their sequence."""
    kept: list[DocumentLine | None] = []
    open_lines: dict[tuple[object, ...], list[int]] = {}
    for line in lines:
        opposite = open_lines.get(_identity(mirrored(line)))
        if opposite:
            kept[opposite.pop()] = None
            continue
        open_lines.setdefault(_identity(line), []).append(len(kept))
        kept.append(line)
    return [line for line in kept if line is not None and (line.quantity * line.unit_price or line.tax or _moves(line))]


def _moves(line: DocumentLine) -> bool:
    return bool(line.product_code and line.quantity)


def _identity(line: DocumentLine) -> tuple[object, ...]:
    return line.product_code, line.nominal, line.tax_rate, line.kind, line.quantity, line.unit_price, line.tax


def _sums(entries: Iterable[tuple[str, Decimal, Decimal]]) -> dict[str, Pair]:
    sums: dict[str, Pair] = {}
    for key, first, second in entries:
        old = sums.get(key, (ZERO, ZERO))
        sums[key] = (old[0] + first, old[1] + second)
    return {key: pair for key, pair in sums.items() if any(pair)}
