"""Whether the shop's own figures add up, and what gift cards and points settled when the plug-in does not say.

The shop builds its total in stages (OrderTotalCalculationService): subtotal without tax after subtotal discount +
shipping + payment fee + tax → rounded → − order discount → rounded → − gift cards → − reward points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from connectors.base.records import OrderLine, Tender, TenderKind
from connectors.nopcommerce.shapes import OrderShape
from connectors.nopcommerce.taxes import PENNY, ZERO, TaxedAmount, to_pennies

HALF_PENNY = Decimal("0.005")


@dataclass(frozen=True)
class Sums:
    """What an order comes to. ``total`` = ``gross`` − tenders; ``note`` says in figures what does not add up."""

    gross: Decimal
    total: Decimal
    tenders: tuple[Tender, ...]
    note: str


def shipping_of(order: OrderShape) -> tuple[Decimal, Decimal]:
    return _charge(order.order_shipping_excl_tax, order.order_shipping_incl_tax)


def fee_of(order: OrderShape) -> tuple[Decimal, Decimal]:
    return _charge(order.payment_method_additional_fee_excl_tax, order.payment_method_additional_fee_incl_tax)


def _charge(net: Decimal, incl: Decimal) -> tuple[Decimal, Decimal]:
    # The shop never counts negative tax: a negative fee lowers the total by its net amount only.
    return net, max(incl - net, ZERO)


def by_formula(order: OrderShape) -> Decimal:
    """The total before tenders by the shop's own formula, over its stored amounts, not rounded."""
    subtotal = order.order_subtotal_excl_tax - order.order_sub_total_discount_excl_tax
    before = subtotal + order.order_shipping_excl_tax + order.payment_method_additional_fee_excl_tax + order.order_tax
    return max(before - order.order_discount, ZERO)


def rounding_slack(order: OrderShape) -> Decimal:
    """How far rounding alone can put the formula from the total."""
    discounted = order.order_sub_total_discount_excl_tax != 0
    # The shop rounds the whole once; subtotal and its discount are stored rounded apart from each other.
    return HALF_PENNY + (PENNY if discounted else ZERO) + (ZERO if _is_exact(order.order_discount) else HALF_PENNY)


def _is_exact(amount: Decimal) -> bool:
    return amount == to_pennies(amount)


def settle_sums(
    order: OrderShape, products: Sequence[TaxedAmount], lines: Sequence[OrderLine], told: Sequence[Tender] | None
) -> Sums:
    """
    :param products: net and tax of everything that is in the subtotal.
    :param told: tenders as the plug-in lists them; None where it has no such route (families B and C).
    """
    notes = [note for note in (_subtotal_note(order, products),) if note]
    tenders = tuple(told) if told is not None else _implied_tenders(order, agreed=not notes)
    raw_gross = order.order_total + sum((tender.amount for tender in tenders), ZERO)
    rounded = tuple(tender.model_copy(update={"amount": to_pennies(tender.amount)}) for tender in tenders)
    gross = to_pennies(raw_gross)
    notes += [note for note in (_formula_note(order, raw_gross), _lines_note(lines, gross)) if note]
    settled = sum((tender.amount for tender in rounded), ZERO)
    return Sums(gross, gross - settled, rounded, "; ".join(notes))


def _implied_tenders(order: OrderShape, *, agreed: bool) -> tuple[Tender, ...]:
    """The formula minus the order total is exactly gift cards or points, but only while lines and header agree.

    An order edited by hand with automatic totals off shows a difference too; that one is no tender.
    """
    missing = by_formula(order) - order.order_total
    if not agreed or missing <= rounding_slack(order):
        return ()
    amount = to_pennies(by_formula(order)) - to_pennies(order.order_total)
    return (Tender(kind=TenderKind.STORED_VALUE, amount=amount, reference="stored-value"),)


def _subtotal_note(order: OrderShape, products: Sequence[TaxedAmount]) -> str:
    # Each line may be off by a penny (unit prices are rounded before they are multiplied).
    tolerance = PENNY * max(len(products), 1)
    net = sum((part.net for part in products), ZERO)
    gross = sum((part.net + part.tax for part in products), ZERO)
    off_net = abs(net - order.order_subtotal_excl_tax) > tolerance
    off_gross = abs(gross - order.order_subtotal_incl_tax) > tolerance
    if not (off_net or off_gross):
        return ""
    return (
        f"the lines come to {shown(net)} without and {shown(gross)} with tax, the order's subtotal is "
        f"{shown(order.order_subtotal_excl_tax)} and {shown(order.order_subtotal_incl_tax)}"
    )


def _formula_note(order: OrderShape, gross: Decimal) -> str:
    formula = by_formula(order)
    if abs(formula - gross) <= rounding_slack(order):
        return ""
    return (
        f"subtotal {shown(order.order_subtotal_excl_tax)} − discount {shown(order.order_sub_total_discount_excl_tax)}"
        f" + shipping {shown(order.order_shipping_excl_tax)} + fee {shown(fee_of(order)[0])}"
        f" + tax {shown(order.order_tax)} − order discount {shown(order.order_discount)} = {shown(formula)}, "
        f"the shop's total before gift cards and points is {shown(gross)}"
    )


def _lines_note(lines: Sequence[OrderLine], gross: Decimal) -> str:
    whole = sum((line.net + line.tax for line in lines), ZERO)
    if abs(whole - gross) <= PENNY * max(len(lines), 1):
        return ""
    return f"all lines with tax come to {shown(whole)}, the order to {shown(gross)}"


def shown(amount: Decimal) -> str:
    """At least two places, four where the shop has them."""
    return format(to_pennies(amount) if _is_exact(amount) else amount.quantize(Decimal("0.0001")), "f")
