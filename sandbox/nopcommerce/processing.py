"""What may happen to a placed order, and what it does: payment, refunds, cancelling, deleting, status automation.

A rule that does not allow an action raises ``RuleBroken`` with the core's own text.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sandbox.nopcommerce import customers, stock
from sandbox.nopcommerce.enums import OrderStatus, PaymentStatus, ShippingStatus
from sandbox.nopcommerce.row import ZERO, stored
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Order, OrderItem, OrderNote


class RuleBroken(ValueError):
    """The shop refuses; the text is the core's."""


@dataclass(frozen=True)
class MethodSupport:
    """What a payment method can do online."""

    capture: bool = False
    refund: bool = False
    partial_refund: bool = False
    void: bool = False


ONLINE = {"Payments.PayPalCommerce": MethodSupport(True, True, True, True)}


def support_of(method: str | None) -> MethodSupport:
    return ONLINE.get(method or "", MethodSupport())


def items_of(shop: Shop, order_id: int) -> list[OrderItem]:
    return shop.order_items.by("order_id", order_id)


def add_note(shop: Shop, order: Order, text: str, *, to_customer: bool = False) -> OrderNote:
    return shop.order_notes.insert(
        OrderNote(order_id=order.id, note=text, display_to_customer=to_customer, created_on_utc=shop.now())
    )


def saved(shop: Shop, order: Order) -> None:
    shop.orders.save(order)
    shop.publish("orders/update", order)


# May it?


def can_cancel(order: Order) -> bool:
    return order.order_status_id != OrderStatus.Cancelled


def can_mark_authorized(order: Order) -> bool:
    return order.order_status_id != OrderStatus.Cancelled and order.payment_status_id == PaymentStatus.Pending


def can_mark_paid(order: Order) -> bool:
    closed = {PaymentStatus.Paid, PaymentStatus.Refunded, PaymentStatus.Voided}
    return order.order_status_id != OrderStatus.Cancelled and order.payment_status_id not in closed


def can_capture(order: Order) -> bool:
    open_order = order.order_status_id not in {OrderStatus.Cancelled, OrderStatus.Pending}
    authorized = order.payment_status_id == PaymentStatus.Authorized
    return open_order and authorized and support_of(order.payment_method_system_name).capture


def can_refund_offline(order: Order) -> bool:
    untouched = order.order_total != 0 and order.refunded_amount == 0
    return untouched and order.payment_status_id == PaymentStatus.Paid


def can_refund(order: Order) -> bool:
    return can_refund_offline(order) and support_of(order.payment_method_system_name).refund


def can_partially_refund_offline(order: Order, amount: Decimal) -> bool:
    paid = order.payment_status_id in {PaymentStatus.Paid, PaymentStatus.PartiallyRefunded}
    return order.order_total != 0 and paid and 0 < amount <= order.order_total - order.refunded_amount


def can_partially_refund(order: Order, amount: Decimal) -> bool:
    return can_partially_refund_offline(order, amount) and support_of(order.payment_method_system_name).partial_refund


def can_void_offline(order: Order) -> bool:
    return order.order_total != 0 and order.payment_status_id == PaymentStatus.Authorized


def can_void(order: Order) -> bool:
    return can_void_offline(order) and support_of(order.payment_method_system_name).void


# Do it


def mark_authorized(shop: Shop, order: Order) -> None:
    if not can_mark_authorized(order):
        raise RuleBroken("You can't mark this order as authorized")
    shop.orders.edit(order.id)
    order.payment_status_id = PaymentStatus.Authorized
    add_note(shop, order, "Order has been marked as authorized")
    saved(shop, order)
    check_status(shop, order)


def mark_paid(shop: Shop, order: Order, *, note: bool = True, at: datetime | None = None) -> None:
    """``at`` is for orders of the past."""
    if not can_mark_paid(order):
        raise RuleBroken("You can't mark this order as paid")
    _paid(shop, order, "Order has been marked as paid" if note else None, at or shop.now())


def capture(shop: Shop, order: Order) -> None:
    if not can_capture(order):
        raise RuleBroken("Cannot do capture for order.")
    order.capture_transaction_id = f"CAP-{order.id:06d}"
    _paid(shop, order, "Order has been captured", shop.now())


def _paid(shop: Shop, order: Order, note: str | None, at: datetime) -> None:
    shop.orders.edit(order.id)
    order.payment_status_id = PaymentStatus.Paid
    order.paid_date_utc = at
    if order.payment_method_system_name in ONLINE and not order.capture_transaction_id:
        order.capture_transaction_id = f"CAP-{order.id:06d}"
    if note:
        add_note(shop, order, note)
    saved(shop, order)
    check_status(shop, order)


def refund(shop: Shop, order: Order, *, online: bool) -> None:
    """The whole order total; only if nothing was refunded before."""
    if online and not can_refund(order):
        raise RuleBroken("Cannot do refund for order.")
    if not online and not can_refund_offline(order):
        raise RuleBroken("You can't refund this order")
    verb = "refunded" if online else "marked as refunded"
    _refunded(shop, order, order.order_total, f"Order has been {verb}")


def partially_refund(shop: Shop, order: Order, amount: Decimal, *, online: bool) -> None:
    """:raises RuleBroken: more than what is left, or the order is not paid."""
    amount = stored(amount)
    if online and not can_partially_refund(order, amount):
        raise RuleBroken("Cannot do partial refund for order.")
    if not online and not can_partially_refund_offline(order, amount):
        raise RuleBroken("You can't partially refund (offline) this order")
    verb = "partially refunded" if online else "marked as partially refunded"
    _refunded(shop, order, amount, f"Order has been {verb}")


def _refunded(shop: Shop, order: Order, amount: Decimal, note: str) -> None:
    """Stock and order status stay: a refund never puts stock back, and Complete is final."""
    shop.orders.edit(order.id)
    order.refunded_amount = stored(order.refunded_amount + amount)
    whole = order.refunded_amount == order.order_total
    order.payment_status_id = PaymentStatus.Refunded if whole else PaymentStatus.PartiallyRefunded
    add_note(shop, order, f"{note}. Amount = {amount:.2f}")
    saved(shop, order)
    check_status(shop, order)


def void(shop: Shop, order: Order, *, online: bool) -> None:
    if online and not can_void(order):
        raise RuleBroken("Cannot do void for order.")
    if not online and not can_void_offline(order):
        raise RuleBroken("You can't void this order")
    shop.orders.edit(order.id)
    order.payment_status_id = PaymentStatus.Voided
    add_note(shop, order, "Order has been voided" if online else "Order has been marked as voided")
    saved(shop, order)
    check_status(shop, order)


def cancel(shop: Shop, order: Order) -> None:
    """Stock and points come back; money does not."""
    if not can_cancel(order):
        raise RuleBroken("Cannot do cancel for order.")
    shop.orders.edit(order.id)
    set_status(shop, order, OrderStatus.Cancelled)
    add_note(shop, order, "Order has been cancelled")
    return_points(shop, order)
    return_stock(shop, order, f"The stock quantity has been increased by canceling the order #{order.id}")


def delete(shop: Shop, order: Order) -> None:
    """Soft. Gives back stock and points unless the order was cancelled before."""
    shop.orders.edit(order.id)
    if order.order_status_id != OrderStatus.Cancelled:
        return_points(shop, order)
        return_stock(shop, order, f"The stock quantity has been increased by deleting the order #{order.id}")
    add_note(shop, order, "Order has been deleted")
    flag_deleted(shop, order)


def flag_deleted(shop: Shop, order: Order) -> None:
    """What the core's plain delete does: the row is flagged, nothing else."""
    shop.orders.edit(order.id)
    order.deleted = True
    shop.publish("orders/delete", order)


def return_stock(shop: Shop, order: Order, message: str) -> None:
    for item in items_of(shop, order.id):
        product = shop.products.get(item.product_id)
        if product is not None:
            stock.adjust_inventory(
                shop, product, item.quantity, attributes_xml=item.attributes_xml or "", message=message
            )


def return_points(shop: Shop, order: Order) -> None:
    entry = shop.points.get(order.redeemed_reward_points_entry_id or 0)
    if entry is not None and entry.points < 0:
        text = f"Reward points returned for order #{order.custom_order_number}"
        customers.add_points(shop, order.customer_id, -entry.points, text)


# Status automation


def check_status(shop: Shop, order: Order) -> None:
    """The automation after each change; Complete and Cancelled are final for it."""
    if order.payment_status_id == PaymentStatus.Paid and order.paid_date_utc is None:
        order.paid_date_utc = shop.now()
        saved(shop, order)
    if order.order_status_id == OrderStatus.Pending and _has_begun(order):
        set_status(shop, order, OrderStatus.Processing)
    final = order.order_status_id in {OrderStatus.Cancelled, OrderStatus.Complete}
    if not final and order.payment_status_id == PaymentStatus.Paid and _has_arrived(shop, order):
        set_status(shop, order, OrderStatus.Complete)


def set_status(shop: Shop, order: Order, status: OrderStatus) -> None:
    if order.order_status_id == status:
        return
    order.order_status_id = status
    add_note(shop, order, f"Order status has been changed to {status.name}")
    if status in {OrderStatus.Complete, OrderStatus.Cancelled}:
        _activate_gift_cards(shop, order, active=status == OrderStatus.Complete)
    saved(shop, order)


def _has_begun(order: Order) -> bool:
    moving = {ShippingStatus.PartiallyShipped, ShippingStatus.Shipped, ShippingStatus.Delivered}
    paying = {PaymentStatus.Paid, PaymentStatus.Authorized}
    return order.payment_status_id in paying or order.shipping_status_id in moving


def _has_arrived(shop: Shop, order: Order) -> bool:
    done = {ShippingStatus.ShippingNotRequired, ShippingStatus.Delivered}
    if not shop.settings["complete_when_delivered"]:
        done.add(ShippingStatus.Shipped)
    return order.shipping_status_id in done


def _activate_gift_cards(shop: Shop, order: Order, *, active: bool) -> None:
    for item in items_of(shop, order.id):
        for card in shop.gift_cards.by("purchased_with_order_item_id", item.id):
            card.is_gift_card_activated = active


def gift_card_spent(shop: Shop, order: Order) -> Decimal:
    return sum((usage.used_value for usage in shop.gift_card_usage.by("used_with_order_id", order.id)), ZERO)
