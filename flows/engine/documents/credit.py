"""Credit notes: for refunds known only as a running total, and for orders that were cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from connectors.base.errors import Held
from connectors.base.records import DocumentKind, DocumentLine, InvoiceDraft, LineKind, Order
from flows.engine.documents.invoice import draft_of, invoice_draft, reference_of
from flows.engine.documents.lines import Booked, Entry, book, is_computed_alike
from flows.engine.documents.pennies import divide_half_up, to_amount, to_pennies
from flows.engine.documents.posted import PostedDocument, cancelled_out, lines_of, mirrored
from flows.engine.documents.rules import BookingRules, nominal_of, rate_key

Shares = dict[Decimal | None, tuple[int, int]]
"""Rate → (net, VAT) in pennies."""


def credit_draft(
    *,
    order: Order,
    rules: BookingRules,
    customer_id: str,
    cumulative: Decimal,
    credited_before: Decimal,
    number: int,
    restock: bool = False,
    issued_date: date | None = None,
) -> InvoiceDraft:
    """The credit note for what was refunded since the last one: ``cumulative`` − ``credited_before`` (rule C25).

    Net and VAT follow the invoice's shares of each rate. The share of a running total depends on that total alone, so
    any sequence of partial refunds sums to the same pennies, and one that reaches the gross to the invoice itself. A
    refund of everything at once mirrors the invoice line by line. Lines carry no product, hence move no stock; with
    ``restock`` the refund that completes the order brings its goods back (an earlier one does not tell which goods).

    :param number: 1 for the first credit note of the order; reference ``NOP-1001-CR1``.
    :param issued_date: default is the order's day; the same on every retry, or a look finds nothing.
    :raises Held: nothing was refunded, or more than the order was worth.
    """
    invoice = invoice_draft(order=order, rules=rules, customer_id=customer_id)
    cumulative, credited_before = to_amount(to_pennies(cumulative)), to_amount(to_pennies(credited_before))
    _refuse_wrong_amount(order, invoice, cumulative, credited_before)
    complete = cumulative in (to_amount(to_pennies(order.total)), invoice.gross)
    if cumulative == invoice.gross and not credited_before:
        booked = _whole(invoice, restock)
    else:
        booked = _partial(order, invoice, rules, cumulative, credited_before)
        if restock and complete:
            booked = Booked((*booked.lines, *_returned_goods(invoice)), booked.depends_on_sent_tax)
    return draft_of(
        kind=DocumentKind.CREDIT_NOTE,
        reference=credit_reference(order.source_id, number, rules),
        order=order,
        rules=rules,
        customer_id=customer_id,
        booked=booked,
        issued_date=issued_date,
    )


def cancel_draft(
    *,
    order: Order,
    rules: BookingRules,
    customer_id: str,
    posted: Sequence[PostedDocument],
    number: int,
    restock: bool = True,
    issued_date: date | None = None,
) -> InvoiceDraft | None:
    """The credit note after which all documents about the order come to nothing; None when they already do.

    Every line of ``posted`` (invoice, differences, credit notes) that no other takes back is mirrored, so net and VAT
    per rate are zero afterwards and, with ``restock``, the goods are back in the ledger's stock.
    """
    left = [mirrored(line) for line in cancelled_out(lines_of(posted))]
    lines = tuple(left if restock else [_without_goods(line) for line in left])
    if not lines:
        return None
    return draft_of(
        kind=DocumentKind.CREDIT_NOTE,
        reference=credit_reference(order.source_id, number, rules),
        order=order,
        rules=rules,
        customer_id=customer_id,
        booked=Booked(lines, not all(map(is_computed_alike, lines))),
        issued_date=issued_date,
    )


def credit_reference(order_id: str, number: int, rules: BookingRules) -> str:
    return f"{reference_of(order_id, rules)}-CR{number}"


def _refuse_wrong_amount(order: Order, invoice: InvoiceDraft, cumulative: Decimal, credited_before: Decimal) -> None:
    if Decimal(0) <= credited_before < cumulative <= invoice.gross:
        return
    raise Held(
        f"Order {order.number} of {invoice.gross} cannot be credited: {cumulative} were refunded in all, "
        f"{credited_before} of it are credited already.",
        code="refund_amount",
        field="refunded_total",
        cure="Check the refunds in the shop and the credit notes in the ledger, then book the difference by hand.",
        details={
            "gross": str(invoice.gross),
            "refunded": str(cumulative),
            "credited_before": str(credited_before),
            "to_credit": str(cumulative - credited_before),
        },
    )


def _whole(invoice: InvoiceDraft, restock: bool) -> Booked:
    lines = [mirrored(line) if restock and line.product_code else _taken_back(line) for line in invoice.lines]
    return Booked(tuple(lines), invoice.depends_on_sent_tax)


def _taken_back(line: DocumentLine) -> DocumentLine:
    """Money back, no goods: quantity 1 at the negative of the whole line."""
    counted = f"{line.quantity:f} × {line.description}" if line.quantity != 1 else line.description
    return line.model_copy(
        update={
            "description": counted,
            "quantity": Decimal(1),
            "unit_price": -line.net,
            "tax": -line.tax,
            "product_code": "",
        }
    )


def _without_goods(line: DocumentLine) -> DocumentLine:
    return line.model_copy(update={"quantity": Decimal(1), "unit_price": line.net, "product_code": ""})


def _returned_goods(invoice: InvoiceDraft) -> list[DocumentLine]:
    """The goods of the last of several refunds: their money is in the lines by rate already."""
    return [
        line.model_copy(update={"quantity": -line.quantity, "unit_price": Decimal(0), "tax": Decimal(0)})
        for line in invoice.lines
        if line.product_code
    ]


def _partial(
    order: Order, invoice: InvoiceDraft, rules: BookingRules, cumulative: Decimal, credited_before: Decimal
) -> Booked:
    whole = _shares_of(invoice)
    after = _shares_at(whole, to_pennies(cumulative))
    before = _shares_at(whole, to_pennies(credited_before))
    amounts = {rate: (before[rate][0] - after[rate][0], before[rate][1] - after[rate][1]) for rate in whole}
    return book(
        entries=[_refund_entry(rate, net, rules) for rate, (net, vat) in amounts.items() if net or vat],
        taxes={rate: to_amount(vat) for rate, (net, vat) in amounts.items() if net or vat},
        gross=to_amount(sum(net + vat for net, vat in amounts.values())),
        rules=rules,
        name=f"The refund of order {order.number}",
    )


def _refund_entry(rate: Decimal | None, net: int, rules: BookingRules) -> Entry:
    shown = "no VAT" if not rate else f"{rate_key(rate)} % VAT"
    return Entry(
        kind=LineKind.PRODUCT,
        description=f"Refund ({shown})",
        quantity=1,
        net=to_amount(net),
        tax_rate=rate,
        nominal=nominal_of(LineKind.PRODUCT, rules=rules, rate=rate),
        charge=True,
    )


def _shares_of(invoice: InvoiceDraft) -> Shares:
    shares: Shares = {}
    for line in invoice.lines:
        net, vat = shares.get(line.tax_rate, (0, 0))
        shares[line.tax_rate] = (net + to_pennies(line.net), vat + to_pennies(line.tax))
    return dict(sorted(shares.items(), key=lambda share: (share[0] is None, share[0] or Decimal(0))))


def _shares_at(whole: Shares, refunded: int) -> Shares:
    """Net and VAT per rate when ``refunded`` pennies have been given back in all.

    Rounding the running sum over the rates, and not each rate, keeps the total at ``refunded`` exactly.
    """
    gross = sum(net + vat for net, vat in whole.values())
    shares: Shares = {}
    running = given = 0
    for rate, (net, vat) in whole.items():
        running += net + vat
        amount = divide_half_up(refunded * running, gross) - given
        given += amount
        tax = divide_half_up(amount * vat, net + vat) if net + vat else 0
        shares[rate] = (amount - tax, tax)
    return shares
