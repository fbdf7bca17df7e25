"""The invoice of an order."""

from __future__ import annotations

from datetime import date, timedelta

from connectors.base.errors import Held
from connectors.base.records import Address, DocumentKind, InvoiceDraft, Order
from flows.engine.documents.addresses import standard_address
from flows.engine.documents.entries import entries_of
from flows.engine.documents.lines import Booked, book
from flows.engine.documents.rules import BookingRules


def reference_of(order_id: str, rules: BookingRules) -> str:
    """The reference people and we find the invoice by: prefix + the shop's order id (rule C22), e.g. ``NOP-1001``.

    Posted again after it was credited: ``NOP-1001-R2``, because the credited invoice keeps the first (rule C27).
    """
    return f"{rules.reference_prefix}{order_id}{rules.reference_suffix}"


def invoice_draft(*, order: Order, rules: BookingRules, customer_id: str) -> InvoiceDraft:
    """The invoice that says what the order says, exact to the penny.

    :raises Held: the shop's own figures do not add up, no lines reach them, or a SKU or VAT rate is unknown; the
        arithmetic is in ``details``.
    :raises MappingFailed: a nominal code is not set.
    """
    _refuse_unsound(order)
    entries, taxes = entries_of(order, rules=rules)
    booked = book(entries=entries, taxes=taxes, gross=order.gross, rules=rules, name=f"Order {order.number}")
    reference = reference_of(order.source_id, rules)
    return draft_of(
        kind=DocumentKind.INVOICE,
        reference=reference,
        order=order,
        rules=rules,
        customer_id=customer_id,
        booked=booked,
        note=order.note,
    )


def draft_of(
    *,
    kind: DocumentKind,
    reference: str,
    order: Order,
    rules: BookingRules,
    customer_id: str,
    booked: Booked,
    note: str = "",
    issued_date: date | None = None,
) -> InvoiceDraft:
    """A document about ``order``, dated the order's day if not told, with the totals its lines add up to."""
    issued = issued_date or order.placed_date
    terms = timedelta(days=rules.terms_days if kind is DocumentKind.INVOICE else 0)
    return InvoiceDraft(
        kind=kind,
        reference=reference,
        customer_id=customer_id,
        issued_date=issued,
        due_date=issued + terms,
        currency=order.currency,
        lines=booked.lines,
        net=booked.net,
        tax=booked.tax,
        gross=booked.gross,
        depends_on_sent_tax=booked.depends_on_sent_tax,
        delivery_address=_delivery_address(order.shipping_address),
        note=note,
    )


def _refuse_unsound(order: Order) -> None:
    if not order.arithmetic_note:
        return
    raise Held(
        f"The figures of order {order.number} do not add up in the shop: {order.arithmetic_note}",
        code="source_arithmetic",
        field="arithmetic_note",
        cure="Recalculate or correct the order in the shop; it is taken up again by itself when it changes.",
        details={
            "arithmetic": order.arithmetic_note,
            "gross": str(order.gross),
            "lines_net": str(sum(line.net for line in order.lines)),
            "lines_tax": str(sum(line.tax for line in order.lines)),
            "tax_total": str(order.tax_total),
        },
    )


def _delivery_address(address: Address | None) -> Address | None:
    return standard_address(address) if address else None
