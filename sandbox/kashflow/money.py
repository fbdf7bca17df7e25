"""Exact money: KashFlow rounds half up, keeps two places per line and writes four."""

from decimal import ROUND_HALF_UP, Decimal

ZERO = Decimal(0)
NOT_APPLICABLE = Decimal(-1)
"""The VAT rate that means exempt or outside the scope."""


def half_up(amount: Decimal, places: int = 2) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def whole(quantity: Decimal) -> int:
    """Stock is counted in whole pieces."""
    return int(half_up(quantity, 0))


def vat_on(net: Decimal, vat_rate: Decimal) -> Decimal:
    """VAT of a line as the account computes it itself; ``net`` unrounded."""
    return ZERO if vat_rate == NOT_APPLICABLE else half_up(net * vat_rate / 100)
