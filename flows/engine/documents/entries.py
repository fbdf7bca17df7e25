"""What an order says is to be booked, under the rules of an installation: nominal, product and rate of each line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from connectors.base.errors import Held
from connectors.base.records import LineKind, Order, OrderLine
from flows.engine.documents.lines import CHARGES, Entry
from flows.engine.documents.rules import BookingRules, OrderDiscountVat, ledger_code, nominal_of, snap_rate

FOUR_PLACES = Decimal("0.0001")
ZERO = Decimal(0)
Taxes = dict[Decimal | None, Decimal]


def entries_of(order: Order, *, rules: BookingRules) -> tuple[list[Entry], Taxes]:
    """The lines to book, in the order's sequence, and the VAT of each rate.

    VAT is what the source states for a rate, else the sum over its lines. Lines of quantity 0 and no amount (removed
    in the shop) are left out; free lines stay.

    :raises Held: an unknown SKU or VAT rate, a quantity that is no positive whole number.
    :raises MappingFailed: a nominal code is not set.
    """
    lines = [(f"lines[{index}]", line) for index, line in enumerate(order.lines) if line.quantity or line.net]
    entries = [_entry(line, field=field, rules=rules) for field, line in lines]
    taxes = _taxes(order, entries, [line for _, line in lines], rules)
    if rules.order_discount_vat is OrderDiscountVat.RATE_SHARES:
        return _spread_order_discount(entries, taxes, rules)
    return entries, taxes


def _entry(line: OrderLine, *, field: str, rules: BookingRules) -> Entry:
    rate = snap_rate(line.tax_rate, rules=rules, field=f"{field}.tax_rate")
    code, description = "", line.description
    if line.kind is LineKind.PRODUCT:
        code = ledger_code(line, rules=rules, field=field)
        description = description if code else f"{rules.unknown_sku_mark}{description}"
    return Entry(
        kind=line.kind,
        description=description,
        quantity=_whole_quantity(line, field),
        net=line.net,
        tax_rate=rate,
        nominal=nominal_of(line.kind, rules=rules, sku=line.sku, rate=rate),
        product_code=code,
        charge=line.kind in CHARGES,
    )


def _whole_quantity(line: OrderLine, field: str) -> int:
    if line.kind in CHARGES:
        return 1
    if line.quantity == line.quantity.to_integral_value() and line.quantity > 0:
        return int(line.quantity)
    raise Held(
        f"The quantity {line.quantity} of “{line.description}” is not a positive whole number.",
        code="quantity",
        field=f"{field}.quantity",
        cure="Correct the quantity in the shop, or book this order by hand and link it.",
        details={"quantity": str(line.quantity), "net": str(line.net)},
    )


def _taxes(order: Order, entries: Sequence[Entry], lines: Sequence[OrderLine], rules: BookingRules) -> Taxes:
    taxes: Taxes = {}
    for entry, line in zip(entries, lines, strict=True):
        taxes[entry.tax_rate] = taxes.get(entry.tax_rate, ZERO) + line.tax
    stated: Taxes = {}
    for total in order.taxes:
        if total.tax or total.rate:
            rate = snap_rate(total.rate, rules=rules, field="taxes")
            stated[rate] = stated.get(rate, ZERO) + total.tax
    return taxes | stated


def _spread_order_discount(entries: list[Entry], taxes: Taxes, rules: BookingRules) -> tuple[list[Entry], Taxes]:
    """Discount lines without a rate become one line per rate; gross stays, net and VAT of each rate shrink."""
    given = [entry for entry in entries if entry.kind is LineKind.DISCOUNT and entry.tax_rate is None]
    kept = [entry for entry in entries if entry not in given]
    gross = {rate: tax for rate, tax in taxes.items() if any(entry.tax_rate == rate for entry in kept)}
    for entry in kept:
        gross[entry.tax_rate] += entry.net
    whole = sum(gross.values(), ZERO)
    if not given or not whole:
        return entries, taxes
    for discount in given:
        kept += _per_rate(discount, gross, whole)
    off = sum((entry.net for entry in given), ZERO)
    shrunk = {rate: _four(taxes[rate] * (1 + off / whole)) for rate in gross}
    kept[-1] = _closing(kept, shrunk, sum((entry.net for entry in entries), ZERO) + sum(taxes.values(), ZERO))
    return kept, {**taxes, **shrunk}


def _per_rate(discount: Entry, gross: Taxes, whole: Decimal) -> list[Entry]:
    return [
        replace(discount, net=_four(discount.net * share / whole / (1 + (rate or ZERO) / 100)), tax_rate=rate)
        for rate, share in gross.items()
        if share
    ]


def _closing(entries: Sequence[Entry], taxes: Taxes, whole: Decimal) -> Entry:
    """The last line takes what four decimals lost, so that the whole is still the order's."""
    short = whole - sum((entry.net for entry in entries), ZERO) - sum(taxes.values(), ZERO)
    return replace(entries[-1], net=entries[-1].net + short)


def _four(amount: Decimal) -> Decimal:
    return amount.quantize(FOUR_PLACES, ROUND_HALF_UP)
