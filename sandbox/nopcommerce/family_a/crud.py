"""The plain service methods that every entity has: GetById, Create, Update, Delete."""

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.nopcommerce import customers
from sandbox.nopcommerce.family_a.call import NOTHING, BadParameter, Call, Handler, NotFound, dtos
from sandbox.nopcommerce.row import Row, dto, overwrite
from sandbox.nopcommerce.shop import Rows, Shop

ENTITIES: dict[str, tuple[str, str]] = {
    # Entity → table, verbs: G get, C create, U update, D delete (a real one), L GetAll without paging
    "Address": ("addresses", "GCUD"),
    "Country": ("countries", "GCUD"),
    "Currency": ("currencies", "GCUD"),
    "Customer": ("customers", "GCU"),
    "CustomerRole": ("roles", "GCUD"),
    "GenericAttribute": ("attributes", "GCUD"),
    "GiftCard": ("gift_cards", "GCUD"),
    "GiftCardUsageHistory": ("gift_card_usage", "C"),
    "Order": ("orders", "GCU"),
    "OrderItem": ("order_items", "GCUD"),
    "OrderNote": ("order_notes", "GCD"),
    "Product": ("products", "GCU"),
    "ProductAttributeCombination": ("combinations", "GCUD"),
    "ProductWarehouse": ("warehouse_stock", "GCUD"),
    "ReturnRequest": ("return_requests", "GCUD"),
    "RewardPointsHistory": ("points", "GUD"),
    "Shipment": ("shipments", "GCUD"),
    "ShipmentItem": ("shipment_items", "C"),
    "StateProvince": ("states", "GCUD"),
    "Store": ("stores", "GCUDL"),
    "TaxCategory": ("tax_categories", "GCUL"),
    "Warehouse": ("warehouses", "GCUDL"),
}
EVENTS = {"customers", "orders", "products"}

Table = Callable[[Shop], Rows[Any]]


def routes() -> Iterator[tuple[str, str, Handler]]:
    """(method, path below the prefix, handler)."""
    for entity, (name, verbs) in ENTITIES.items():
        table = _table(name)
        if "G" in verbs:
            yield "GET", f"{entity}/GetById/{{id}}", _get(table)
        if "C" in verbs:
            yield "POST", f"{entity}/Create", _create(name, table)
        if "U" in verbs:
            yield "PUT", f"{entity}/Update", _update(name, table)
        if "D" in verbs:
            yield "DELETE", f"{entity}/Delete/{{id}}", _delete(table)
        if "L" in verbs:
            yield "GET", f"{entity}/GetAll", _all(table)


def _table(name: str) -> Table:
    return lambda shop: getattr(shop, name)


def _get(table: Table) -> Handler:
    async def get(call: Call) -> Any:
        return call.row(table(call.shop))

    return get


def _all(table: Table) -> Handler:
    async def get_all(call: Call) -> Any:
        return dtos(table(call.shop).read_all())

    return get_all


def _create(name: str, table: Table) -> Handler:
    async def create(call: Call) -> Any:
        rows = table(call.shop)
        row = rows.kind()
        overwrite(row, await call.body())
        rows.insert(row)
        _after(call.shop, name, "create", row)
        return dto(row)

    return create


def _update(name: str, table: Table) -> Handler:
    async def update(call: Call) -> Any:
        rows, body = table(call.shop), await call.body()
        number = body.get("id", 0) if isinstance(body, dict) else 0
        if isinstance(number, bool) or not isinstance(number, int):
            raise BadParameter("The JSON value could not be converted. Path: $.id")
        if rows.get(number) is None:
            raise NotFound(f"{rows.kind.__name__} Id={number} is not found")
        row = rows.edit(number)
        overwrite(row, body)
        rows.save(row)
        rows.reindex()
        _after(call.shop, name, "update", row)
        return NOTHING

    return update


def _delete(table: Table) -> Handler:
    async def delete(call: Call) -> Any:
        rows = table(call.shop)
        rows.delete(call.row(rows).id)
        return NOTHING

    return delete


def _after(shop: Shop, name: str, verb: str, row: Row) -> None:
    if name in EVENTS:
        shop.publish(f"{name}/{verb}", row)
    if name == "attributes":
        customers.attribute_written(shop, row)  # type: ignore[arg-type]
