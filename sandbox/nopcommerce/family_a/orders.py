"""Order, OrderItem, OrderNote, OrderProcessing and Payment of the official plug-in."""

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.nopcommerce import processing, shipping
from sandbox.nopcommerce.family_a.call import NOTHING, Call, Handler, dtos, found
from sandbox.nopcommerce.pricing import parse_tax_rates
from sandbox.nopcommerce.row import ZERO, dto
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Order


def routes() -> Iterator[tuple[str, str, Handler]]:
    yield from _order_routes()
    yield from _item_and_note_routes()
    yield from _processing_routes()


def _order_routes() -> Iterator[tuple[str, str, Handler]]:
    yield "GET", "Order/GetByCustomOrderNumber", _by_number
    yield "GET", "Order/GetByOrderItem/{orderItemId}", _by_item
    yield "GET", "Order/GetByIds/{ids}", _by_ids
    yield "GET", "Order/GetByGuid", _by_guid
    yield "DELETE", "Order/Delete/{id}", _flag_deleted
    yield "GET", "Order/Search", search
    yield "GET", "Order/ParseTaxRates/{orderId}", _parse_tax_rates
    yield "GET", "Order/HasItemsToAddToShipment/{orderId}", _question(shipping.has_items_to_pack)
    yield "GET", "Order/HasItemsToShip/{orderId}", _question(shipping.has_items_to_ship)
    yield "GET", "Order/HasItemsToDeliver/{orderId}", _question(shipping.has_items_to_deliver)


def _item_and_note_routes() -> Iterator[tuple[str, str, Handler]]:
    yield "GET", "OrderItem/GetOrderItems/{orderId}", _items
    yield "GET", "OrderItem/GetProductByOrderItemId/{id}", _product_of_item
    yield "GET", "OrderItem/GetByGuid", _item_by_guid
    yield "GET", "OrderItem/GetOrderItemsByCustomer/{customerId}", _items_of_customer
    yield "GET", "OrderItem/GetTotalNumberOfItemsInAllShipments/{orderItemId}", _packed
    yield "GET", "OrderItem/GetTotalNumberOfItemsCanBeAddedToShipment/{orderItemId}", _left_to_pack
    yield "GET", "OrderNote/GetOrderNotesByOrderId/{orderId}", _notes
    yield "GET", "OrderNote/FormatOrderNoteText/{id}", _note_text


def _processing_routes() -> Iterator[tuple[str, str, Handler]]:
    questions: dict[str, Callable[[Order], bool]] = {
        "CanCancelOrder": processing.can_cancel,
        "CanMarkOrderAsAuthorized": processing.can_mark_authorized,
        "CanCapture": processing.can_capture,
        "CanMarkOrderAsPaid": processing.can_mark_paid,
        "CanRefund": processing.can_refund,
        "CanRefundOffline": processing.can_refund_offline,
        "CanVoid": processing.can_void,
        "CanVoidOffline": processing.can_void_offline,
    }
    for name, rule in questions.items():
        yield "GET", f"OrderProcessing/{name}/{{orderId}}", _own_question(rule)
    yield "GET", "OrderProcessing/CanPartiallyRefund/{orderId}", _can_partially_refund(online=True)
    yield "GET", "OrderProcessing/CanPartiallyRefundOffline/{orderId}", _can_partially_refund(online=False)
    yield "GET", "OrderProcessing/CheckOrderStatus/{orderId}", _action(processing.check_status)
    yield "DELETE", "OrderProcessing/DeleteOrder/{orderId}", _action(processing.delete)
    # State changes by GET: the plug-in's own way, and a trap for everything that retries or prefetches.
    yield "GET", "OrderProcessing/CancelOrder/{orderId}", _action(processing.cancel)
    yield "GET", "OrderProcessing/MarkAsAuthorized/{orderId}", _action(processing.mark_authorized)
    yield "GET", "OrderProcessing/MarkOrderAsPaid/{orderId}", _action(processing.mark_paid)
    yield "GET", "OrderProcessing/Capture/{orderId}", _online(processing.capture)
    yield "GET", "OrderProcessing/Refund/{orderId}", _online(lambda s, o: processing.refund(s, o, online=True))
    yield "GET", "OrderProcessing/RefundOffline/{orderId}", _action(lambda s, o: processing.refund(s, o, online=False))
    yield "GET", "OrderProcessing/PartiallyRefund/{orderId}", _partial_refund(online=True)
    yield "GET", "OrderProcessing/PartiallyRefundOffline/{orderId}", _partial_refund(online=False)
    yield "GET", "OrderProcessing/Void/{orderId}", _online(lambda s, o: processing.void(s, o, online=True))
    yield "GET", "OrderProcessing/VoidOffline/{orderId}", _action(lambda s, o: processing.void(s, o, online=False))
    yield "GET", "OrderProcessing/Ship/{shipmentId}", _ship
    yield "GET", "OrderProcessing/Deliver/{shipmentId}", _deliver
    yield "POST", "OrderProcessing/PlaceOrder", _place_order
    for name, ability in (
        ("SupportCapture", "capture"),
        ("SupportPartiallyRefund", "partial_refund"),
        ("SupportRefund", "refund"),
        ("SupportVoid", "void"),
    ):
        yield "GET", f"Payment/{name}", _support(ability)


# Orders


async def _by_number(call: Call) -> Any:
    wanted = call.text("customOrderNumber")
    return found(next((o for o in call.shop.orders.read_all() if o.custom_order_number == wanted), None), "Order")


async def _by_item(call: Call) -> Any:
    return call.shop.orders.rows[call.row(call.shop.order_items, "orderItemId").order_id]


async def _by_ids(call: Call) -> Any:
    rows = (call.shop.orders.read(number) for number in call.path_ids("ids"))
    return dtos(row for row in rows if row is not None and not row.deleted)


async def _by_guid(call: Call) -> Any:
    wanted = (call.text("guid") or "").lower()
    return found(next((o for o in call.shop.orders.read_all() if o.order_guid == wanted), None), "Order")


async def _flag_deleted(call: Call) -> Any:
    processing.flag_deleted(call.shop, call.row(call.shop.orders))
    return NOTHING


async def search(call: Call) -> Any:
    """Both dates inclusive, newest first, deleted left out: a new order shifts every later page."""
    kept = [order for order in call.shop.orders.read_all() if not order.deleted and _matches(call, order)]
    kept.sort(key=lambda order: (order.created_on_utc, order.id), reverse=True)
    return call.paged(kept)


def _matches(call: Call, order: Order) -> bool:
    start, end = call.moment("createdFromUtc"), call.moment("createdToUtc")
    if (start and order.created_on_utc < start) or (end and order.created_on_utc > end):
        return False
    exact = {"storeId": order.store_id, "customerId": order.customer_id}
    if any(call.number(name) not in (0, value) for name, value in exact.items()):
        return False
    lists = {"osIds": order.order_status_id, "psIds": order.payment_status_id, "ssIds": order.shipping_status_id}
    if any((ids := call.query_ids(name)) and value not in ids for name, value in lists.items()):
        return False
    method = call.text("paymentMethodSystemName")
    if method and order.payment_method_system_name != method:
        return False
    return _matches_billing(call, order) and _matches_parts(call, order)


def _matches_billing(call: Call, order: Order) -> bool:
    wanted = {
        name: text.lower() for name in ("billingEmail", "billingPhone", "billingLastName") if (text := call.text(name))
    }
    country = call.number("billingCountryId")
    if not wanted and not country:
        return True
    address = call.shop.addresses.get(order.billing_address_id)
    if address is None or (country and address.country_id != country):
        return False
    values = {
        "billingEmail": address.email,
        "billingPhone": address.phone_number,
        "billingLastName": address.last_name,
    }
    return all(text in (values[name] or "").lower() for name, text in wanted.items())


def _matches_parts(call: Call, order: Order) -> bool:
    product, warehouse, note = call.number("productId"), call.number("warehouseId"), call.text("orderNotes")
    items = processing.items_of(call.shop, order.id) if product or warehouse else []
    if product and all(item.product_id != product for item in items):
        return False
    if warehouse and all(item.warehouse_id != warehouse for item in items):
        return False
    notes = call.shop.order_notes.by("order_id", order.id) if note else []
    return not note or any(note.lower() in (row.note or "").lower() for row in notes)


async def _parse_tax_rates(call: Call) -> Any:
    """Of the text given, or of the order's own."""
    order = call.row(call.shop.orders, "orderId")
    rates = parse_tax_rates(call.text("taxRates") or order.tax_rates)
    return {format(rate.normalize(), "f"): float(tax) for rate, tax in rates.items()}


# Lines and notes


async def _items(call: Call) -> Any:
    rows, shippable = (
        call.shop.order_items.readable_by("order_id", call.id("orderId")),
        call.flag("isShipEnabled", None),
    )
    if shippable is not None:
        products = call.shop.products.rows
        rows = [
            row for row in rows if row.product_id in products and products[row.product_id].is_ship_enabled is shippable
        ]
    return dtos(rows)


async def _product_of_item(call: Call) -> Any:
    """A deleted product is still found: the row stays."""
    return found(call.shop.products.read(call.row(call.shop.order_items).product_id), "Product")


async def _item_by_guid(call: Call) -> Any:
    wanted = (call.text("guid") or "").lower()
    return found(next((i for i in call.shop.order_items.read_all() if i.order_item_guid == wanted), None), "OrderItem")


async def _items_of_customer(call: Call) -> Any:
    orders = call.shop.orders.readable_by("customer_id", call.id("customerId"))
    return dtos(item for order in orders for item in processing.items_of(call.shop, order.id))


async def _packed(call: Call) -> Any:
    return shipping.packed_quantity(call.shop, call.row(call.shop.order_items, "orderItemId"))


async def _left_to_pack(call: Call) -> Any:
    return shipping.left_to_pack(call.shop, call.row(call.shop.order_items, "orderItemId"))


async def _notes(call: Call) -> Any:
    shown, rows = (
        call.flag("displayToCustomer", None),
        call.shop.order_notes.readable_by("order_id", call.id("orderId")),
    )
    return dtos(note for note in rows if shown is None or note.display_to_customer is shown)


async def _note_text(call: Call) -> Any:
    return (call.row(call.shop.order_notes).note or "").replace("\n", "<br />")


# Processing


def _question(rule: Callable[[Shop, Order], bool]) -> Handler:
    async def ask(call: Call) -> Any:
        return rule(call.shop, call.row(call.shop.orders, "orderId"))

    return ask


def _own_question(rule: Callable[[Order], bool]) -> Handler:
    return _question(lambda shop, order: rule(order))


def _action(act: Callable[[Shop, Order], None]) -> Handler:
    async def do(call: Call) -> Any:
        act(call.shop, call.row(call.shop.orders, "orderId"))
        return NOTHING

    return do


def _online(act: Callable[[Shop, Order], None]) -> Handler:
    """Online operations answer with a list of error texts from the gateway, empty when all went well."""

    async def do(call: Call) -> Any:
        act(call.shop, call.row(call.shop.orders, "orderId"))
        return []

    return do


def _can_partially_refund(*, online: bool) -> Handler:
    rule = processing.can_partially_refund if online else processing.can_partially_refund_offline

    async def ask(call: Call) -> Any:
        return rule(call.row(call.shop.orders, "orderId"), call.amount("amountToRefund"))

    return ask


def _partial_refund(*, online: bool) -> Handler:
    async def do(call: Call) -> Any:
        order = call.row(call.shop.orders, "orderId")
        processing.partially_refund(call.shop, order, call.amount("amountToRefund"), online=online)
        return [] if online else True

    return do


async def _ship(call: Call) -> Any:
    shipping.ship(call.shop, call.row(call.shop.shipments, "shipmentId"))
    return NOTHING


async def _deliver(call: Call) -> Any:
    shipping.deliver(call.shop, call.row(call.shop.shipments, "shipmentId"))
    return NOTHING


async def _place_order(call: Call) -> Any:
    """The core orders what lies in the customer's cart; this shop's carts are empty between checkouts."""
    body = await call.body()
    customer = call.shop.customers.get(body.get("customer_id", 0) if isinstance(body, dict) else 0)
    error = "Cart is empty" if customer else "Customer is not set"
    return {"success": False, "errors": [error], "placed_order": dto(Order(order_total=ZERO))}


def _support(ability: str) -> Handler:
    async def ask(call: Call) -> Any:
        return getattr(processing.support_of(call.text("paymentMethodSystemName")), ability)

    return ask
