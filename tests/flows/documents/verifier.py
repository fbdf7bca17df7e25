"""Says what is wrong with a document, from the order alone. Shares no code with the solver, on purpose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from connectors.base.records import DocumentLine, InvoiceDraft, LineKind, Order

CENT = Decimal("0.01")
ZERO = Decimal(0)


def recomputed(line: DocumentLine) -> Decimal:
    return (line.quantity * line.unit_price * (line.tax_rate or 0) / 100).quantize(CENT, ROUND_HALF_UP)


def wrong_with(draft: InvoiceDraft, order: Order) -> list[str]:
    """Every difference between ``draft`` and ``order``; empty = equal (rule C23)."""
    faults = _wrong_totals(draft, order, [line.tax for line in draft.lines], "as sent")
    if not draft.depends_on_sent_tax:
        faults += _wrong_totals(draft, order, [recomputed(line) for line in draft.lines], "recomputed")
    return faults + _wrong_lines(draft) + _wrong_goods(draft, order) + _wrong_rounding(draft, order)


def _around(amount: Decimal) -> set[Decimal]:
    return {amount.quantize(CENT, ROUND_FLOOR), amount.quantize(CENT, ROUND_CEILING)}


def _wrong_totals(draft: InvoiceDraft, order: Order, taxes: list[Decimal], how: str) -> list[str]:
    faults = []
    gross = sum((line.net for line in draft.lines), ZERO) + sum(taxes, ZERO)
    if gross != order.gross.quantize(CENT, ROUND_HALF_UP):
        faults.append(f"{how}: gross {gross}, order {order.gross}")
    net, vat = defaultdict(Decimal), defaultdict(Decimal)
    for line, tax in zip(draft.lines, taxes, strict=True):
        if line.kind is not LineKind.ROUNDING:
            net[line.tax_rate] += line.net
            vat[line.tax_rate] += tax
    said_net, said_vat = defaultdict(Decimal), defaultdict(Decimal)
    for line in order.lines:
        said_net[line.tax_rate] += line.net
        said_vat[line.tax_rate] += line.tax
    for total in order.taxes:
        said_vat[total.rate] = total.tax
    for rate in {*net, *said_net, *said_vat}:
        if net[rate] not in _around(said_net[rate]):
            faults.append(f"{how}: net at {rate} is {net[rate]}, order {said_net[rate]}")
        if vat[rate] not in _around(said_vat[rate]):
            faults.append(f"{how}: VAT at {rate} is {vat[rate]}, order {said_vat[rate]}")
    if how == "as sent" and (draft.net, draft.tax, draft.gross) != (gross - sum(taxes, ZERO), sum(taxes, ZERO), gross):
        faults.append("the draft's totals are not those of its lines")
    return faults


def _wrong_lines(draft: InvoiceDraft) -> list[str]:
    faults = []
    for line in draft.lines:
        exact = line.quantity * line.unit_price * (line.tax_rate or 0) / 100
        if abs(exact - line.tax) > CENT:
            faults.append(f"VAT {line.tax} of {line.description} is not {exact}")
        if line.unit_price != line.unit_price.quantize(CENT) or line.tax != line.tax.quantize(CENT):
            faults.append(f"{line.description} has more than two decimals")
        if line.kind in (LineKind.SHIPPING, LineKind.FEE, LineKind.DISCOUNT, LineKind.ROUNDING) and line.quantity != 1:
            faults.append(f"{line.description} has a quantity")
        if line.kind in (LineKind.PRODUCT, LineKind.GIFT_CARD_SALE) and (line.quantity <= 0 or line.unit_price < 0):
            faults.append(f"{line.description}: {line.quantity} @ {line.unit_price}")
    return faults


def _wrong_goods(draft: InvoiceDraft, order: Order) -> list[str]:
    faults = []
    sold, booked = defaultdict(lambda: [ZERO, ZERO]), defaultdict(lambda: [ZERO, ZERO])
    for line in order.lines:
        if line.kind is LineKind.PRODUCT:
            _count(sold[line.sku], line.quantity, line.net)
    for line in draft.lines:
        if line.kind is LineKind.PRODUCT:
            _count(booked[line.product_code], line.quantity, line.net)
    for sku in {*sold, *booked}:
        if sold[sku][0] != booked[sku][0]:
            faults.append(f"{sku}: {booked[sku][0]} booked, {sold[sku][0]} sold")
        if booked[sku][1] not in _around(sold[sku][1]):
            faults.append(f"{sku}: net {booked[sku][1]}, order {sold[sku][1]}")
    return faults


def _count(entry: list[Decimal], quantity: Decimal, net: Decimal) -> None:
    entry[0] += quantity
    entry[1] += net


def _wrong_rounding(draft: InvoiceDraft, order: Order) -> list[str]:
    amounts = [line.net + line.tax for line in draft.lines if line.kind is LineKind.ROUNDING]
    if len(amounts) > 1 or any(abs(amount) > CENT * len(order.lines) for amount in amounts):
        return [f"rounding {amounts}"]
    return []


def total(drafts: Iterable[InvoiceDraft]) -> dict[object, Decimal]:
    """Gross, and net and VAT per rate, over several documents, without what is zero."""
    sums: dict[object, Decimal] = defaultdict(Decimal)
    for draft in drafts:
        for line in draft.lines:
            sums["gross"] += line.net + line.tax
            sums["net", line.tax_rate] += line.net
            sums["vat", line.tax_rate] += line.tax
    return {key: amount for key, amount in sums.items() if amount}
