"""Tax of an order: its rates as text, the rate of a line, a discount split over the rates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

ZERO = Decimal(0)
HUNDRED = Decimal(100)
PENNY = Decimal("0.01")
STORED = Decimal("0.0001")
"""The shop's columns keep four places."""
SNAP_TOLERANCE = Decimal("0.02")
"""Net and gross of a line are rounded apart, each by at most a penny."""


@dataclass(frozen=True)
class TaxedAmount:
    net: Decimal
    tax: Decimal
    rate: Decimal | None


def to_pennies(amount: Decimal) -> Decimal:
    """Two places, halves up (away from zero below it)."""
    return amount.quantize(PENNY, ROUND_HALF_UP)


def parse_tax_rates(text: str) -> dict[Decimal, Decimal]:
    """``"20:4.1633;   0:0;   "`` → ``{20: 4.1633, 0: 0}``.

    Parts that are no ``rate:amount`` are left out, as the shop does.
    """
    rates: dict[Decimal, Decimal] = {}
    for part in text.split(";"):
        rate, colon, tax = part.strip().partition(":")
        if colon:
            try:
                key, amount = Decimal(rate.strip()), Decimal(tax.strip())
            except InvalidOperation:
                continue
            if key.is_finite() and amount.is_finite():
                rates[plain(key)] = rates.get(plain(key), ZERO) + amount
    return rates


def plain(rate: Decimal) -> Decimal:
    """20.0000 and 20 are one rate, and it prints as 20 (``normalize`` alone would print 2E+1)."""
    short = rate.normalize()
    return short if short.as_tuple().exponent <= 0 else short.quantize(Decimal(1))  # type: ignore[operator]


def snap_rate(net: Decimal, tax: Decimal, known: Iterable[Decimal]) -> Decimal:
    """The rate the shop charged: of the order's own rates the one that explains ``tax`` best.

    A line without net says nothing: the order's only rate, else 0. When no known rate fits to the penny the quotient
    itself is returned with two places, so that a mapping can refuse it; a rate is never invented to fit.
    """
    rates = sorted(known)
    if net == 0:
        return rates[0] if len(rates) == 1 else ZERO
    if tax == 0:
        return ZERO
    best = min(rates, key=lambda rate: abs(tax - net * rate / HUNDRED), default=None)
    if best is not None and abs(tax - net * best / HUNDRED) <= SNAP_TOLERANCE:
        return best
    return plain((tax / net * HUNDRED).quantize(PENNY, ROUND_HALF_UP))


def share_out(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Split in proportion with four places; the largest share takes what rounding leaves, so the sum is exact.

    Equal shares when no weight counts.
    """
    if not weights:
        return []
    whole = sum(weights, ZERO)
    used = list(weights) if whole != 0 else [Decimal(1)] * len(weights)
    whole = sum(used, ZERO)
    shares = [(amount * weight / whole).quantize(STORED, ROUND_HALF_UP) for weight in used]
    largest = max(range(len(used)), key=lambda index: abs(used[index]))
    shares[largest] += amount - sum(shares, ZERO)
    return shares


def split_by_rate(net: Decimal, tax: Decimal, lines: Sequence[TaxedAmount]) -> list[TaxedAmount]:
    """A discount before tax, per rate: net by the share of each rate's net, tax by the share of each rate's tax.

    That is how the shop itself lowers the tax of each rate (OrderTotalCalculationService).
    """
    by_rate: dict[Decimal | None, list[Decimal]] = {}
    for line in lines:
        sums = by_rate.setdefault(line.rate, [ZERO, ZERO])
        sums[0] += line.net
        sums[1] += line.tax
    rates = sorted((rate for rate in by_rate if by_rate[rate][0]), key=lambda rate: (rate is None, rate or ZERO))
    if not rates:
        return [TaxedAmount(net, tax, ZERO)]
    nets = share_out(net, [by_rate[rate][0] for rate in rates])
    taxed = [rate for rate in rates if by_rate[rate][1]]
    taxes: Mapping[Decimal | None, Decimal] = dict(
        zip(taxed or rates[:1], share_out(tax, [by_rate[rate][1] for rate in taxed or rates[:1]]), strict=True)
    )
    return [TaxedAmount(part, taxes.get(rate, ZERO), rate) for rate, part in zip(rates, nets, strict=True)]
