"""Product, combinations, warehouses and stock of the official plug-in."""

from collections.abc import Iterator
from typing import Any

from sandbox.nopcommerce import stock
from sandbox.nopcommerce.family_a.call import NOTHING, BadParameter, Call, Handler, dtos, found, split_list
from sandbox.nopcommerce.tables import Product


def routes() -> Iterator[tuple[str, str, Handler]]:
    yield "GET", "Product/GetProductBySku", _by_sku
    yield "GET", "Product/GetProductsBySku", _by_skus
    yield "GET", "Product/GetProductsByIds/{ids}", _by_ids
    yield "GET", "Product/GetAll", _all
    yield "GET", "Product/GetAssociatedProducts/{parentGroupedProductId}", _associated
    yield "GET", "Product/GetTotalStockQuantity/{productId}", _total_stock
    yield "POST", "Product/AdjustInventory/{productId}", _adjust
    yield "GET", "Product/BookReservedInventory/{productId}/{warehouseId}", _book
    yield "GET", "Product/GetStockQuantityHistory/{productId}", _history
    yield "GET", "Product/AddStockQuantityHistoryEntry/{productId}", _add_history
    yield "DELETE", "Product/Delete/{id}", _delete
    yield "GET", "ProductAttributeCombination/GetBySku", _combination_by_sku
    yield "GET", "ProductAttributeCombination/GetAll/{productId}", _combinations
    yield "GET", "ProductWarehouse/GetAllProductWarehouseInventoryRecords/{productId}", _warehouse_stock
    yield "GET", "ProductWarehouse/GetWarehousesById/{id}", _warehouse_of


async def _by_sku(call: Call) -> Any:
    product = stock.product_by_sku(call.shop, call.text("sku"))
    return found(call.shop.products.read(product.id) if product else None, "Product")


async def _by_skus(call: Call) -> Any:
    """Every product with one of the SKUs, so more than one for a duplicate."""
    wanted = set(split_list(call.text("skuArray")))
    return dtos(p for p in call.shop.products.read_all() if not p.deleted and (p.sku or "").strip() in wanted)


async def _by_ids(call: Call) -> Any:
    rows = (call.shop.products.read(number) for number in call.path_ids("ids"))
    return dtos(row for row in rows if row is not None and not row.deleted)


async def _all(call: Call) -> Any:
    kept = [p for p in call.shop.products.read_all() if not p.deleted and _is_listed(call, p)]
    kept.sort(key=lambda p: (p.display_order, p.id))
    return call.paged(kept)


def _is_listed(call: Call, product: Product) -> bool:
    published, visible_only = call.flag("overridePublished", None), call.flag("visibleIndividuallyOnly")
    if published is None and not call.flag("showHidden") and not product.published:
        return False
    if (published is not None and product.published is not published) or (
        visible_only and not product.visible_individually
    ):
        return False
    kinds = {"SimpleProduct": 5, "GroupedProduct": 10}
    kind = call.text("productType")
    if kind and product.product_type_id != kinds.get(kind, int(kind) if kind.isdigit() else 0):
        return False
    for name, sign in (("priceMin", 1), ("priceMax", -1)):
        if call.text(name) and sign * product.price < sign * call.amount(name):
            return False
    return _has_keywords(call, product)


def _has_keywords(call: Call, product: Product) -> bool:
    words = (call.text("keywords") or "").lower()
    texts = [product.name, product.sku if call.flag("searchSku", True) else None]
    if call.flag("searchDescriptions"):
        texts += [product.short_description, product.full_description]
    return not words or any(words in (text or "").lower() for text in texts)


async def _associated(call: Call) -> Any:
    parent = call.id("parentGroupedProductId")
    return dtos(p for p in call.shop.products.read_all() if p.parent_grouped_product_id == parent and not p.deleted)


async def _total_stock(call: Call) -> Any:
    product = call.row(call.shop.products, "productId")
    reserved = bool(call.flag("useReservedQuantity", True))
    return stock.total_stock(call.shop, product, use_reserved=reserved, warehouse_id=call.number("warehouseId"))


async def _adjust(call: Call) -> Any:
    """A delta; the body is a JSON string with the attributes XML, often an empty one."""
    call.row(call.shop.products, "productId")
    xml = await call.body()
    if not isinstance(xml, str | None):
        raise BadParameter("The JSON value could not be converted to System.String.")
    product = call.shop.products.rows[call.id("productId")]
    change, message = call.number("quantityToChange"), call.text("message") or ""
    stock.adjust_inventory(call.shop, product, change, attributes_xml=xml or "", message=message)
    return NOTHING


async def _book(call: Call) -> Any:
    call.row(call.shop.products, "productId")
    product, quantity = call.shop.products.rows[call.id("productId")], call.number("quantity")
    stock.book_reserved(call.shop, product, call.id("warehouseId"), abs(quantity), call.text("message") or "")
    return NOTHING


async def _history(call: Call) -> Any:
    rows = call.shop.stock_history.readable_by("product_id", call.id("productId"))
    warehouse, combination = call.number("warehouseId"), call.number("combinationId")
    kept = [
        row for row in rows if warehouse in (0, row.warehouse_id or 0) and combination in (0, row.combination_id or 0)
    ]
    return call.paged(sorted(kept, key=lambda row: row.id, reverse=True))


async def _add_history(call: Call) -> Any:
    product = call.row(call.shop.products, "productId")
    stock.write_history(
        call.shop,
        product.id,
        change=call.number("quantityAdjustment"),
        quantity=call.number("stockQuantity"),
        message=call.text("message") or "",
        warehouse_id=call.number("warehouseId"),
        combination_id=call.number("combinationId") or None,
    )
    return NOTHING


async def _delete(call: Call) -> Any:
    product = call.row(call.shop.products)
    product = call.shop.products.edit(product.id)
    product.deleted = True
    call.shop.publish("products/delete", product)
    return NOTHING


async def _combination_by_sku(call: Call) -> Any:
    return found(stock.combination_by_sku(call.shop, call.text("sku")), "ProductAttributeCombination")


async def _combinations(call: Call) -> Any:
    return dtos(call.shop.combinations.readable_by("product_id", call.id("productId")))


async def _warehouse_stock(call: Call) -> Any:
    return dtos(call.shop.warehouse_stock.readable_by("product_id", call.id("productId")))


async def _warehouse_of(call: Call) -> Any:
    return found(call.shop.warehouses.read(call.row(call.shop.warehouse_stock).warehouse_id), "Warehouse")
