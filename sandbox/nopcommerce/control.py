"""Control endpoints of the shop: for drivers and tests, local only, no credentials.

``POST /control/orders`` places an order through the shop's own processing and answers with its whole state. The body:
``lines`` [{sku or product_id, quantity, unit_price?, discount? (per unit)}]; ``customer`` {id} or {email, first_name,
last_name, company, phone, vat_number, guest, address {address1, city, zip_postal_code, country "GB" or country_id}},
found by e-mail or registered; ``shipping`` {method, price}; ``shipping_address``; ``pickup_in_store``;
``payment_method``; ``paid``; ``payment_fee`` (may be negative); ``subtotal_discount``; ``order_discount``;
``gift_cards`` [{code, amount}] (an unknown code makes a card worth ``amount``); ``reward_points``;
``display_currency``; ``created_at``; ``order_guid``; ``checkout_attributes``; ``notes``. Prices and discounts of lines
are in the shop's price mode; shipping and fee in theirs (settings ``shipping_includes_tax``, ``fee_includes_tax``).

``POST /control/orders/{id}/<action>``: pay, authorize, cancel, refund {amount?}, edit {lines}, ship {lines?,
tracking_number?}, deliver, delete. What the shop's rules refuse is a 400 with the core's text in ``error``.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.common.control import control, json_body
from sandbox.nopcommerce import customers, editing, processing, shipping, specs, stock
from sandbox.nopcommerce.enums import ManageInventory
from sandbox.nopcommerce.family_bc.writes import set_members
from sandbox.nopcommerce.placing import place_order, tax_rate_of
from sandbox.nopcommerce.plugins import ApiClient
from sandbox.nopcommerce.pricing import with_tax
from sandbox.nopcommerce.random_orders import random_order
from sandbox.nopcommerce.row import dto, members, shown_members
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Customer, Order, Product
from sandbox.nopcommerce.truth import order_state

if TYPE_CHECKING:
    from sandbox.nopcommerce.standin import NopCommerce

OrderAction = Callable[[Shop, Order, dict[str, Any]], None]


class Control:
    def __init__(self, standin: "NopCommerce") -> None:
        self.standin = standin

    @property
    def shop(self) -> Shop:
        return self.standin.shop

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.post("/control/orders", control(self._place)),
            web.post("/control/orders/random", control(self._place_random)),
            web.get("/control/orders", control(self._orders_since)),
            web.get("/control/orders/{id}", control(self._order_state)),
            *(web.post(f"/control/orders/{{id}}/{name}", control(self._acting(act))) for name, act in ACTIONS.items()),
            web.post("/control/customers", control(self._register)),
            web.patch("/control/customers/{id}", control(self._patch_customer)),
            web.delete("/control/customers/{id}", control(self._delete_customer)),
            web.post("/control/products", control(self._new_product)),
            web.patch("/control/products/{id}", control(self._patch_product)),
            web.get("/control/catalogue", control(self._catalogue)),
            web.get("/control/webhooks", control(self._webhooks)),
            web.put("/control/api-clients", control(self._clients)),
        ]

    # Orders

    async def _place(self, request: web.Request) -> Any:
        return self._placed(await json_body(request))

    async def _place_random(self, request: web.Request) -> Any:
        return self._placed(random_order(self.shop) | (await json_body(request) or {}))

    def _placed(self, spec: Any) -> dict[str, Any]:
        order = place_order(self.shop, specs.order_request(self.shop, spec))
        return order_state(self.shop, order)

    async def _orders_since(self, request: web.Request) -> Any:
        """Orders after ``?since_id=``, ascending: cheaper than the whole state in a large shop."""
        since = int(request.query.get("since_id", "0"))
        return [order_state(self.shop, order) for order in self.shop.orders.all() if order.id > since]

    async def _order_state(self, request: web.Request) -> Any:
        return order_state(self.shop, self._order(request))

    def _acting(self, act: OrderAction) -> Callable[[web.Request], Awaitable[Any]]:
        async def do(request: web.Request) -> Any:
            order, body = self._order(request), await json_body(request) or {}
            act(self.shop, order, body)
            return order_state(self.shop, order)

        return do

    def _order(self, request: web.Request) -> Order:
        return found(self.shop.orders.get(number_of(request)), "order")

    # Customers

    async def _register(self, request: web.Request) -> Any:
        return shown_customer(self.shop, specs.register(self.shop, await json_body(request) or {}))

    async def _patch_customer(self, request: web.Request) -> Any:
        """Any column, ``reward_points`` to add, ``address`` to change the billing address."""
        customer = found(self.shop.customers.get(number_of(request)), "customer")
        changes = await json_body(request) or {}
        points, address = changes.pop("reward_points", 0), changes.pop("address", {})
        if unknown := set(changes) - set(members(Customer)):
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        self.shop.customers.edit(customer.id)
        for name, value in changes.items():
            setattr(customer, name, value)
        billing = self.shop.addresses.get(customer.billing_address_id or 0)
        if billing is not None:
            set_members(billing, address, [name for name in shown_members(type(billing)) if name != "id"])
        if points:
            customers.add_points(self.shop, customer.id, int(points), "Granted")
        customers.updated(self.shop, customer)
        return shown_customer(self.shop, customer)

    async def _delete_customer(self, request: web.Request) -> Any:
        customer = found(self.shop.customers.get(number_of(request)), "customer")
        customers.delete(self.shop, customer)
        return shown_customer(self.shop, customer)

    # Products

    async def _new_product(self, request: web.Request) -> Any:
        now = self.shop.now()
        product = Product(
            created_on_utc=now, updated_on_utc=now, manage_inventory_method_id=ManageInventory.ManageStock
        )
        set_members(product, await json_body(request) or {}, shown_members(Product))
        self.shop.products.insert(product)
        self.shop.publish("products/create", product)
        return dto(product)

    async def _patch_product(self, request: web.Request) -> Any:
        """As the admin screens do it: ``updated_on_utc`` is set."""
        product, changes = found(self.shop.products.get(number_of(request)), "product"), await json_body(request) or {}
        if unknown := set(changes) - set(shown_members(Product)):
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        self.shop.products.edit(product.id)
        before = product.stock_quantity
        set_members(product, changes, changes)
        product.updated_on_utc = self.shop.now()
        if product.stock_quantity != before:
            change, quantity = product.stock_quantity - before, product.stock_quantity
            text = "The stock quantity has been edited"
            stock.write_history(self.shop, product.id, change=change, quantity=quantity, message=text)
        self.shop.products.save(product)
        self.shop.publish("products/update", product)
        return dto(product)

    async def _catalogue(self, request: web.Request) -> Any:
        return catalogue(self.shop)

    # Plug-ins

    async def _webhooks(self, request: web.Request) -> Any:
        return self.standin.sender.deliveries()

    async def _clients(self, request: web.Request) -> Any:
        """Replace the API clients of family B: list of {client_id, client_secret, callback_url, active}."""
        given = await json_body(request)
        if not isinstance(given, list):
            raise ValueError("the body is a list of clients")
        try:
            clients = [ApiClient(**client) for client in given]
        except TypeError as error:
            raise ValueError(str(error)) from error
        self.standin.plugins.clients = {client.client_id: client for client in clients}
        return clients


def _refund(shop: Shop, order: Order, body: dict[str, Any]) -> None:
    """All of it, or ``amount``."""
    if body.get("amount") is None:
        processing.refund(shop, order, online=False)
    else:
        processing.partially_refund(shop, order, specs.amount(body["amount"], "amount"), online=False)


def _ship(shop: Shop, order: Order, body: dict[str, Any]) -> None:
    """Everything left in one shipment, or ``lines`` as [{order_item_id, quantity}]."""
    parts = [(part["order_item_id"], part["quantity"]) for part in body.get("lines") or []]
    shipping.ship(shop, shipping.pack(shop, order, tracking=body.get("tracking_number"), parts=parts))


def _deliver(shop: Shop, order: Order, body: dict[str, Any]) -> None:
    for shipment in shipping.shipments_of(shop, order.id):
        if shipment.shipped_date_utc and shipment.delivery_date_utc is None:
            shipping.deliver(shop, shipment)


ACTIONS: dict[str, OrderAction] = {
    "pay": lambda shop, order, body: processing.mark_paid(shop, order),
    "authorize": lambda shop, order, body: processing.mark_authorized(shop, order),
    "cancel": lambda shop, order, body: processing.cancel(shop, order),
    "refund": _refund,
    "edit": lambda shop, order, body: editing.edit_lines(shop, order, specs.lines_of(shop, body.get("lines"))),
    "ship": _ship,
    "deliver": _deliver,
    "delete": lambda shop, order, body: processing.delete(shop, order),
}


def number_of(request: web.Request) -> int:
    text = request.match_info["id"]
    return int(text) if text.isdigit() else 0


def found(row: Any, noun: str) -> Any:
    """:raises ValueError: there is none, which a control endpoint answers with 400."""
    if row is None:
        raise ValueError(f"no such {noun}")
    return row


def shown_customer(shop: Shop, customer: Customer) -> dict[str, Any]:
    return {name: getattr(customer, name) for name in members(Customer) if name != "password"} | {
        "is_guest": customers.is_guest(shop, customer),
        "points_balance": customers.points_balance(shop, customer.id),
    }


def catalogue(shop: Shop) -> list[dict[str, Any]]:
    """What can be sold, one entry per SKU: code, name, price (net, 2 places), vat_rate, stock, managed."""
    entries: dict[str, dict[str, Any]] = {}
    includes_tax = shop.settings["prices_include_tax"]

    def net(price: Decimal, rate: Decimal) -> Decimal:
        return with_tax(price, rate, includes=includes_tax).excl.quantize(Decimal("0.01"))

    for product in shop.products.all():
        combinations = shop.combinations.by("product_id", product.id)
        if product.deleted or not product.published:
            continue
        managed = product.manage_inventory_method_id != ManageInventory.DontManageStock
        rate = tax_rate_of(shop, product)
        for combination in combinations:
            price = product.price if combination.overridden_price is None else combination.overridden_price
            name = f"{product.name} ({combination.sku})"
            _add(entries, combination.sku, name, net(price, rate), rate, combination.stock_quantity, managed)
        if not combinations:
            total = stock.total_stock(shop, product)
            _add(entries, product.sku, product.name, net(product.price, rate), rate, total, managed)
    return list(entries.values())


def _add(entries: dict[str, dict[str, Any]], code: str | None, *values: Any) -> None:
    """The first of several products with one SKU counts, as in the shop's own look-up."""
    if code and code not in entries:
        names = ("name", "price", "vat_rate", "stock", "managed")
        entries[code] = {"code": code, **dict(zip(names, values, strict=True))}
