"""Stock of products, combinations and warehouses: deltas with history, reservation and booking."""

from sandbox.nopcommerce.enums import ManageInventory
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import (
    Product,
    ProductAttributeCombination,
    ProductWarehouseInventory,
    StockQuantityHistory,
)


def product_by_sku(shop: Shop, sku: str | None) -> Product | None:
    """Trimmed, not deleted, the lowest id when several share it; an empty SKU finds nothing."""
    wanted = (sku or "").strip()
    found = [p for p in shop.products.all() if wanted and not p.deleted and (p.sku or "") == wanted]
    return min(found, key=lambda p: p.id) if found else None


def combination_by_sku(shop: Shop, sku: str | None) -> ProductAttributeCombination | None:
    wanted = (sku or "").strip()
    found = [c for c in shop.combinations.all() if wanted and (c.sku or "") == wanted]
    return min(found, key=lambda c: c.id) if found else None


def combination_by_attributes(shop: Shop, product_id: int, xml: str | None) -> ProductAttributeCombination | None:
    return next((c for c in shop.combinations.by("product_id", product_id) if xml and c.attributes_xml == xml), None)


def warehouse_rows(shop: Shop, product_id: int) -> list[ProductWarehouseInventory]:
    return shop.warehouse_stock.by("product_id", product_id)


def total_stock(shop: Shop, product: Product, *, use_reserved: bool = True, warehouse_id: int = 0) -> int:
    """What can be sold: 0 unless stock is managed on the product itself."""
    if product.manage_inventory_method_id != ManageInventory.ManageStock:
        return 0
    if not product.use_multiple_warehouses:
        return product.stock_quantity
    rows = [row for row in warehouse_rows(shop, product.id) if warehouse_id in (0, row.warehouse_id)]
    return sum(row.stock_quantity - (row.reserved_quantity if use_reserved else 0) for row in rows)


def write_history(
    shop: Shop,
    product_id: int,
    *,
    change: int,
    quantity: int,
    message: str,
    warehouse_id: int = 0,
    combination_id: int | None = None,
) -> None:
    shop.stock_history.insert(
        StockQuantityHistory(
            product_id=product_id,
            quantity_adjustment=change,
            stock_quantity=quantity,
            message=message,
            created_on_utc=shop.now(),
            warehouse_id=warehouse_id or None,
            combination_id=combination_id,
        )
    )


def adjust_inventory(shop: Shop, product: Product, change: int, *, attributes_xml: str = "", message: str = "") -> None:
    """The shop's own delta: with warehouses it reserves (or gives back) instead of touching the quantity.

    ``updated_on_utc`` stays as it is: the shop does not write it when stock moves.
    """
    if change == 0:
        return
    shop.products.edit(product.id)
    if product.manage_inventory_method_id == ManageInventory.ManageStock:
        if product.use_multiple_warehouses:
            _reserve(shop, product, change)
        else:
            product.stock_quantity += change
            write_history(shop, product.id, change=change, quantity=product.stock_quantity, message=message)
        shop.publish("products/update", product)
    elif product.manage_inventory_method_id == ManageInventory.ManageStockByAttributes:
        _adjust_combination(shop, product, change, attributes_xml, message)


def book_reserved(shop: Shop, product: Product, warehouse_id: int, quantity: int, message: str = "") -> None:
    """At shipment: what was reserved leaves the warehouse. ``quantity`` is positive."""
    row = next((r for r in warehouse_rows(shop, product.id) if r.warehouse_id == warehouse_id), None)
    if row is None or not product.use_multiple_warehouses:
        return
    shop.warehouse_stock.edit(row.id)
    row.reserved_quantity = max(row.reserved_quantity - quantity, 0)
    row.stock_quantity -= quantity
    write_history(
        shop,
        product.id,
        change=-quantity,
        quantity=row.stock_quantity,
        message=message,
        warehouse_id=warehouse_id,
    )
    shop.publish("products/update", product)


def warehouse_for(shop: Shop, product: Product, quantity: int) -> int:
    """The warehouse an order line is served from: the first with enough unreserved stock, else the fullest."""
    rows = warehouse_rows(shop, product.id) if product.use_multiple_warehouses else []
    if not rows:
        return product.warehouse_id
    free = {row.warehouse_id: row.stock_quantity - row.reserved_quantity for row in rows}
    return next((wid for wid, left in free.items() if left >= quantity), max(free, key=lambda wid: free[wid]))


def _reserve(shop: Shop, product: Product, change: int) -> None:
    """Spread over warehouses: first those with free stock (or with reservations to undo), the rest on the first."""
    rows = warehouse_rows(shop, product.id)
    left = abs(change)
    for row in rows:
        shop.warehouse_stock.edit(row.id)
        room = row.stock_quantity - row.reserved_quantity if change < 0 else row.reserved_quantity
        part = min(left, max(room, 0))
        row.reserved_quantity += part if change < 0 else -part
        left -= part
    if left and rows:
        if change < 0:
            rows[0].reserved_quantity += left
        else:
            # Nothing was reserved any more: a positive delta is a delivery into the first warehouse.
            rows[0].stock_quantity += left
            write_history(
                shop,
                product.id,
                change=left,
                quantity=rows[0].stock_quantity,
                message="",
                warehouse_id=rows[0].warehouse_id,
            )


def _adjust_combination(shop: Shop, product: Product, change: int, attributes_xml: str, message: str) -> None:
    combination = combination_by_attributes(shop, product.id, attributes_xml)
    if combination is None:
        return
    shop.combinations.edit(combination.id)
    combination.stock_quantity += change
    write_history(
        shop,
        product.id,
        change=change,
        quantity=combination.stock_quantity,
        message=message,
        combination_id=combination.id,
    )
    shop.publish("products/update", product)
