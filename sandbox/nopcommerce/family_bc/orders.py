"""Orders of the resource plug-ins."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from sandbox.nopcommerce import customers, processing
from sandbox.nopcommerce.enums import OrderStatus, PaymentStatus, ShippingStatus, value_of
from sandbox.nopcommerce.family_bc.call import Call, Crashed, Handler, Refused
from sandbox.nopcommerce.family_bc.writes import set_address, set_members
from sandbox.nopcommerce.placing import LineRequest, OrderRequest, place_order
from sandbox.nopcommerce.processing import RuleBroken
from sandbox.nopcommerce.row import BadBody
from sandbox.nopcommerce.tables import Address, Customer, Order

_STATUSES = (
    ("order_status", "order_status_id", OrderStatus),
    ("payment_status", "payment_status_id", PaymentStatus),
    ("shipping_status", "shipping_status_id", ShippingStatus),
)
_WRITABLE = (
    "payment_method_system_name",
    "customer_currency_code",
    "currency_rate",
    "vat_number",
    "order_subtotal_incl_tax",
    "order_subtotal_excl_tax",
    "order_sub_total_discount_incl_tax",
    "order_sub_total_discount_excl_tax",
    "order_shipping_incl_tax",
    "order_shipping_excl_tax",
    "payment_method_additional_fee_incl_tax",
    "payment_method_additional_fee_excl_tax",
    "tax_rates",
    "order_tax",
    "order_discount",
    "order_total",
    "refunded_amount",
    "checkout_attribute_description",
    "authorization_transaction_id",
    "capture_transaction_id",
    "paid_date_utc",
    "custom_values_xml",
)


def routes() -> Iterator[tuple[str, str, Handler, str]]:
    """(method, path, handler, families)."""
    yield "GET", "/api/orders", _list, "BC"
    yield "GET", "/api/orders/count", _count, "BC"
    yield "GET", "/api/orders/customer/{customer_id}", _of_customer, "BC"
    yield "GET", "/api/orders/{id}", _one, "BC"
    yield "POST", "/api/orders", _create, "BC"
    yield "PUT", "/api/orders/{id}", _update, "BC"
    yield "DELETE", "/api/orders/{id}", _delete, "BC"
    yield "GET", "/api/orders/{id}/items", _items, "BC"
    yield "GET", "/api/orders/{id}/items/{item_id}", _item, "BC"
    yield "GET", "/api/orders/{id}/pdf-invoice", _pdf, "C"


def _matching(call: Call) -> list[Order]:
    query = call.request.query
    wanted = {}
    for name, member, kind in (("status", "order_status_id", OrderStatus), *_STATUSES[1:]):
        text = query.get(name)
        # An unknown name is ignored, as an enum that does not parse stays unset.
        if text and (value := value_of(kind, text)) is not None:
            wanted[member] = value
    if query.get("customer_id", "").isdigit():
        wanted["customer_id"] = int(query["customer_id"])
    return [
        order
        for order in call.shop.orders.read_all()
        if not order.deleted
        and order.store_id == call.shop.store.id
        and call.between(order.created_on_utc, "created_at")
        and all(getattr(order, member) == value for member, value in wanted.items())
    ]


async def _list(call: Call) -> web.StreamResponse:
    page = call.page(call.wanted_ids(_matching(call)))
    return call.wrapped("orders", [call.view.order(order) for order in page])


async def _count(call: Call) -> web.StreamResponse:
    return web.json_response({"count": len(_matching(call))})


async def _of_customer(call: Call) -> web.StreamResponse:
    customer = call.row(call.shop.customers, "customer", "customer_id")
    orders = (o for o in call.shop.orders.readable_by("customer_id", customer.id) if not o.deleted)
    return call.wrapped("orders", [call.view.order(order) for order in orders])


async def _one(call: Call) -> web.StreamResponse:
    return call.wrapped("orders", [call.view.order(call.row(call.shop.orders, "order"))])


async def _items(call: Call) -> web.StreamResponse:
    order = call.row(call.shop.orders, "order")
    rows = call.page(processing.items_of(call.shop, order.id))
    return call.wrapped("order_items", [call.view.item(item) for item in rows])


async def _item(call: Call) -> web.StreamResponse:
    order, item = call.row(call.shop.orders, "order"), call.row(call.shop.order_items, "order_item", "item_id")
    if item.order_id != order.id:
        raise Refused(404, "order_item", "not found")
    return call.wrapped("order_items", [call.view.item(item)])


async def _pdf(call: Call) -> web.StreamResponse:
    order = call.row(call.shop.orders, "order")
    text = f"BT /F1 18 Tf 72 760 Td (Order {order.id}: {order.order_total:.2f}) Tj ET"
    parts = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body = "%PDF-1.4\n" + "".join(f"{n} 0 obj\n{part}\nendobj\n" for n, part in enumerate(parts, start=1))
    body += "trailer << /Root 1 0 R >>\n%%EOF\n"
    return web.Response(body=body.encode("latin-1"), content_type="application/pdf")


# Writes


async def _update(call: Call) -> web.StreamResponse:
    """Writes columns; the shop's processing logic (stock, notes, automation) does not run."""
    order, body = call.row(call.shop.orders, "order"), await call.body("order")
    if call.caller.family == "C" and not (body.get("billing_address") and body.get("shipping_address")):
        raise Crashed("Object reference not set to an instance of an object.")
    statuses = _statuses(body)
    order = call.shop.orders.edit(order.id)
    try:
        set_members(order, body, _WRITABLE)
    except BadBody as error:
        raise Refused(422, "order", str(error)) from error
    for member, value in statuses.items():
        setattr(order, member, value)
    # Omitted means null: a known trap of this plug-in.
    order.shipping_method = body.get("shipping_method")
    _set_order_addresses(call, order, body)
    processing.saved(call.shop, order)
    return call.wrapped("orders", [call.view.order(order)])


def _statuses(body: dict[str, Any]) -> dict[str, int]:
    """:raises Refused: 422 for a name the shop does not know."""
    values = {}
    for name, member, kind in _STATUSES:
        if body.get(name) is not None:
            value = value_of(kind, str(body[name]))
            if value is None:
                raise Refused(422, name, f"Invalid {name}")
            values[member] = value
    return values


def _set_order_addresses(call: Call, order: Order, body: dict[str, Any]) -> None:
    shop = call.shop
    for name in ("billing_address", "shipping_address"):
        given = body.get(name)
        if not isinstance(given, dict):
            continue
        targets = [getattr(order, f"{name}_id")]
        if call.caller.family == "C":
            # The fork writes the customer's own address too.
            customer = shop.customers.get(order.customer_id)
            targets.append(getattr(customer, f"{name}_id") if customer else None)
        for address in (shop.addresses.get(number or 0) for number in targets):
            if address is not None:
                set_address(shop, address, given)


async def _create(call: Call) -> web.StreamResponse:
    body = await call.body("order")
    customer = call.shop.customers.get(body.get("customer_id") or 0)
    if customer is None:
        raise Refused(404, "customer", "not found")
    items = body.get("order_items")
    if not isinstance(items, list) or not items:
        raise Refused(422, "order_items", "order_items are required")
    request = OrderRequest(
        customer=customer,
        billing=_address(call, customer, body, "billing_address"),
        shipping=_address(call, customer, body, "shipping_address"),
        lines=[_line(call, item) for item in items],
        payment_method=body.get("payment_method_system_name"),
        paid=str(body.get("payment_status", "")).lower() == "paid",
        shipping_method=body.get("shipping_method"),
    )
    try:
        order = place_order(call.shop, request)
    except RuleBroken as error:
        raise Refused(400, "order placement", str(error)) from error
    return call.wrapped("orders", [call.view.order(order)])


def _address(call: Call, customer: Customer, body: dict[str, Any], name: str) -> Address | None:
    given = body.get(name)
    if isinstance(given, dict):
        return customers.new_address(call.shop, given)
    return call.shop.addresses.get(getattr(customer, f"{name}_id") or 0)


def _line(call: Call, item: Any) -> LineRequest:
    product = call.shop.products.get(item.get("product_id") or 0) if isinstance(item, dict) else None
    if product is None:
        raise Refused(404, "product", "not found")
    quantity = item.get("quantity")
    if not isinstance(quantity, int) or quantity < 1:
        raise Refused(422, "quantity", "quantity must be greater than 0")
    return LineRequest(product, quantity)


async def _delete(call: Call) -> web.StreamResponse:
    processing.delete(call.shop, call.row(call.shop.orders, "order"))
    return web.json_response({})
