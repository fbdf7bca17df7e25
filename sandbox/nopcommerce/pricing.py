"""Order totals in the shop's stages: subtotal, shipping and fee, tax, order discount, gift cards, reward points.

Pure. Amounts stay unrounded in between, as the shop keeps them, except where it rounds on purpose ("round prices
during calculation"); the database cuts them to four places afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

ZERO = Decimal(0)
HUNDRED = Decimal(100)
PENNY = Decimal("0.01")


@dataclass(frozen=True)
class PriceRules:
    """``half_away``: .NET rounds halves to even unless told otherwise. ``round_shipping``: older shops also round
    shipping with and without tax, and the tax total."""

    prices_include_tax: bool = True
    rounding: bool = True
    half_away: bool = False
    round_shipping: bool = False

    def rounded(self, amount: Decimal) -> Decimal:
        if not self.rounding:
            return amount
        return amount.quantize(PENNY, ROUND_HALF_UP if self.half_away else ROUND_HALF_EVEN)


@dataclass(frozen=True)
class CartLine:
    """``unit_price`` and ``unit_discount`` are in the shop's price mode (with or without tax); rates in per cent.

    A customer free of tax has ``tax_rate`` 0 and ``list_rate`` the rate that a tax-inclusive list price contains.
    """

    unit_price: Decimal
    quantity: int
    tax_rate: Decimal
    unit_discount: Decimal = ZERO
    list_rate: Decimal | None = None


@dataclass(frozen=True)
class Charge:
    """Shipping or payment fee: a price in its own tax mode. The amount of a fee may be negative."""

    amount: Decimal = ZERO
    tax_rate: Decimal = ZERO
    includes_tax: bool = False
    list_rate: Decimal | None = None


@dataclass(frozen=True)
class TaxedAmount:
    excl: Decimal = ZERO
    incl: Decimal = ZERO

    @property
    def tax(self) -> Decimal:
        return self.incl - self.excl


@dataclass(frozen=True)
class PricedLine:
    unit: TaxedAmount
    price: TaxedAmount
    discount: TaxedAmount
    tax_rate: Decimal


@dataclass(frozen=True)
class Cart:
    """``gift_cards`` are remaining balances in the order of use; ``points_amount`` the worth of the points offered."""

    lines: Sequence[CartLine]
    shipping: Charge = Charge()
    fee: Charge = Charge()
    subtotal_discount: Decimal = ZERO
    order_discount: Decimal = ZERO
    gift_cards: Sequence[Decimal] = ()
    points_amount: Decimal = ZERO


@dataclass(frozen=True)
class Totals:
    """``tax_rates`` rate → tax, ascending. ``before_discount`` is the total after tax and before the order discount;
    ``gross`` is what is owed before gift cards and points; ``total`` what remains to be paid. A charge's rate is 0 when
    no tax was counted for it."""

    lines: tuple[PricedLine, ...]
    subtotal: TaxedAmount
    subtotal_discount: TaxedAmount
    shipping: TaxedAmount
    fee: TaxedAmount
    tax_rates: Mapping[Decimal, Decimal]
    tax: Decimal
    before_discount: Decimal
    order_discount: Decimal
    gross: Decimal
    gift_cards: tuple[Decimal, ...]
    points_amount: Decimal
    total: Decimal
    shipping_rate: Decimal
    fee_rate: Decimal


@dataclass
class _Subtotal:
    excl: Decimal = ZERO
    incl: Decimal = ZERO
    tax_rates: dict[Decimal, Decimal] = field(default_factory=dict)


def with_tax(amount: Decimal, rate: Decimal, *, includes: bool, list_rate: Decimal | None = None) -> TaxedAmount:
    """Both forms of an amount. A list price with tax is reduced by ``list_rate`` first when that differs."""
    if not includes:
        return TaxedAmount(amount, amount * (1 + rate / HUNDRED))
    contained = rate if list_rate is None else list_rate
    excl = amount - amount / (HUNDRED + contained) * contained
    return TaxedAmount(excl, amount if contained == rate else excl * (1 + rate / HUNDRED))


def price_line(line: CartLine, rules: PriceRules) -> PricedLine:
    """Item discounts lower the unit price before anything else; the unit price is rounded before it is multiplied."""

    def taxed(amount: Decimal) -> TaxedAmount:
        return with_tax(amount, line.tax_rate, includes=rules.prices_include_tax, list_rate=line.list_rate)

    discount = min(line.unit_discount, line.unit_price)
    unit = rules.rounded(line.unit_price - discount)
    return PricedLine(taxed(unit), taxed(unit * line.quantity), taxed(discount * line.quantity), line.tax_rate)


def price_cart(cart: Cart, rules: PriceRules) -> Totals:
    lines = tuple(price_line(line, rules) for line in cart.lines)
    whole = _sum_lines(lines)
    discount, rates = _discount_subtotal(whole, cart.subtotal_discount, rules)
    net = rules.rounded(max(whole.excl - discount.excl, ZERO))
    shipping, fee = _charge(cart.shipping, rules, rules.round_shipping), _charge(cart.fee, rules, False)
    rates = _with_charges(rates, ((shipping, cart.shipping.tax_rate), (fee, cart.fee.tax_rate)))
    tax = sum(rates.values(), ZERO)
    if rules.round_shipping:
        tax = rules.rounded(tax)
    before = rules.rounded(net + shipping.excl + fee.excl + tax)
    order_discount = max(min(cart.order_discount, before), ZERO)
    gross = rules.rounded(max(before - order_discount, ZERO))
    used = _use_gift_cards(gross, cart.gift_cards)
    rest = rules.rounded(max(gross - sum(used, ZERO), ZERO))
    points = min(cart.points_amount, rest)
    return Totals(
        lines=lines,
        subtotal=TaxedAmount(rules.rounded(whole.excl), rules.rounded(whole.incl)),
        subtotal_discount=TaxedAmount(rules.rounded(discount.excl), rules.rounded(discount.incl)),
        shipping=shipping,
        fee=fee,
        tax_rates=dict(sorted(rates.items())) or {ZERO: ZERO},
        tax=tax,
        before_discount=before,
        order_discount=order_discount,
        gross=gross,
        gift_cards=used,
        points_amount=points,
        total=rules.rounded(rest - points),
        shipping_rate=_counted_rate(shipping, cart.shipping.tax_rate),
        fee_rate=_counted_rate(fee, cart.fee.tax_rate),
    )


def tax_rates_text(rates: Mapping[Decimal, Decimal]) -> str:
    """As the order keeps it: ``20:16.67;   0:0;   ``, trailing blanks included."""
    return "".join(f"{_plain(rate)}:{_plain(tax)};   " for rate, tax in rates.items())


def parse_tax_rates(text: str | None) -> dict[Decimal, Decimal]:
    """Rate → tax; parts that are no ``rate:amount`` are left out, as the shop does."""
    rates = {}
    for part in (text or "").split(";"):
        rate, colon, tax = part.strip().partition(":")
        if colon:
            rates[Decimal(rate.strip())] = Decimal(tax.strip())
    return rates


def _plain(number: Decimal) -> str:
    # Four places like the columns: an unrounded quotient would show 28 digits.
    cut = number.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    text = format(cut, "f").rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _sum_lines(lines: Sequence[PricedLine]) -> _Subtotal:
    whole = _Subtotal()
    for line in lines:
        whole.excl += line.price.excl
        whole.incl += line.price.incl
        if line.tax_rate > 0 and line.price.tax > 0:
            whole.tax_rates[line.tax_rate] = whole.tax_rates.get(line.tax_rate, ZERO) + line.price.tax
    return whole


def _discount_subtotal(
    whole: _Subtotal, wanted: Decimal, rules: PriceRules
) -> tuple[TaxedAmount, dict[Decimal, Decimal]]:
    """The subtotal discount (given without tax, before tax) and the tax per rate that remains; each is rounded."""
    excl = max(min(wanted, whole.excl), ZERO)
    incl, rates = excl, {}
    for rate, tax in whole.tax_rates.items():
        off = tax * (excl / whole.excl) if whole.excl > 0 else ZERO
        incl += off
        rates[rate] = rules.rounded(tax - off)
    return TaxedAmount(excl, incl), {rate: tax for rate, tax in rates.items() if tax > 0}


def _charge(charge: Charge, rules: PriceRules, round_both: bool) -> TaxedAmount:
    amount = rules.rounded(charge.amount)
    taxed = with_tax(amount, charge.tax_rate, includes=charge.includes_tax, list_rate=charge.list_rate)
    return TaxedAmount(rules.rounded(taxed.excl), rules.rounded(taxed.incl)) if round_both else taxed


def _with_charges(
    rates: Mapping[Decimal, Decimal], charges: Sequence[tuple[TaxedAmount, Decimal]]
) -> dict[Decimal, Decimal]:
    """The shop never counts negative tax: a taxed negative fee lowers the total by its net amount only."""
    summed = dict(rates)
    for amount, rate in charges:
        if _counted_rate(amount, rate):
            summed[rate] = summed.get(rate, ZERO) + amount.tax
    return summed


def _counted_rate(amount: TaxedAmount, rate: Decimal) -> Decimal:
    return rate if rate > 0 and amount.tax > 0 else ZERO


def _use_gift_cards(owed: Decimal, balances: Sequence[Decimal]) -> tuple[Decimal, ...]:
    used = []
    for balance in balances:
        part = min(max(balance, ZERO), owed)
        used.append(part)
        owed -= part
    return tuple(used)
