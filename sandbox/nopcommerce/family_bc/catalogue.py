"""Products of the resource plug-ins, and the small lists of the fork."""

from collections.abc import Iterator

from aiohttp import web

from sandbox.nopcommerce.family_bc.call import Call, Handler, Refused
from sandbox.nopcommerce.family_bc.writes import set_members
from sandbox.nopcommerce.row import BadBody, shown_members
from sandbox.nopcommerce.tables import Product

_READ_ONLY = {"id", "deleted", "created_on_utc", "updated_on_utc"}
_LISTS = {
    "countries": "countries",
    "currencies": "currencies",
    "stateprovinces": "states",
    "warehouses": "warehouses",
    "taxcategories": "tax_categories",
    "product_warehouse_inventories": "warehouse_stock",
}


def routes() -> Iterator[tuple[str, str, Handler, str]]:
    """(method, path, handler, families)."""
    yield "GET", "/api/products", _list, "BC"
    yield "GET", "/api/products/count", _count, "BC"
    yield "GET", "/api/products/{id}", _one, "BC"
    yield "POST", "/api/products", _create, "BC"
    yield "PUT", "/api/products/{id}", _update, "BC"
    yield "DELETE", "/api/products/{id}", _delete, "BC"
    yield "GET", "/api/stores", _rows("stores", "stores"), "BC"
    for root, name in _LISTS.items():
        yield "GET", f"/api/{root}", _rows(root, name), "C"


def _matching(call: Call) -> list[Product]:
    query = call.request.query
    published = {"true": True, "false": False}.get(query.get("published_status", "").lower())
    numbers = {part.strip() for part in query.get("manufacturer_part_numbers", "").split(",") if part.strip()}
    by_number = numbers if call.caller.family == "C" else set()
    if query.get("vendor_name") or query.get("category_id", "0") not in ("", "0"):
        return []  # this shop has neither vendors nor categories
    return [
        product
        for product in call.shop.products.read_all()
        if not product.deleted
        and (published is None or product.published is published)
        and (not by_number or product.manufacturer_part_number in by_number)
        and call.between(product.created_on_utc, "created_at")
        and call.between(product.updated_on_utc, "updated_at")
    ]


async def _list(call: Call) -> web.StreamResponse:
    page = call.page(call.wanted_ids(_matching(call)))
    return call.wrapped("products", [call.view.product(product) for product in page])


async def _count(call: Call) -> web.StreamResponse:
    return web.json_response({"count": len(_matching(call))})


async def _one(call: Call) -> web.StreamResponse:
    return call.wrapped("products", [call.view.product(call.row(call.shop.products, "product"))])


async def _create(call: Call) -> web.StreamResponse:
    body = await call.body("product")
    if not body.get("name"):
        raise Refused(422, "name", "name is required")
    now = call.shop.now()
    product = Product(created_on_utc=now, updated_on_utc=now)
    _write(product, body)
    call.shop.products.insert(product)
    call.shop.publish("products/create", product)
    return call.wrapped("products", [call.view.product(product)])


async def _update(call: Call) -> web.StreamResponse:
    """An absolute write, stock included; unlike stock moved by orders it dates the product."""
    product, body = call.row(call.shop.products, "product"), await call.body("product")
    product = call.shop.products.edit(product.id)
    _write(product, body)
    product.updated_on_utc = call.shop.now()
    call.shop.products.save(product)
    call.shop.publish("products/update", product)
    return call.wrapped("products", [call.view.product(product)])


def _write(product: Product, body: dict[str, object]) -> None:
    try:
        set_members(product, body, [name for name in shown_members(Product) if name not in _READ_ONLY])
    except BadBody as error:
        raise Refused(422, "product", str(error)) from error


async def _delete(call: Call) -> web.StreamResponse:
    product = call.shop.products.edit(call.row(call.shop.products, "product").id)
    product.deleted = True
    call.shop.publish("products/delete", product)
    return web.json_response({})


def _rows(root: str, name: str) -> Handler:
    async def get(call: Call) -> web.StreamResponse:
        rows = call.shop.all_rows()[name].read_all()
        return call.wrapped(root, [call.view.row(row) for row in rows])

    return get
