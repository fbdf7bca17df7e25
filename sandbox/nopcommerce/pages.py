"""The shop's own pages: orders, one order with its arithmetic, products with stock, and a form to buy something."""

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.common.operations import uncounted
from sandbox.common.page import Html, heading, html_of, join, link, page, paragraph, table, tag
from sandbox.nopcommerce import customers, processing, specs, stock
from sandbox.nopcommerce.control import ACTIONS, found, number_of
from sandbox.nopcommerce.enums import ManageInventory, OrderStatus, PaymentStatus, ShippingStatus, name_of
from sandbox.nopcommerce.placing import place_order, tax_rate_of
from sandbox.nopcommerce.pricing import parse_tax_rates
from sandbox.nopcommerce.random_orders import random_order
from sandbox.nopcommerce.tables import Order, Product

if TYPE_CHECKING:
    from sandbox.nopcommerce.standin import NopCommerce

LINKS = (("/", "Orders"), ("/new", "Place an order"), ("/products", "Products"))
SHOWN = 200
FORM_STYLE = Html(
    "<style>form{display:inline}button,select,input{font:inherit;padding:.35rem .7rem;margin:.15rem .3rem .15rem 0;"
    "max-width:100%}fieldset{border:1px solid var(--line);border-radius:.4rem;margin:.8rem 0}"
    "input[type=number]{width:6rem}label{display:inline-block;margin-right:1rem}.bad{color:#c33}</style>"
)


class Pages:
    def __init__(self, standin: "NopCommerce") -> None:
        self.standin = standin

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/", self.orders),
            web.get("/new", self.form),
            web.post("/new", self.place),
            web.post("/random", self.place_random),
            web.get("/orders/{id}", self.order),
            web.post("/orders/{id}/{action}", self.act),
            web.get("/products", self.products),
        ]

    # Orders

    @uncounted
    async def orders(self, request: web.Request) -> web.Response:
        newest = sorted(self.standin.shop.orders.all(), key=lambda order: order.id, reverse=True)
        delivered = self._delivered()
        columns = ("Number", "Time", "Customer", "Payment", "Order", "#Total", "Webhook")
        rows = [self._order_row(order, delivered) for order in newest[:SHOWN]]
        count = paragraph(f"{len(newest)} orders, the latest {SHOWN} shown.") if len(newest) > SHOWN else ""
        body = [FORM_STYLE, self._buy_buttons(), count, table(columns, rows, empty="No orders yet. Place one above.")]
        return self._page("Orders", body)

    def _buy_buttons(self) -> Html:
        form = Html('<form action="/new"><button>Place order…</button></form>')
        return join([Html("<p>"), form, _button("/random", "Place a random order"), Html("</p>")])

    def _order_row(self, order: Order, delivered: dict[int, str]) -> list[Any]:
        deleted = [tag("deleted")] if order.deleted else []
        return [
            link(f"/orders/{order.id}", order.custom_order_number or order.id),
            f"{order.created_on_utc:%Y-%m-%d %H:%M:%S}",
            self._buyer(order),
            tag(name_of(PaymentStatus, order.payment_status_id)),
            join([tag(name_of(OrderStatus, order.order_status_id)), *deleted], " "),
            _money(order.order_total),
            delivered.get(order.id, "–"),
        ]

    def _buyer(self, order: Order) -> str:
        address = self.standin.shop.addresses.get(order.billing_address_id)
        if address is None:
            return ""
        name = " ".join(part for part in (address.first_name, address.last_name) if part)
        return ", ".join(part for part in (name, address.company, address.email) if part)

    def _delivered(self) -> dict[int, str]:
        """Order → what became of its latest webhook."""
        shown = {}
        for entry in self.standin.sender.log:
            if entry.event.startswith("orders/"):
                answer = entry.error or ("sending" if entry.status is None else entry.status)
                good = entry.status is not None and 200 <= entry.status < 300
                shown[entry.record_id] = (
                    "suppressed" if entry.suppressed else "delivered" if good else f"failed: {answer}"
                )
        return shown

    @uncounted
    async def order(self, request: web.Request) -> web.Response:
        try:
            return self._order_page(found(self.standin.shop.orders.get(number_of(request)), "order"))
        except ValueError as error:
            return self._page("Not found", [paragraph(error)], status=404)

    def _order_page(self, order: Order, wrong: str | None = None) -> web.Response:
        shop = self.standin.shop
        states = (
            (OrderStatus, order.order_status_id),
            (PaymentStatus, order.payment_status_id),
            (ShippingStatus, order.shipping_status_id),
        )
        notes = [(f"{n.created_on_utc:%H:%M:%S}", n.note) for n in shop.order_notes.by("order_id", order.id)]
        rates = [(f"{rate}%", _money(tax)) for rate, tax in parse_tax_rates(order.tax_rates).items()]
        body = [
            FORM_STYLE,
            Html(f'<p class="bad">{escape(wrong)}</p>') if wrong else "",
            paragraph(join([tag(name_of(kind, value)) for kind, value in states], " ")),
            paragraph(self._buyer(order)),
            self._actions(order),
            heading("Lines", 2),
            table(("SKU", "Article", "#Quantity", "#Net", "#Gross", "#VAT %"), self._lines(order)),
            heading("How the total comes about", 2),
            table(("Part", "#Net", "#Gross"), self._arithmetic(order)),
            heading("VAT", 2),
            table(("Rate", "#VAT"), rates),
            heading("Notes", 2),
            table(("Time", "Note"), notes),
        ]
        return self._page(f"Order {order.custom_order_number}", body, status=400 if wrong else 200)

    def _lines(self, order: Order) -> list[list[Any]]:
        return [
            [item.sku or "–", _article(item), item.quantity, *map(_money, (item.price_excl_tax, item.price_incl_tax)),
             format(item.tax_rate.normalize(), "f")]
            for item in processing.items_of(self.standin.shop, order.id)
        ]  # fmt: skip

    def _arithmetic(self, order: Order) -> list[list[Any]]:
        rows: list[tuple[str, Decimal | None, Decimal | None]] = [
            ("Subtotal", order.order_subtotal_excl_tax, order.order_subtotal_incl_tax),
            ("Subtotal discount", -order.order_sub_total_discount_excl_tax, -order.order_sub_total_discount_incl_tax),
            ("Shipping", order.order_shipping_excl_tax, order.order_shipping_incl_tax),
            ("Payment fee", order.payment_method_additional_fee_excl_tax, order.payment_method_additional_fee_incl_tax),
            ("VAT", order.order_tax, None),
            ("Order discount (after tax)", None, -order.order_discount),
            ("Gift cards", None, -processing.gift_card_spent(self.standin.shop, order)),
            ("Reward points", None, -order.reward_points_amount),
            ("Order total", None, order.order_total),
            ("Refunded", None, -order.refunded_amount),
        ]
        always = {"Subtotal", "VAT", "Order total"}
        return [[name, _money(net), _money(gross)] for name, net, gross in rows if name in always or net or gross]

    def _actions(self, order: Order) -> Html:
        here, left = f"/orders/{order.id}", order.order_total - order.refunded_amount
        buttons = []
        if processing.can_mark_paid(order):
            buttons.append(_button(f"{here}/pay", "Mark paid"))
        if processing.can_refund_offline(order):
            buttons.append(_button(f"{here}/refund", "Refund"))
        if processing.can_partially_refund_offline(order, left):
            field = '<input type="number" name="amount" step="0.01" min="0.01" required aria-label="Amount" '
            field += f'max="{left:.2f}">'
            buttons.append(_button(f"{here}/refund", "Partial refund", Html(field)))
        if order.shipping_status_id in (ShippingStatus.NotYetShipped, ShippingStatus.PartiallyShipped):
            buttons.append(_button(f"{here}/ship", "Ship"))
        if processing.can_cancel(order):
            buttons.append(_button(f"{here}/cancel", "Cancel"))
        return join([Html("<p>"), *buttons, Html("</p>")])

    @uncounted
    async def act(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        order = self.standin.shop.orders.get(number_of(request))
        action = ACTIONS.get(request.match_info["action"])
        if order is None or action is None:
            return self._page("Not found", [paragraph("There is no such order or action.")], status=404)
        amount = form.get("amount")
        try:
            action(self.standin.shop, order, {"amount": str(amount)} if amount else {})
        except ValueError as error:
            return self._order_page(order, str(error))
        raise web.HTTPSeeOther(f"/orders/{order.id}")

    # Buying

    @uncounted
    async def form(self, request: web.Request) -> web.Response:
        return self._form_page()

    def _form_page(self, wrong: str | None = None) -> web.Response:
        shop = self.standin.shop
        people = [
            (c.id, customers.full_name(c) + f" ({c.email})") for c in shop.customers.all() if c.email and not c.deleted
        ]
        methods = [(name, name) for name in shop.settings["payment_methods"]]
        lines = join(self._line_fields(number) for number in range(1, 5))
        body = [
            FORM_STYLE,
            Html(f'<p class="bad">{escape(wrong)}</p>') if wrong else "",
            Html('<form method="post" action="/new"><fieldset><legend>Products</legend>'),
            lines,
            Html("</fieldset><fieldset><legend>Customer</legend>"),
            _select("customer", [("", "Guest, with the e-mail here:"), *people]),
            Html(' <input type="email" name="email" value="guest@example.test" aria-label="E-mail of the guest">'),
            Html("</fieldset><fieldset><legend>Payment and delivery</legend>"),
            _select("payment_method", methods),
            Html('<label><input type="checkbox" name="paid" value="1"> paid</label>'),
            Html('<label>Shipping <input type="number" name="shipping" step="0.01" min="0" value="3.95"></label>'),
            Html("</fieldset><button>Place order</button></form>"),
        ]
        return self._page("Place an order", body, status=400 if wrong else 200)

    def _line_fields(self, number: int) -> Html:
        options: list[tuple[object, str]] = [("", "–")] if number > 1 else []
        options += [(sku, f"{sku} · {name} · {price}") for sku, name, price in self._sellable()]
        quantity = f'<input type="number" name="quantity{number}" value="1" min="1" aria-label="Quantity {number}"><br>'
        return join([_select(f"sku{number}", options), Html(quantity)])

    def _sellable(self) -> list[tuple[str, str, str]]:
        shop, found_skus = self.standin.shop, []
        for product in shop.products.all():
            if product.deleted or not product.published:
                continue
            combinations = shop.combinations.by("product_id", product.id)
            names = [row.sku for row in combinations] or [product.sku]
            found_skus += [(sku, product.name or "", _money(product.price)) for sku in names if sku]
        return found_skus

    @uncounted
    async def place(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        wanted = [(form.get(f"sku{n}"), form.get(f"quantity{n}", "1")) for n in range(1, 5)]
        buyer = {"id": int(form["customer"])} if form.get("customer", "").isdigit() else _guest(form.get("email", ""))
        spec = {
            "customer": buyer,
            "lines": [{"sku": sku, "quantity": int(n) if n.isdigit() else 0} for sku, n in wanted if sku],
            "shipping": {"method": "Ground", "price": form.get("shipping") or "0"},
            "payment_method": form.get("payment_method"),
            "paid": bool(form.get("paid")),
        }
        return self._buy(spec)

    @uncounted
    async def place_random(self, request: web.Request) -> web.StreamResponse:
        return self._buy(random_order(self.standin.shop))

    def _buy(self, spec: dict[str, Any]) -> web.StreamResponse:
        shop = self.standin.shop
        try:
            order = place_order(shop, specs.order_request(shop, spec))
        except ValueError as error:
            return self._form_page(str(error))
        raise web.HTTPSeeOther(f"/orders/{order.id}")

    # Products

    @uncounted
    async def products(self, request: web.Request) -> web.Response:
        rows = [row for product in self.standin.shop.products.all() for row in self._product_rows(product)]
        return self._page("Products", [table(("SKU", "Name", "#Price", "#VAT %", "#Stock", ""), rows)])

    def _product_rows(self, product: Product) -> list[list[Any]]:
        shop = self.standin.shop
        rate = format(tax_rate_of(shop, product).normalize(), "f")
        marks = [tag("deleted")] if product.deleted else []
        if product.manage_inventory_method_id == ManageInventory.ManageStockByAttributes:
            return [
                [row.sku, product.name, _money(row.overridden_price or product.price), rate, row.stock_quantity, ""]
                for row in shop.combinations.by("product_id", product.id)
            ]
        unmanaged = product.manage_inventory_method_id == ManageInventory.DontManageStock
        quantity = "not managed" if unmanaged else stock.total_stock(shop, product)
        return [[product.sku or "–", product.name, _money(product.price), rate, quantity, join(marks)]]

    def _page(self, title: str, body: list[Any], status: int = 200) -> web.Response:
        answer = page(title, body, site=self.standin.shop.store.name or "Shop", links=LINKS)
        answer.set_status(status)
        return answer


def _article(item: Any) -> Html:
    # The description is HTML of the shop's own making.
    return join([item.name, Html(f"<br>{item.attribute_description}") if item.attribute_description else ""])


def _guest(email: str) -> dict[str, Any]:
    return {"guest": True, "email": email, "first_name": "Guest", "last_name": "Visitor"}


def _money(amount: Decimal | None) -> str:
    """Two places, or four where the shop keeps more."""
    if amount is None:
        return ""
    return f"{amount:,.2f}" if amount == amount.quantize(Decimal("0.01")) else f"{amount:,.4f}"


def _button(action: str, text: str, fields: Html | str = "") -> Html:
    return Html(
        f'<form method="post" action="{escape(action)}">{html_of(fields)}<button>{escape(text)}</button></form>'
    )


def _select(name: str, options: list[tuple[Any, str]]) -> Html:
    choices = "".join(f'<option value="{escape(str(value))}">{escape(text)}</option>' for value, text in options)
    return Html(f'<select name="{name}" aria-label="{name}">{choices}</select>')
