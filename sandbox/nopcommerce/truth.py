"""What the books ought to say about an order, for a checker to compare with. Computed from stored amounts only."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from sandbox.common.jsonable import to_json
from sandbox.nopcommerce.enums import OrderStatus, PaymentStatus, ShippingStatus, name_of
from sandbox.nopcommerce.pricing import ZERO, parse_tax_rates
from sandbox.nopcommerce.processing import gift_card_spent, items_of
from sandbox.nopcommerce.row import stored
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Order

PENNY = Decimal("0.01")


def truth(shop: Shop, order: Order) -> dict[str, Any]:
    """Amounts as text.

    ``gross``: owed before tenders, 2 places. ``tenders``: gift cards, points and what was paid otherwise.
    ``by_rate``: net and VAT per rate before the order discount, which the shop takes off after tax and does not split;
    ``by_rate_after_order_discount``: the same with it spread over the rates in proportion to their gross.
    ``rounding``: gross plus order discount minus everything in ``by_rate``.
    """
    gift_cards, points = gift_card_spent(shop, order), order.reward_points_amount
    gross = (order.order_total + gift_cards + points).quantize(PENNY)
    by_rate = _by_rate(shop, order)
    whole = sum((net + vat for net, vat in by_rate.values()), ZERO)
    return {
        "gross": format(gross, "f"),
        "tenders": to_json(
            {
                "gift_cards": stored(gift_cards),
                "reward_points": stored(points),
                "payment": stored(order.order_total if order.paid_date_utc else ZERO),
            }
        ),
        "order_discount": to_json(order.order_discount),
        "rounding": to_json(stored(gross + order.order_discount - whole)),
        "by_rate": _shown(by_rate),
        "by_rate_after_order_discount": _shown(_less(by_rate, order.order_discount, whole)),
        "by_sku": _by_sku(shop, order),
    }


def _by_rate(shop: Shop, order: Order) -> dict[Decimal, tuple[Decimal, Decimal]]:
    net: dict[Decimal, Decimal] = defaultdict(lambda: ZERO)
    items = items_of(shop, order.id)
    subtotal = sum((item.price_excl_tax for item in items), ZERO)
    # The subtotal discount is taken off every line in proportion to its net, as the shop does with its tax.
    share = 1 - order.order_sub_total_discount_excl_tax / subtotal if subtotal else Decimal(1)
    for item in items:
        net[item.tax_rate.normalize()] += item.price_excl_tax * share
    net[order.shipping_rate.normalize()] += order.order_shipping_excl_tax
    net[order.payment_fee_rate.normalize()] += order.payment_method_additional_fee_excl_tax
    vat = {rate.normalize(): tax for rate, tax in parse_tax_rates(order.tax_rates).items()}
    rates = sorted({rate for rate, amount in net.items() if amount} | {rate for rate, tax in vat.items() if tax})
    return {rate: (stored(net[rate]), stored(vat.get(rate, ZERO))) for rate in rates}


def _less(
    by_rate: dict[Decimal, tuple[Decimal, Decimal]], discount: Decimal, whole: Decimal
) -> dict[Decimal, tuple[Decimal, Decimal]]:
    keep = 1 - discount / whole if whole else Decimal(1)
    return {rate: (stored(net * keep), stored(vat * keep)) for rate, (net, vat) in by_rate.items()}


def _shown(by_rate: dict[Decimal, tuple[Decimal, Decimal]]) -> dict[str, dict[str, str]]:
    return {
        format(rate, "f"): {"net": format(net, "f"), "vat": format(vat, "f")} for rate, (net, vat) in by_rate.items()
    }


def _by_sku(shop: Shop, order: Order) -> dict[str, dict[str, Any]]:
    """Quantity and net of the lines; an article without a SKU goes by ``NOP-P<product id>``."""
    summed: dict[str, list[Any]] = defaultdict(lambda: [0, ZERO])
    for item in items_of(shop, order.id):
        entry = summed[item.sku or f"NOP-P{item.product_id}"]
        entry[0] += item.quantity
        entry[1] += item.price_excl_tax
    return {sku: {"quantity": quantity, "net": format(net, "f")} for sku, (quantity, net) in sorted(summed.items())}


def order_state(shop: Shop, order: Order) -> dict[str, Any]:
    """The whole order with lines, notes, tenders and ``truth``; amounts as text with four places."""
    entry = shop.points.get(order.redeemed_reward_points_entry_id or 0)
    addresses = (order.billing_address_id, order.shipping_address_id)
    billing, shipping = (to_json(shop.addresses.get(number)) if number else None for number in addresses)
    return to_json(order) | {
        "order_status": name_of(OrderStatus, order.order_status_id),
        "payment_status": name_of(PaymentStatus, order.payment_status_id),
        "shipping_status": name_of(ShippingStatus, order.shipping_status_id),
        "lines": to_json(items_of(shop, order.id)),
        "notes": [note.note for note in shop.order_notes.by("order_id", order.id)],
        "gift_card_usage": to_json(shop.gift_card_usage.by("used_with_order_id", order.id)),
        "reward_points_entry": to_json(entry),
        "billing_address": billing,
        "shipping_address": shipping,
        "truth": truth(shop, order),
    }
