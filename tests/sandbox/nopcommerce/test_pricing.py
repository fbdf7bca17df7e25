"""Order totals follow the shop's stages, whatever the cart."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.nopcommerce.pricing import (
    Cart,
    CartLine,
    Charge,
    PriceRules,
    parse_tax_rates,
    price_cart,
    price_line,
    tax_rates_text,
)

D = Decimal
ZERO, PENNY = D(0), D("0.01")

pence = st.integers(0, 50_000).map(lambda n: D(n) / 100)
rates = st.sampled_from([D(20), D(5), D(0), D("17.5"), D(19)])
lines = st.builds(
    CartLine,
    unit_price=pence,
    quantity=st.integers(1, 20),
    tax_rate=rates,
    unit_discount=st.sampled_from([ZERO, D("0.37")]),
)
charges = st.builds(Charge, amount=pence, tax_rate=rates, includes_tax=st.booleans())
fees = st.builds(
    Charge, amount=st.integers(-500, 500).map(lambda n: D(n) / 100), tax_rate=rates, includes_tax=st.booleans()
)
carts = st.builds(
    Cart,
    lines=st.lists(lines, min_size=1, max_size=6),
    shipping=charges,
    fee=fees,
    subtotal_discount=st.sampled_from([ZERO, D("3.33"), D(10_000)]),
    order_discount=st.sampled_from([ZERO, D("7.77"), D(10_000_000)]),
    gift_cards=st.lists(pence, max_size=3),
    points_amount=st.sampled_from([ZERO, D("1.23"), D(400)]),
)
price_rules = st.builds(PriceRules, prices_include_tax=st.booleans(), rounding=st.booleans())


def rounded(amount: Decimal, rules: PriceRules) -> Decimal:
    return amount.quantize(PENNY, ROUND_HALF_EVEN) if rules.rounding else amount


@settings(max_examples=200, deadline=None)
@given(carts, price_rules)
def test_total_is_built_in_stages(cart: Cart, rules: PriceRules) -> None:
    totals = price_cart(cart, rules)
    net_lines = sum((line.price.excl for line in totals.lines), ZERO)
    net = rounded(max(net_lines - min(cart.subtotal_discount, net_lines), ZERO), rules)
    stage = rounded(net + totals.shipping.excl + totals.fee.excl + totals.tax, rules)
    assert totals.before_discount == stage
    assert totals.order_discount == min(cart.order_discount, max(stage, ZERO))
    stage = rounded(max(stage - totals.order_discount, ZERO), rules)
    assert totals.gross == stage
    stage = rounded(max(stage - sum(totals.gift_cards, ZERO), ZERO), rules)
    assert abs(totals.total - rounded(stage - totals.points_amount, rules)) < D("1e-20")


@settings(max_examples=200, deadline=None)
@given(carts, price_rules)
def test_tenders_pay_the_gross_and_never_more(cart: Cart, rules: PriceRules) -> None:
    totals = price_cart(cart, rules)
    paid = totals.total + sum(totals.gift_cards, ZERO) + totals.points_amount
    assert abs(totals.gross - paid) < D("1e-20")
    assert totals.total >= 0
    assert all(used <= had for used, had in zip(totals.gift_cards, cart.gift_cards, strict=True))
    assert totals.points_amount <= cart.points_amount


@settings(max_examples=200, deadline=None)
@given(carts, price_rules)
def test_order_discount_leaves_the_tax_alone(cart: Cart, rules: PriceRules) -> None:
    without = Cart(cart.lines, cart.shipping, cart.fee, cart.subtotal_discount)
    assert price_cart(cart, rules).tax_rates == price_cart(without, rules).tax_rates


@settings(max_examples=200, deadline=None)
@given(carts, price_rules)
def test_tax_is_the_sum_of_its_rates_and_survives_the_text(cart: Cart, rules: PriceRules) -> None:
    totals = price_cart(cart, rules)
    assert abs(sum(totals.tax_rates.values(), ZERO) - totals.tax) < D("1e-20")
    assert list(totals.tax_rates) == sorted(totals.tax_rates)
    read_back = parse_tax_rates(tax_rates_text(totals.tax_rates))
    kept = {rate: tax.quantize(D("0.0001"), ROUND_HALF_UP) for rate, tax in totals.tax_rates.items()}
    assert read_back == kept


@settings(max_examples=200, deadline=None)
@given(st.lists(lines, min_size=1, max_size=6))
def test_a_tax_inclusive_cart_without_rounding_costs_what_the_labels_say(cart_lines: list[CartLine]) -> None:
    totals = price_cart(Cart(cart_lines), PriceRules(prices_include_tax=True, rounding=False))
    labels = sum((max(line.unit_price - line.unit_discount, ZERO) * line.quantity for line in cart_lines), ZERO)
    assert abs(totals.total - labels) < D("0.000001")


def test_a_tax_inclusive_price_has_four_places_net() -> None:
    cart = Cart([CartLine(D("19.99"), 1, D(20))], shipping=Charge(D("5.00"), D(20), includes_tax=True))
    totals = price_cart(cart, PriceRules())
    assert totals.subtotal.excl == D("16.66") and totals.subtotal.incl == D("19.99")
    assert round(totals.lines[0].unit.excl, 4) == D("16.6583")
    assert round(totals.shipping.excl, 4) == D("4.1667")
    assert tax_rates_text(totals.tax_rates) == "20:4.1633;   "
    assert totals.total == D("24.99")


def test_ten_units_at_nineteen_per_cent_miss_the_label_by_a_penny() -> None:
    line = price_line(CartLine(D("4.10"), 10, D(19)), PriceRules(prices_include_tax=False))
    assert line.price.incl == D("48.79")
    assert round(line.unit.incl, 2) * 10 == D("48.80")


def test_subtotal_discount_comes_before_tax_and_is_shared_over_the_rates() -> None:
    cart = Cart([CartLine(D(100), 1, D(20)), CartLine(D(100), 1, D(5))], subtotal_discount=D(50))
    totals = price_cart(cart, PriceRules(prices_include_tax=False))
    assert totals.tax_rates == {D(5): D("3.75"), D(20): D("15.00")}
    assert totals.subtotal_discount.incl == D("56.25")
    assert totals.total == D("168.75")


def test_halves_go_to_the_even_penny_unless_told_otherwise() -> None:
    cart = Cart([CartLine(D("0.125"), 1, ZERO)])
    assert price_cart(cart, PriceRules()).total == D("0.12")
    assert price_cart(cart, PriceRules(half_away=True)).total == D("0.13")


def test_tax_of_a_negative_fee_is_not_counted() -> None:
    cart = Cart([CartLine(D(120), 1, D(20))], fee=Charge(D(-6), D(20), includes_tax=True))
    totals = price_cart(cart, PriceRules())
    assert totals.fee.excl == D(-5) and totals.tax == D(20)
    assert totals.total == D(115)


def test_an_untaxed_cart_still_names_one_rate() -> None:
    assert tax_rates_text(price_cart(Cart([CartLine(D(3), 1, ZERO)]), PriceRules()).tax_rates) == "0:0;   "


def test_customers_free_of_tax_pay_the_label_less_its_tax() -> None:
    cart = Cart([CartLine(D(120), 1, ZERO, list_rate=D(20))])
    assert price_cart(cart, PriceRules()).total == D(100)


def test_round_shipping_rounds_both_forms_and_the_tax() -> None:
    cart = Cart([CartLine(D("19.99"), 1, D(20))], shipping=Charge(D("5.00"), D(20), includes_tax=True))
    totals = price_cart(cart, PriceRules(round_shipping=True))
    assert (totals.shipping.excl, totals.tax, totals.total) == (D("4.17"), D("4.16"), D("24.99"))
