"""Placing an order: rule checks, pricing, rows, tenders, stock. The checkout and the plug-ins share it."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from sandbox.nopcommerce import customers, stock
from sandbox.nopcommerce.enums import OrderStatus, PaymentStatus, ShippingStatus, TaxDisplayType
from sandbox.nopcommerce.order_amounts import write_header, write_line
from sandbox.nopcommerce.pricing import Cart, CartLine, Charge, PricedLine, Totals, price_cart
from sandbox.nopcommerce.processing import RuleBroken, add_note, check_status, mark_paid
from sandbox.nopcommerce.row import ZERO
from sandbox.nopcommerce.settings import price_rules
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import (
    Address,
    Currency,
    Customer,
    GiftCard,
    GiftCardUsageHistory,
    Order,
    OrderItem,
    Product,
    ProductAttributeCombination,
)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass
class LineRequest:
    """``unit_price`` and ``discount`` (per unit) are in the shop's price mode; without a price the catalogue's."""

    product: Product
    quantity: int
    combination: ProductAttributeCombination | None = None
    unit_price: Decimal | None = None
    discount: Decimal = ZERO

    @property
    def price(self) -> Decimal:
        if self.unit_price is not None:
            return self.unit_price
        if self.combination is not None and self.combination.overridden_price is not None:
            return self.combination.overridden_price
        return self.product.price

    @property
    def sku(self) -> str | None:
        return (self.combination.sku if self.combination else None) or self.product.sku


@dataclass
class OrderRequest:
    """``gift_cards`` are used up in this order, ``points`` up to the customer's balance."""

    customer: Customer
    billing: Address | None
    shipping: Address | None
    lines: Sequence[LineRequest]
    payment_method: str | None = None
    paid: bool = False
    shipping_method: str | None = "Ground"
    shipping_price: Decimal = ZERO
    pickup_in_store: bool = False
    payment_fee: Decimal = ZERO
    subtotal_discount: Decimal = ZERO
    order_discount: Decimal = ZERO
    gift_cards: Sequence[GiftCard] = ()
    points: int = 0
    display_currency: str | None = None
    created_at: dt.datetime | None = None
    order_guid: str | None = None
    checkout_attributes: str | None = None
    notes: Sequence[str] = field(default_factory=list)


def place_order(shop: Shop, request: OrderRequest) -> Order:
    """The order as stored; its events are published when it is complete.

    :raises RuleBroken: with the shop's own text, nothing is stored then.
    """
    totals = price_request(shop, request)
    _check(shop, request, totals)
    order = _header(shop, request, totals)
    _copy_addresses(shop, order)
    for line, priced in zip(request.lines, totals.lines, strict=True):
        _item(shop, order, line, priced)
    _use_tenders(shop, request, order, totals)
    add_note(shop, order, "Order placed")
    for note in request.notes:
        add_note(shop, order, note)
    shop.publish("orders/create", order)
    check_status(shop, order)
    if order.payment_status_id != PaymentStatus.Paid and (request.paid or order.order_total == 0):
        mark_paid(shop, order, note=order.order_total != 0, at=request.created_at)
    return order


def price_request(shop: Shop, request: OrderRequest) -> Totals:
    """:raises RuleBroken: the cart is empty."""
    if not request.lines:
        raise RuleBroken("Cart is empty")
    return price_cart(_cart(shop, request), price_rules(shop.settings))


def point_value(shop: Shop) -> Decimal:
    return Decimal(shop.settings["point_value"])


def gift_card_balance(shop: Shop, card: GiftCard) -> Decimal:
    used = sum((usage.used_value for usage in shop.gift_card_usage.by("gift_card_id", card.id)), ZERO)
    return max(card.amount - used, ZERO) if card.is_gift_card_activated else ZERO


def tax_rate_of(shop: Shop, product: Product) -> Decimal:
    if product.is_tax_exempt:
        return ZERO
    return Decimal(shop.tax_rates.get(product.tax_category_id, "0"))


def _cart(shop: Shop, request: OrderRequest) -> Cart:
    exempt = customers.is_vat_exempt(shop, request.customer, request.billing)
    highest = max((Decimal(rate) for rate in shop.tax_rates.values()), default=ZERO)

    def charge(amount: Decimal, prefix: str) -> Charge:
        rate = highest if shop.settings[f"{prefix}_taxable"] else ZERO
        includes = shop.settings[f"{prefix}_includes_tax"]
        return Charge(amount, ZERO if exempt else rate, includes, list_rate=rate)

    points = max(min(request.points, customers.points_balance(shop, request.customer.id)), 0)
    return Cart(
        lines=[_cart_line(line, tax_rate_of(shop, line.product), exempt) for line in request.lines],
        shipping=charge(max(request.shipping_price, ZERO), "shipping"),
        fee=charge(request.payment_fee, "fee"),
        subtotal_discount=request.subtotal_discount,
        order_discount=request.order_discount,
        gift_cards=[gift_card_balance(shop, card) for card in request.gift_cards],
        points_amount=price_rules(shop.settings).rounded(points * point_value(shop)),
    )


def _cart_line(line: LineRequest, rate: Decimal, exempt: bool) -> CartLine:
    return CartLine(line.price, line.quantity, ZERO if exempt else rate, line.discount, list_rate=rate)


def _check(shop: Shop, request: OrderRequest, totals: Totals) -> None:
    if customers.is_guest(shop, request.customer) and not shop.settings["anonymous_checkout"]:
        raise RuleBroken("Anonymous checkout is not allowed")
    if request.billing is None:
        raise RuleBroken("Billing address is not provided")
    if not _EMAIL.fullmatch(request.billing.email or ""):
        raise RuleBroken("Email is not valid")
    if request.shipping is None and _needs_shipping(request) and not request.pickup_in_store:
        raise RuleBroken("Shipping address is not provided")
    if any(line.quantity <= 0 or line.price < 0 for line in request.lines) or totals.before_discount < 0:
        raise RuleBroken("Order total couldn't be calculated")
    if totals.total > 0 and request.payment_method not in shop.settings["payment_methods"]:
        raise RuleBroken("Payment method is not active")


def _needs_shipping(request: OrderRequest) -> bool:
    return any(line.product.is_ship_enabled for line in request.lines)


def _header(shop: Shop, request: OrderRequest, totals: Totals) -> Order:
    currency = _display_currency(shop, request.display_currency)
    ships = _needs_shipping(request)
    excluding = shop.settings["tax_display_excluding"]
    order = Order(
        order_guid=request.order_guid or shop.new_guid(),
        store_id=shop.store.id,
        customer_id=request.customer.id,
        billing_address_id=request.billing.id if request.billing else 0,
        shipping_address_id=request.shipping.id if request.shipping and ships else None,
        pickup_in_store=request.pickup_in_store,
        order_status_id=OrderStatus.Pending,
        payment_status_id=PaymentStatus.Pending,
        shipping_status_id=ShippingStatus.NotYetShipped if ships else ShippingStatus.ShippingNotRequired,
        # Paid entirely with gift cards or points: no payment method is asked for.
        payment_method_system_name=request.payment_method if totals.total > 0 else None,
        customer_currency_code=currency.currency_code,
        currency_rate=currency.rate,
        customer_tax_display_type_id=TaxDisplayType.ExcludingTax if excluding else TaxDisplayType.IncludingTax,
        vat_number=request.customer.vat_number,
        checkout_attribute_description=request.checkout_attributes,
        customer_language_id=1,
        customer_ip="192.0.2.10",
        shipping_method=request.shipping_method if ships else None,
        shipping_rate_computation_method_system_name="Shipping.FixedByWeightByTotal" if ships else None,
        created_on_utc=request.created_at or shop.now(),
        placed_at=shop.epoch(),
    )
    write_header(order, totals)
    shop.orders.insert(order)
    order.custom_order_number = order_number(shop.settings["order_number_mask"], order)
    return order


def _copy_addresses(shop: Shop, order: Order) -> None:
    """Each order has addresses of its own, so that a customer who moves does not move old orders."""

    def copied(address_id: int) -> int:
        address = replace(shop.addresses.rows[address_id])
        if shop.settings["null_country"]:
            address.country_id = None
        return shop.addresses.insert(address).id

    order.billing_address_id = copied(order.billing_address_id)
    if order.shipping_address_id is not None:
        order.shipping_address_id = copied(order.shipping_address_id)


def order_number(mask: str, order: Order) -> str:
    """Not unique by itself: a mask without ``{ID}`` gives the same number again."""
    day = order.created_on_utc
    parts = {"ID": str(order.id), "YYYY": f"{day:%Y}", "YY": f"{day:%y}", "MM": f"{day:%m}", "DD": f"{day:%d}"}
    return re.sub(r"\{(ID|YYYY|YY|MM|DD)\}", lambda found: parts[found.group(1)], mask)


def _display_currency(shop: Shop, code: str | None) -> Currency:
    primary = shop.currencies.rows[shop.primary_currency_id]
    return next((c for c in shop.currencies.all() if c.currency_code == code and c.published), primary)


def _item(shop: Shop, order: Order, line: LineRequest, priced: PricedLine) -> None:
    item = add_item(shop, order, line, priced)
    stock.adjust_inventory(
        shop,
        line.product,
        -line.quantity,
        attributes_xml=item.attributes_xml or "",
        message=f"The stock quantity has been reduced by placing the order #{order.id}",
    )
    if line.product.is_gift_card:
        _issue_gift_cards(shop, item, line)


def add_item(shop: Shop, order: Order, line: LineRequest, priced: PricedLine) -> OrderItem:
    item = OrderItem(
        order_item_guid=shop.new_guid(),
        order_id=order.id,
        product_id=line.product.id,
        original_product_cost=line.product.product_cost,
        attribute_description=_attribute_description(line.combination),
        attributes_xml=line.combination.attributes_xml if line.combination else None,
        item_weight=line.product.weight,
        sku=line.sku,
        name=line.product.name or "",
        warehouse_id=stock.warehouse_for(shop, line.product, line.quantity),
    )
    write_line(item, line.quantity, priced)
    return shop.order_items.insert(item)


def _attribute_description(combination: ProductAttributeCombination | None) -> str | None:
    """HTML, as the shop keeps it: ``Size: L<br />Colour: Navy``."""
    if combination is None or not combination.attributes_xml:
        return None
    pairs = re.findall(r'Name="([^"]+)"><Value>([^<]+)', combination.attributes_xml)
    return "<br />".join(f"{name}: {value}" for name, value in pairs)


def _issue_gift_cards(shop: Shop, item: OrderItem, line: LineRequest) -> None:
    amount = line.product.overridden_gift_card_amount or line.price
    for _ in range(line.quantity):
        shop.gift_cards.insert(
            GiftCard(
                purchased_with_order_item_id=item.id,
                gift_card_type_id=line.product.gift_card_type_id,
                amount=amount,
                gift_card_coupon_code=new_coupon_code(shop),
                created_on_utc=shop.now(),
            )
        )


def new_coupon_code(shop: Shop) -> str:
    return f"GC-{shop.rng.getrandbits(40):010X}"


def _use_tenders(shop: Shop, request: OrderRequest, order: Order, totals: Totals) -> None:
    for card, used in zip(request.gift_cards, totals.gift_cards, strict=True):
        if used > 0:
            shop.gift_card_usage.insert(
                GiftCardUsageHistory(
                    gift_card_id=card.id, used_with_order_id=order.id, used_value=used, created_on_utc=shop.now()
                )
            )
    if totals.points_amount > 0:
        points = -int((totals.points_amount / point_value(shop)).to_integral_value())
        entry = customers.add_points(
            shop,
            request.customer.id,
            points,
            f"Redeemed for order #{order.custom_order_number}",
            used_amount=totals.points_amount,
            order_guid=order.order_guid,
        )
        order.redeemed_reward_points_entry_id = entry.id
