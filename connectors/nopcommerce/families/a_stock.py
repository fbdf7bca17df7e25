"""Family A: products, combinations and their stock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from connectors.base.errors import Rejected
from connectors.nopcommerce.entities import MANAGE_STOCK, Sellable, own_quantity
from connectors.nopcommerce.families.a_wire import PartOfA, as_utc_text, joined
from connectors.nopcommerce.families.base import FAST_FACTS_SECONDS, NewValues
from connectors.nopcommerce.shapes import CombinationShape, ProductShape, StockHistoryShape, parse, parse_all

HISTORY_PAGE = 50
"""How many of the newest stock movements are searched for a change of ours."""

PRODUCTS_PER_CALL = 50
"""Ids in one address: far below the 2,048 characters that web servers commonly take."""


class StockOfA(PartOfA):
    async def products_by_id(self, ids: Iterable[int]) -> dict[int, ProductShape]:
        """Products of order lines, remembered for a burst of orders; those not remembered are read together."""
        batch = _Batch(self)
        wanted = [number for number in set(ids) if number > 0]
        found = await asyncio.gather(
            *(self.memory(f"product:{number}", FAST_FACTS_SECONDS, batch.loader(number)) for number in wanted)
        )
        return {number: product for number, product in zip(wanted, found, strict=True) if product is not None}

    async def read_products(self, ids: Iterable[int]) -> dict[int, ProductShape]:
        """In one call; what it leaves out is asked for singly, because the list leaves deleted products out."""
        wanted = sorted(set(ids))
        if len(wanted) == 1:
            one = await self._product_row(wanted[0])
            return {wanted[0]: parse(ProductShape, one, "Product")} if one else {}
        found: dict[int, ProductShape] = {}
        for start in range(0, len(wanted), PRODUCTS_PER_CALL):
            body = await self.calls.read(
                f"Product/GetProductsByIds/{joined(wanted[start : start + PRODUCTS_PER_CALL])}",
                operation="GET Product/GetProductsByIds",
                what="Products",
            )
            found.update({product.id: product for product in parse_all(ProductShape, body, "Products")})
        missing = [number for number in wanted if number not in found]
        rows = await asyncio.gather(*(self._product_row(number) for number in missing))
        found.update({row["id"]: parse(ProductShape, row, "Product") for row in rows if row})
        return found

    async def combinations(self, product_id: int) -> list[CombinationShape]:
        return await self.memory(
            f"combinations:{product_id}", FAST_FACTS_SECONDS, lambda: self.read_combinations(product_id)
        )

    async def read_combinations(self, product_id: int) -> list[CombinationShape]:
        body = await self.calls.read(
            f"ProductAttributeCombination/GetAll/{product_id}",
            operation="GET ProductAttributeCombination/GetAll",
            what=f"Combinations of product {product_id}",
        )
        return parse_all(CombinationShape, body, "Combinations")

    async def _product_row(self, product_id: int) -> dict[str, Any] | None:
        row = await self.calls.read(
            f"Product/GetById/{product_id}", operation="GET Product/GetById", what=f"Product {product_id}"
        )
        return row if isinstance(row, dict) else None

    async def products_page(self, page_index: int, page_size: int) -> tuple[list[ProductShape], bool]:
        """Unpublished ones too. :returns: the products and whether there are more."""
        body = await self.calls.read(
            "Product/GetAll",
            operation="GET Product/GetAll",
            what="Products",
            params={"pageIndex": page_index, "pageSize": page_size, "showHidden": True},
        )
        page = body if isinstance(body, dict) else {}
        return parse_all(ProductShape, page.get("items"), "Products"), bool(page.get("has_next_page"))

    async def product(self, product_id: int) -> Sellable | None:
        row = await self._product_row(product_id)
        return await self._with_quantity(parse(ProductShape, row, "Product"), None) if row else None

    async def product_by_sku(self, sku: str) -> Sellable | None:
        """A product of that SKU, else a combination.

        The shop trims, and picks the lowest id where a SKU is not unique.
        """
        body = await self.calls.read(
            "Product/GetProductBySku",
            operation="GET Product/GetProductBySku",
            what=f"Product {sku}",
            params={"sku": sku},
        )
        if body:
            return await self._with_quantity(parse(ProductShape, body, f"Product {sku}"), None)
        return await self._combination_by_sku(sku)

    async def _combination_by_sku(self, sku: str) -> Sellable | None:
        body = await self.calls.read(
            "ProductAttributeCombination/GetBySku",
            operation="GET ProductAttributeCombination/GetBySku",
            what=f"Combination {sku}",
            params={"sku": sku},
        )
        if not body:
            return None
        combination = parse(CombinationShape, body, f"Combination {sku}")
        row = await self._product_row(combination.product_id)
        if not row:
            return None
        return await self._with_quantity(parse(ProductShape, row, f"Product {sku}"), combination)

    async def _with_quantity(self, product: ProductShape, combination: CombinationShape | None) -> Sellable:
        quantity = own_quantity(product, combination)
        if quantity is not None and combination is None and product.use_multiple_warehouses:
            quantity = await self.total_stock(product.id)
        return Sellable(product, combination, quantity)

    async def total_stock(self, product_id: int) -> int:
        """Over all warehouses, less what orders have reserved."""
        body = await self.calls.read(
            f"Product/GetTotalStockQuantity/{product_id}",
            operation="GET Product/GetTotalStockQuantity",
            what=f"Stock of product {product_id}",
            params={"useReservedQuantity": True},
        )
        return int(body or 0)

    async def change_stock(self, present: Sellable, quantity: int, message: str) -> bool:
        """By the shop's own delta call: atomic there, written to its history, right with several warehouses."""
        history = await self._history(present)
        if history is None:
            await self._put_quantity(present, quantity)
            return True
        if any(message in entry.message for entry in history):
            return False
        await self.calls.write(
            "POST",
            f"Product/AdjustInventory/{present.product.id}",
            operation="POST Product/AdjustInventory",
            what=f"Stock of {present.sku}",
            params={"quantityToChange": quantity - (present.quantity or 0), "message": message},
            body=present.combination.attributes_xml if present.combination else "",
        )
        return True

    async def _history(self, present: Sellable) -> list[StockHistoryShape] | None:
        """The newest movements; None where the plug-in has no such route."""
        body = await self.calls.read(
            f"Product/GetStockQuantityHistory/{present.product.id}",
            operation="GET Product/GetStockQuantityHistory",
            what=f"Stock history of {present.sku}",
            params={
                "combinationId": present.combination.id if present.combination else None,
                "pageIndex": 0,
                "pageSize": HISTORY_PAGE,
            },
        )
        if body is None:
            return None
        return parse_all(StockHistoryShape, body.get("items") if isinstance(body, dict) else body, "Stock history")

    async def _put_quantity(self, present: Sellable, quantity: int) -> None:
        if present.product.use_multiple_warehouses:
            raise Rejected(
                f"{present.sku} is kept in several warehouses and the shop's plug-in cannot adjust those.",
                code="several_warehouses",
            )
        if present.combination is None:
            await self._put_product(present.product.id, {"stock_quantity": quantity}, f"Stock of {present.sku}")
            return
        row = await self.calls.read(
            f"ProductAttributeCombination/GetById/{present.combination.id}",
            operation="GET ProductAttributeCombination/GetById",
            what=f"Combination {present.sku}",
        )
        await self.calls.write(
            "PUT",
            "ProductAttributeCombination/Update",
            operation="PUT ProductAttributeCombination/Update",
            what=f"Stock of {present.sku}",
            body={**(row or {}), "stock_quantity": quantity},
        )

    async def _put_product(self, product_id: int, changes: dict[str, Any], what: str) -> None:
        """The whole row, read just before: whether missing members blank a column is not documented."""
        row = await self._product_row(product_id)
        if row is None:
            raise Rejected(f"{what}: the product is gone.", code="not_found")
        await self.calls.write(
            "PUT",
            "Product/Update",
            operation="PUT Product/Update",
            what=what,
            body={**row, **changes, "updated_on_utc": as_utc_text(self.now())},
        )

    async def update_product(self, present: Sellable, values: NewValues) -> None:
        if present.combination is not None:
            raise self.not_supported(f"Name and price of the combination {present.sku}")
        await self._put_product(present.product.id, _changes(values), f"Product {present.sku}")

    async def create_product(self, sku: str, values: NewValues) -> int:
        moment = as_utc_text(self.now())
        body = await self.calls.write(
            "POST",
            "Product/Create",
            operation="POST Product/Create",
            what=f"Product {sku}",
            body={
                "sku": sku,
                "product_type_id": 5,
                "visible_individually": True,
                "published": False,  # the shop's staff adds texts and pictures first
                "is_ship_enabled": True,
                "manage_inventory_method_id": MANAGE_STOCK,
                "stock_quantity": 0,
                "order_minimum_quantity": 1,
                "order_maximum_quantity": 10000,
                "created_on_utc": moment,
                "updated_on_utc": moment,
                **_changes(values),
            },
        )
        return parse(ProductShape, body, f"Product {sku}").id


def _changes(values: NewValues) -> dict[str, Any]:
    given = {"name": values.name, "price": values.price}
    return {member: value for member, value in given.items() if value is not None}


class _Batch:
    """Turns single loads that begin in the same moment into one call."""

    def __init__(self, source: StockOfA) -> None:
        self._source = source
        self._wanted: set[int] = set()
        self._asked: set[int] = set()
        self._task: asyncio.Task[dict[int, ProductShape]] | None = None

    def loader(self, product_id: int) -> Any:
        async def load() -> ProductShape | None:
            self._wanted.add(product_id)
            if self._task is None:
                self._task = asyncio.ensure_future(self._load())
            found = await asyncio.shield(self._task)
            if product_id not in found and product_id not in self._asked:
                found = await self._source.read_products([product_id])
            return found.get(product_id)

        return load

    async def _load(self) -> dict[int, ProductShape]:
        await asyncio.sleep(0)  # lets every other loader of this gather say what it wants
        self._asked = set(self._wanted)
        return await self._source.read_products(self._asked)
