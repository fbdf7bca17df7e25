"""Random baskets, priced by the stand-in shop's own formula and read as its order rows would be read.

The pricing is the sandbox's (written from the shop's source, sharing nothing with the solver); this module draws the
carts and turns stored amounts, four decimals, into canonical orders.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal

from connectors.base.records import (
    Address,
    Customer,
    LineKind,
    Order,
    OrderLine,
    OrderStatus,
    Payment,
    PaymentStatus,
    TaxTotal,
    Tender,
    TenderKind,
)
from sandbox.nopcommerce.pricing import (
    Cart,
    CartLine,
    Charge,
    PriceRules,
    Totals,
    parse_tax_rates,
    price_cart,
    tax_rates_text,
)

ZERO = Decimal(0)
COUNTRIES = (("20",), ("20",), ("20", "0"), ("20", "5", "0"), ("19", "7"), ("19",), ("19", "7", "0"), ("20", "5", "19"))
ENDINGS = (99, 99, 99, 95, 50, 0, 49)


def random_order(rng: random.Random, *, number: int = 1) -> Order:
    cart, rules, kinds = random_cart(rng)
    return order_of(price_cart(cart, rules), cart, kinds, number=number)


def random_cart(rng: random.Random) -> tuple[Cart, PriceRules, list[LineKind]]:
    rules = PriceRules(
        prices_include_tax=rng.random() < 0.6,
        rounding=rng.random() < 0.85,
        half_away=rng.random() < 0.3,
        round_shipping=rng.random() < 0.2,
    )
    rates = [Decimal(rate) for rate in rng.choice(COUNTRIES)]
    exempt = rng.random() < 0.04
    lines, kinds = [], []
    for _ in range(_line_count(rng)):
        kind = LineKind.GIFT_CARD_SALE if rng.random() < 0.02 else LineKind.PRODUCT
        lines.append(_gift_card(rng) if kind is LineKind.GIFT_CARD_SALE else _product(rng, rates, rules, exempt))
        kinds.append(kind)
    return _cart(rng, lines, rates, exempt), rules, kinds


def order_of(totals: Totals, cart: Cart, kinds: list[LineKind], *, number: int = 1) -> Order:
    lines = [
        _line(f"{index}", kind, priced.price.excl, priced.price.incl, priced.tax_rate, cart.lines[index].quantity)
        for index, (priced, kind) in enumerate(zip(totals.lines, kinds, strict=True))
    ]
    lines += _subtotal_discount(totals, lines)
    lines += _charges(totals, cart)
    if totals.order_discount:
        lines.append(_line("d", LineKind.DISCOUNT, -totals.order_discount, -totals.order_discount, None))
    lines = [line for line in lines if line.kind is LineKind.PRODUCT or line.net or line.tax]
    tenders = [Tender(kind=TenderKind.GIFT_CARD, amount=stored(used)) for used in totals.gift_cards if used]
    if totals.points_amount:
        tenders.append(Tender(kind=TenderKind.REWARD_POINTS, amount=stored(totals.points_amount)))
    return an_order(
        number=number,
        lines=lines,
        taxes={rate: tax for rate, tax in parse_tax_rates(tax_rates_text(totals.tax_rates)).items() if tax},
        total=stored(totals.total),
        tenders=tenders,
    )


def an_order(
    *,
    lines: list[OrderLine],
    taxes: dict[Decimal, Decimal] | None = None,
    total: Decimal,
    tenders: list[Tender] | None = None,
    number: int = 1,
    **changes: object,
) -> Order:
    tenders = tenders or []
    at = datetime(2026, 3, 4, 10, 14, tzinfo=UTC)
    paid = Payment(reference="cap-1", method="Payments.Card", amount=total, currency="GBP", paid_at=at)
    facts: dict[str, object] = {
        "source_id": f"{1000 + number}",
        "number": f"{1000 + number}",
        "placed_at": at,
        "placed_date": date(2026, 3, 4),
        "status": OrderStatus.PROCESSING,
        "payment_status": PaymentStatus.PAID,
        "currency": "GBP",
        "customer": Customer(email="jo@example.test", first_name="Jo", last_name="Bloggs"),
        "shipping_address": Address(line1="1 High Street", city="York", postcode="yo17hh", country_code="GB"),
        "lines": tuple(lines),
        "taxes": tuple(TaxTotal(rate=rate, tax=tax) for rate, tax in (taxes or {}).items()),
        "tenders": tuple(tenders),
        "payments": (paid,) if total else (),
        "gross": total + sum((tender.amount for tender in tenders), ZERO),
        "total": total,
        "tax_total": sum((taxes or {}).values(), ZERO),
    }
    return Order.model_validate(facts | changes)


def a_line(
    net: str, tax: str, *, sku: str = "A", quantity: int = 1, rate: str | None = "20", kind: LineKind = LineKind.PRODUCT
) -> OrderLine:
    return OrderLine(
        id=sku,
        kind=kind,
        sku=sku if kind is LineKind.PRODUCT else "",
        description=f"Article {sku}" if kind is LineKind.PRODUCT else kind.value.capitalize(),
        quantity=Decimal(quantity),
        net=Decimal(net),
        tax=Decimal(tax),
        tax_rate=None if rate is None else Decimal(rate),
    )


def stored(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _line_count(rng: random.Random) -> int:
    return rng.randint(10, 60) if rng.random() < 0.03 else rng.choice((1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 7))


def _quantity(rng: random.Random) -> int:
    draw = rng.random()
    if draw < 0.6:
        return 1
    return rng.randint(2, 6) if draw < 0.94 else rng.randint(7, 999)


def _price(rng: random.Random, rules: PriceRules) -> Decimal:
    draw = rng.random()
    if draw < 0.02:
        return ZERO
    if draw < 0.55:
        return Decimal(rng.randint(0, 60) * 100 + rng.choice(ENDINGS)) / 100
    if draw < 0.95 or rules.rounding:
        return Decimal(rng.randint(1, 20000)) / 100
    return Decimal(rng.randint(1, 2_000_000)) / 10000


def _product(rng: random.Random, rates: list[Decimal], rules: PriceRules, exempt: bool) -> CartLine:
    price, rate = _price(rng, rules), rng.choice(rates)
    off = stored(price * rng.choice((5, 10, 15, 20, 33)) / 100) if rng.random() < 0.15 else ZERO
    quantity = _quantity(rng)
    if exempt:
        return CartLine(price, quantity, ZERO, off, list_rate=rate)
    return CartLine(price, quantity, rate, off)


def _gift_card(rng: random.Random) -> CartLine:
    return CartLine(Decimal(rng.choice((10, 25, 50, 100))), rng.choice((1, 1, 1, 2)), ZERO)


def _cart(rng: random.Random, lines: list[CartLine], rates: list[Decimal], exempt: bool) -> Cart:
    worth = sum((line.unit_price * line.quantity for line in lines), ZERO)
    rate = ZERO if exempt else rates[0]
    shipping = Decimal(rng.choice((295, 395, 499, 500, 599, 1250, rng.randint(100, 2000)))) / 100
    fee = Decimal(rng.choice((100, 150, -200, 99))) / 100
    return Cart(
        lines=lines,
        shipping=Charge(shipping, rate, rng.random() < 0.6) if rng.random() < 0.7 else Charge(),
        fee=Charge(fee, rate, rng.random() < 0.6) if rng.random() < 0.08 else Charge(),
        subtotal_discount=_discount(rng, worth) if rng.random() < 0.12 else ZERO,
        order_discount=_discount(rng, worth) if rng.random() < 0.12 else ZERO,
        gift_cards=(Decimal(rng.choice((10, 20, 25))),) if rng.random() < 0.08 else (),
        points_amount=Decimal(rng.randint(1, 900)) / 100 if rng.random() < 0.05 else ZERO,
    )


def _discount(rng: random.Random, worth: Decimal) -> Decimal:
    if rng.random() < 0.5:
        return Decimal(rng.choice((5, 10, 2)))
    return stored(worth * rng.choice((5, 10, 15)) / 100)


def _subtotal_discount(totals: Totals, lines: list[OrderLine]) -> list[OrderLine]:
    """The shop takes it off in proportion to the nets; its tax shrinks by the same share."""
    whole = sum((line.net for line in lines), ZERO)
    rest = off = stored(totals.subtotal_discount.excl)
    if not off or not whole:
        return []
    nets: dict[Decimal | None, Decimal] = {}
    for line in lines:
        nets[line.tax_rate] = nets.get(line.tax_rate, ZERO) + line.net
    discounts = []
    for index, (rate, net) in enumerate(nets.items()):
        share = rest if index == len(nets) - 1 else stored(off * net / whole)
        rest -= share
        discounts.append(
            _line(f"s{index}", LineKind.DISCOUNT, -share, -share - stored(share * (rate or ZERO) / 100), rate)
        )
    return discounts


def _charges(totals: Totals, cart: Cart) -> list[OrderLine]:
    """A negative fee is counted without its tax, as the shop's total does."""
    charges = []
    for kind, amount, rate in (
        (LineKind.SHIPPING, totals.shipping, cart.shipping.tax_rate),
        (LineKind.FEE, totals.fee, cart.fee.tax_rate),
    ):
        counted = rate > 0 and amount.tax > 0
        incl = amount.incl if counted else amount.excl
        charges.append(_line(kind.value, kind, amount.excl, incl, rate if counted else ZERO))
    return charges


def _line(
    name: str, kind: LineKind, excl: Decimal, incl: Decimal, rate: Decimal | None, quantity: int = 1
) -> OrderLine:
    net = stored(excl)
    sold = kind in (LineKind.PRODUCT, LineKind.GIFT_CARD_SALE)
    return OrderLine(
        id=name,
        kind=kind,
        sku=f"SKU-{name}" if sold else "",
        description=f"Article {name}" if sold else kind.value.capitalize(),
        quantity=Decimal(quantity),
        net=net,
        tax=stored(incl) - net,
        tax_rate=None if kind is LineKind.GIFT_CARD_SALE else rate,
    )
