"""Whole-number money for the line solver: pennies, micro-units and VAT on them, without a float anywhere.

A micro is a millionth of the currency unit, so 10,000 micros are a penny; amounts of shops (four decimals) are exact
in it. A rate is kept in ten-thousandths of a per cent: 20 % = 200,000, hence VAT in pennies = net × rate ÷ 1,000,000.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

MICROS_PER_PENNY = 10_000
VAT_DIVISOR = 1_000_000


def to_micros(amount: Decimal) -> int:
    return int((amount * 1_000_000).to_integral_value(ROUND_HALF_UP))


def to_pennies(amount: Decimal) -> int:
    """Nearest penny, halves away from zero."""
    return int((amount * 100).to_integral_value(ROUND_HALF_UP))


def to_amount(pennies: int) -> Decimal:
    return Decimal(pennies).scaleb(-2)


def to_rate(per_cent: Decimal | None) -> int:
    return 0 if per_cent is None else int((per_cent * 10_000).to_integral_value(ROUND_HALF_UP))


def neighbours(micros: int) -> tuple[int, ...]:
    """The pennies an amount may be booked as: itself when it is whole, else the two around it, nearest first."""
    low, rest = divmod(micros, MICROS_PER_PENNY)
    if not rest:
        return (low,)
    return (low, low + 1) if rest * 2 < MICROS_PER_PENNY else (low + 1, low)


def vat_of(net: int, rate: int) -> int:
    """VAT in pennies on a net in pennies as a ledger rounds it: half up, away from zero on a negative line."""
    rounded = (2 * abs(net) * rate + VAT_DIVISOR) // (2 * VAT_DIVISOR)
    return rounded if net >= 0 else -rounded


def divide_half_up(numerator: int, denominator: int) -> int:
    """Nearest whole number, halves away from zero; the denominator may be negative, not zero."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return rounded if numerator >= 0 else -rounded
