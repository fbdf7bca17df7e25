"""An administrator edits the lines of a placed order."""

from collections.abc import Sequence

from sandbox.nopcommerce import customers, stock
from sandbox.nopcommerce.order_amounts import write_header, write_line
from sandbox.nopcommerce.placing import LineRequest, add_item, tax_rate_of
from sandbox.nopcommerce.pricing import Cart, CartLine, Charge, Totals, price_cart
from sandbox.nopcommerce.processing import add_note, items_of, saved
from sandbox.nopcommerce.row import ZERO
from sandbox.nopcommerce.settings import price_rules
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Order, OrderItem


def edit_lines(shop: Shop, order: Order, wanted: Sequence[LineRequest]) -> None:
    """Make the order's lines those wanted, matched by product and combination; stock follows the difference.

    The header's totals follow only with the setting ``update_totals_on_edit``; otherwise lines and totals disagree.
    """
    shop.orders.edit(order.id)
    totals = _reprice(shop, order, wanted)
    old = {(item.product_id, item.attributes_xml): item for item in items_of(shop, order.id)}
    for line, priced in zip(wanted, totals.lines, strict=True):
        xml = line.combination.attributes_xml if line.combination else None
        item = old.pop((line.product.id, xml), None)
        before = item.quantity if item else 0
        if item is None:
            item = add_item(shop, order, line, priced)
        else:
            shop.order_items.edit(item.id)
            write_line(item, line.quantity, priced)
        _move_stock(shop, order, item, before - line.quantity)
    for item in old.values():
        _move_stock(shop, order, item, item.quantity)
        shop.order_items.delete(item.id)
    if shop.settings["update_totals_on_edit"]:
        write_header(order, totals)
    add_note(shop, order, "Order has been edited")
    saved(shop, order)


def _move_stock(shop: Shop, order: Order, item: OrderItem, change: int) -> None:
    product = shop.products.get(item.product_id)
    if product is not None:
        text = f"The stock quantity has been edited by editing the order #{order.id}"
        stock.adjust_inventory(shop, product, change, attributes_xml=item.attributes_xml or "", message=text)


def _reprice(shop: Shop, order: Order, wanted: Sequence[LineRequest]) -> Totals:
    """Shipping, fee, discounts and tenders stay what they were, as far as the new total allows."""
    customer, billing = shop.customers.rows[order.customer_id], shop.addresses.get(order.billing_address_id)
    exempt = customers.is_vat_exempt(shop, customer, billing)

    def line(request: LineRequest) -> CartLine:
        rate = tax_rate_of(shop, request.product)
        return CartLine(request.price, request.quantity, ZERO if exempt else rate, request.discount, list_rate=rate)

    usage = shop.gift_card_usage.by("used_with_order_id", order.id)
    totals = price_cart(
        Cart(
            lines=[line(request) for request in wanted],
            shipping=Charge(order.order_shipping_incl_tax, order.shipping_rate.normalize(), includes_tax=True),
            fee=Charge(order.payment_method_additional_fee_excl_tax, order.payment_fee_rate.normalize()),
            subtotal_discount=order.order_sub_total_discount_excl_tax,
            order_discount=order.order_discount,
            gift_cards=[used.used_value for used in usage],
            points_amount=order.reward_points_amount,
        ),
        price_rules(shop.settings),
    )
    for used, amount in zip(usage, totals.gift_cards, strict=True):
        used.used_value = amount
    return totals
