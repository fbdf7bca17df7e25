"""Writing computed amounts into order rows."""

from sandbox.nopcommerce.pricing import PricedLine, Totals, tax_rates_text
from sandbox.nopcommerce.row import ZERO, stored
from sandbox.nopcommerce.tables import Order, OrderItem


def write_header(order: Order, totals: Totals) -> None:
    order.order_subtotal_excl_tax, order.order_subtotal_incl_tax = totals.subtotal.excl, totals.subtotal.incl
    order.order_sub_total_discount_excl_tax = totals.subtotal_discount.excl
    order.order_sub_total_discount_incl_tax = totals.subtotal_discount.incl
    order.order_shipping_excl_tax, order.order_shipping_incl_tax = totals.shipping.excl, totals.shipping.incl
    order.payment_method_additional_fee_excl_tax = totals.fee.excl
    order.payment_method_additional_fee_incl_tax = totals.fee.incl
    order.tax_rates = tax_rates_text(totals.tax_rates)
    order.order_tax = totals.tax
    order.order_discount = totals.order_discount
    order.order_total = totals.total
    order.gift_card_amount = sum(totals.gift_cards, ZERO)
    order.reward_points_amount = totals.points_amount
    order.shipping_rate, order.payment_fee_rate = totals.shipping_rate, totals.fee_rate


def write_line(item: OrderItem, quantity: int, priced: PricedLine) -> None:
    item.quantity = quantity
    item.unit_price_excl_tax, item.unit_price_incl_tax = stored(priced.unit.excl), stored(priced.unit.incl)
    item.price_excl_tax, item.price_incl_tax = stored(priced.price.excl), stored(priced.price.incl)
    item.discount_amount_excl_tax = stored(priced.discount.excl)
    item.discount_amount_incl_tax = stored(priced.discount.incl)
    item.tax_rate = priced.tax_rate
