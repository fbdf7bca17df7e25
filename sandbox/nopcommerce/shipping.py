"""Shipments: what is packed, sent, delivered, and what that does to stock and order."""

from collections.abc import Sequence

from sandbox.nopcommerce import stock
from sandbox.nopcommerce.enums import ShippingStatus
from sandbox.nopcommerce.processing import RuleBroken, add_note, check_status, items_of, saved
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Order, OrderItem, Shipment, ShipmentItem


def lines_of(shop: Shop, shipment: Shipment) -> list[ShipmentItem]:
    return shop.shipment_items.by("shipment_id", shipment.id)


def shipments_of(shop: Shop, order_id: int) -> list[Shipment]:
    return shop.shipments.by("order_id", order_id)


def packed_quantity(shop: Shop, item: OrderItem) -> int:
    return sum(line.quantity for line in shop.shipment_items.by("order_item_id", item.id))


def left_to_pack(shop: Shop, item: OrderItem) -> int:
    product = shop.products.get(item.product_id)
    if product is not None and not product.is_ship_enabled:
        return 0
    return max(item.quantity - packed_quantity(shop, item), 0)


def has_items_to_pack(shop: Shop, order: Order) -> bool:
    return any(left_to_pack(shop, item) for item in items_of(shop, order.id))


def has_items_to_ship(shop: Shop, order: Order) -> bool:
    return any(s.shipped_date_utc is None and lines_of(shop, s) for s in shipments_of(shop, order.id))


def has_items_to_deliver(shop: Shop, order: Order) -> bool:
    return any(s.shipped_date_utc and s.delivery_date_utc is None for s in shipments_of(shop, order.id))


def pack(shop: Shop, order: Order, *, tracking: str | None = None, parts: Sequence[tuple[int, int]] = ()) -> Shipment:
    """A shipment of (order item id, quantity) ``parts``, or of everything left.

    :raises RuleBroken: nothing left to pack.
    """
    wanted = dict(parts) or {item.id: left_to_pack(shop, item) for item in items_of(shop, order.id)}
    wanted = {item_id: quantity for item_id, quantity in wanted.items() if quantity > 0}
    if not wanted:
        raise RuleBroken("No products can be added to this shipment")
    shipment = shop.shipments.insert(Shipment(order_id=order.id, tracking_number=tracking, created_on_utc=shop.now()))
    for item_id, quantity in wanted.items():
        item = shop.order_items.rows[item_id]
        shop.shipment_items.insert(
            ShipmentItem(
                shipment_id=shipment.id,
                order_item_id=item.id,
                quantity=quantity,
                warehouse_id=item.warehouse_id,
            )
        )
    add_note(shop, order, f"A shipment# {shipment.id} has been added")
    return shipment


def ship(shop: Shop, shipment: Shipment) -> None:
    """:raises RuleBroken: already shipped."""
    order = shop.orders.rows[shipment.order_id]
    if shipment.shipped_date_utc is not None:
        raise RuleBroken("This shipment is already shipped")
    shop.shipments.edit(shipment.id)
    shipment.shipped_date_utc = shop.now()
    for line in lines_of(shop, shipment):
        _book(shop, order, line)
    more = has_items_to_pack(shop, order) or has_items_to_ship(shop, order)
    _set(shop, order, ShippingStatus.PartiallyShipped if more else ShippingStatus.Shipped)
    add_note(shop, order, f"Shipment# {shipment.id} has been sent")
    saved(shop, order)
    check_status(shop, order)


def deliver(shop: Shop, shipment: Shipment) -> None:
    """:raises RuleBroken: not shipped yet, or already delivered."""
    order = shop.orders.rows[shipment.order_id]
    if shipment.shipped_date_utc is None:
        raise RuleBroken("This shipment is not shipped yet")
    if shipment.delivery_date_utc is not None:
        raise RuleBroken("This shipment is already delivered")
    shop.shipments.edit(shipment.id)
    shipment.delivery_date_utc = shop.now()
    checks = (has_items_to_pack, has_items_to_ship, has_items_to_deliver)
    if not any(check(shop, order) for check in checks):
        _set(shop, order, ShippingStatus.Delivered)
    add_note(shop, order, f"Shipment# {shipment.id} has been delivered")
    saved(shop, order)
    check_status(shop, order)


def _set(shop: Shop, order: Order, status: ShippingStatus) -> None:
    shop.orders.edit(order.id)
    order.shipping_status_id = status


def _book(shop: Shop, order: Order, line: ShipmentItem) -> None:
    item = shop.order_items.get(line.order_item_id)
    product = shop.products.get(item.product_id) if item else None
    if product is not None:
        text = f"The stock quantity has been decreased by shipping the order #{order.id}"
        stock.book_reserved(shop, product, line.warehouse_id, line.quantity, text)
