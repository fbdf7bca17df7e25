"""The document that turns what was posted about an order into what the order says now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from connectors.base.records import DocumentKind, DocumentLine, InvoiceDraft, LineKind, Order
from flows.engine.documents.entries import entries_of
from flows.engine.documents.invoice import draft_of, invoice_draft, reference_of
from flows.engine.documents.lines import Booked, is_computed_alike
from flows.engine.documents.pennies import neighbours, to_micros, to_pennies
from flows.engine.documents.posted import Pair, PostedDocument, by_rate, by_sku, cancelled_out, lines_of, mirrored
from flows.engine.documents.rules import BookingRules, rate_key

NOTHING: Pair = (Decimal(0), Decimal(0))

Key = tuple[LineKind, str, str, Decimal | None]
"""(kind, product code, nominal, rate): lines that may be set off against each other."""


def difference_draft(
    *,
    order: Order,
    rules: BookingRules,
    customer_id: str,
    posted: Sequence[PostedDocument],
    number: int,
    issued_date: date | None = None,
) -> InvoiceDraft | None:
    """What is missing between ``posted`` (the invoice and earlier differences) and the order; None when they agree.

    More is an invoice, less a credit note, reference ``NOP-1001-D1``. The order is booked as if for the first time and
    set off against the posted lines: what is equal drops out, a changed quantity at an unchanged price becomes one
    line that moves just that stock, a changed charge one line over the difference, where one line can hold it;
    otherwise the old line is taken back and the new one stands beside it. So net and VAT per rate are exact, always.

    :param issued_date: default is the order's day; the same on every retry, or a look finds nothing.
    """
    target = invoice_draft(order=order, rules=rules, customer_id=customer_id)
    before = lines_of(posted)
    if _agree(order, before, rules):
        return None
    lines = _set_off(target.lines, before)
    booked = Booked(lines, not all(map(is_computed_alike, lines)))
    return draft_of(
        kind=DocumentKind.CREDIT_NOTE if booked.gross < 0 else DocumentKind.INVOICE,
        reference=difference_reference(order.source_id, number, rules),
        order=order,
        rules=rules,
        customer_id=customer_id,
        booked=booked,
        issued_date=issued_date,
    )


def difference_reference(order_id: str, number: int, rules: BookingRules) -> str:
    return f"{reference_of(order_id, rules)}-D{number}"


def only_adds(draft: InvoiceDraft) -> bool:
    """Whether nothing gets less by this document: no goods, no charge, at any VAT rate. Pennies of rounding aside."""
    sums: dict[Key, tuple[Decimal, Decimal]] = {}
    for line in draft.lines:
        key = (line.kind, line.product_code, line.nominal, line.tax_rate)
        quantity, net = sums.get(key, NOTHING)
        sums[key] = quantity + line.quantity, net + line.net
    return draft.kind is DocumentKind.INVOICE and all(
        quantity >= 0 and net >= 0 for key, (quantity, net) in sums.items() if key[0] is not LineKind.ROUNDING
    )


def _agree(order: Order, before: Sequence[DocumentLine], rules: BookingRules) -> bool:
    """Whether the posted lines say what the order says (rule C23).

    Compared with the order's own figures, not with new lines for it: other settings may choose other pennies, and
    that is no news worth a document.
    """
    entries, taxes = entries_of(order, rules=rules)
    goods: dict[str, tuple[Decimal, Decimal]] = {}
    nets: dict[Decimal | None, Decimal] = dict.fromkeys(taxes, Decimal(0))
    for entry in entries:
        nets[entry.tax_rate] = nets.get(entry.tax_rate, Decimal(0)) + entry.net
        if entry.product_code:
            quantity, net = goods.get(entry.product_code, (Decimal(0), Decimal(0)))
            goods[entry.product_code] = (quantity + entry.quantity, net + entry.net)
    said = {rate_key(rate): (net, taxes.get(rate, Decimal(0))) for rate, net in nets.items()}
    posted = by_rate(line for line in before if line.kind is not LineKind.ROUNDING)
    return (
        to_pennies(sum((line.net + line.tax for line in before), Decimal(0))) == to_pennies(order.gross)
        and all(
            _near(posted.get(key, NOTHING)[i], said.get(key, NOTHING)[i]) for key in {*posted, *said} for i in (0, 1)
        )
        and _same_goods(by_sku(before), goods)
    )


def _same_goods(posted: Mapping[str, Pair], ordered: Mapping[str, Pair]) -> bool:
    pairs = [(posted.get(code, NOTHING), ordered.get(code, NOTHING)) for code in {*posted, *ordered}]
    return all(booked[0] == sold[0] and _near(booked[1], sold[1]) for booked, sold in pairs)


def _near(booked: Decimal, said: Decimal) -> bool:
    return to_pennies(booked) in neighbours(to_micros(said))


def _set_off(now: Sequence[DocumentLine], before: Sequence[DocumentLine]) -> tuple[DocumentLine, ...]:
    left: dict[Key, list[DocumentLine]] = {}
    for line in cancelled_out([*(mirrored(line) for line in before), *now]):
        left.setdefault((line.kind, line.product_code, line.nominal, line.tax_rate), []).append(line)
    return tuple(line for lines in left.values() for line in _merged(lines))


def _merged(lines: list[DocumentLine]) -> list[DocumentLine]:
    """The same in fewer lines: none if nothing is left, one per price of goods, one for a charge."""
    net, tax = sum((line.net for line in lines), Decimal(0)), sum((line.tax for line in lines), Decimal(0))
    if not lines[0].product_code:
        return _one_charge(lines, net, tax)
    if not net and not tax and not sum(line.quantity for line in lines):
        return []
    by_price: dict[Decimal, list[DocumentLine]] = {}
    for line in lines:
        by_price.setdefault(line.unit_price, []).append(line)
    return [line for same in by_price.values() for line in _one_price(same)]


def _one_charge(lines: list[DocumentLine], net: Decimal, tax: Decimal) -> list[DocumentLine]:
    one = lines[-1].model_copy(update={"quantity": Decimal(1), "unit_price": net, "tax": tax})
    if not net and not tax:
        return []
    return [one] if is_computed_alike(one) else lines


def _one_price(lines: list[DocumentLine]) -> list[DocumentLine]:
    quantity, tax = sum((line.quantity for line in lines), Decimal(0)), sum((line.tax for line in lines), Decimal(0))
    one = lines[-1].model_copy(update={"quantity": quantity, "tax": tax})
    if not quantity and not tax:
        return []
    return [one] if is_computed_alike(one) else lines
