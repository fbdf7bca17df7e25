"""Paging through customers and products in each family's way."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors.base.triggers import Observation
from connectors.nopcommerce.entities import MANAGE_BY_ATTRIBUTES, MANAGE_STOCK, own_quantity
from connectors.nopcommerce.families.a import FamilyA
from connectors.nopcommerce.families.base import ShopFamily
from connectors.nopcommerce.families.resource import ResourceFamily
from connectors.nopcommerce.fingerprints import customer_fingerprint, product_fingerprint
from connectors.nopcommerce.order_polling import OVERLAP, moment_of
from connectors.nopcommerce.shapes import CombinationShape, CustomerShape, ProductShape, parse

PAGE_SIZE = 100

Position = dict[str, Any]


class Lister(ABC):
    def __init__(self, shop: ShopFamily) -> None:
        self.shop = shop

    async def newest(self, position: Position | None, since: datetime) -> tuple[list[Observation], Position | None]:
        """Records made since ``position``; nothing where only a full pass can tell."""
        return [], None

    @abstractmethod
    async def page(self, position: Position | None, since: datetime) -> tuple[list[Observation], Position | None]:
        """The next page of a full pass. :returns: its records and the next position, None at the end."""


class CustomerLister(Lister):
    async def newest(self, position: Position | None, since: datetime) -> tuple[list[Observation], Position | None]:
        if not isinstance(self.shop, FamilyA):
            return [], None  # lists by id only; the pass itself is by id, too
        watermark = moment_of(position["watermark"]) if position else since
        found, more, index = [], True, 0
        while more:
            rows, more = await self.shop.registered_page(index, PAGE_SIZE, max(since, watermark - OVERLAP))
            found += rows
            index += 1
        newest = max((row.created_on_utc for row in found if row.created_on_utc), default=watermark)
        return self._observed(found, since), {"watermark": max(watermark, newest).isoformat()}

    async def page(self, position: Position | None, since: datetime) -> tuple[list[Observation], Position | None]:
        if isinstance(self.shop, FamilyA):
            index = int(position["page"]) if position else 0
            rows, more = await self.shop.registered_page(index, PAGE_SIZE)
            return self._observed(rows, since), {"page": index + 1} if more else None
        shop = _resource(self.shop)
        since_id = int(position["since_id"]) if position else 0
        rows = [parse(CustomerShape, row, "Customers") for row in await shop.list_rows("customers", since_id=since_id)]
        return self._observed(rows, since), _next_id(rows, since_id)

    def _observed(self, rows: Sequence[CustomerShape], since: datetime) -> list[Observation]:
        kept = [row for row in rows if row.email.strip() and _is_fresh(row, since)]
        return [
            Observation("customer", str(row.id), customer_fingerprint(row), str(row.id), row.created_on_utc)
            for row in sorted(kept, key=lambda row: row.id)
        ]


def _is_fresh(row: CustomerShape, since: datetime) -> bool:
    moments = (row.created_on_utc, row.last_activity_date_utc)
    return any(moment is not None and moment >= since for moment in moments)


class ProductLister(Lister):
    async def page(self, position: Position | None, since: datetime) -> tuple[list[Observation], Position | None]:
        if isinstance(self.shop, FamilyA):
            index = int(position["page"]) if position else 0
            rows, more = await self.shop.products_page(index, PAGE_SIZE)
            details = await asyncio.gather(*(_details(self.shop, row) for row in rows))
            seen = [_observed(row, *detail) for row, detail in zip(rows, details, strict=True)]
            return seen, {"page": index + 1} if more else None
        since_id = int(position["since_id"]) if position else 0
        rows = await _resource(self.shop).products_after(since_id)
        seen = [_observed(row, row.product_attribute_combinations, own_quantity(row, None)) for row in rows]
        return seen, _next_id(rows, since_id)


async def _details(shop: FamilyA, row: ProductShape) -> tuple[Sequence[CombinationShape], int | None]:
    """What a product row does not tell: stock of combinations, and the sum over warehouses."""
    combinations: Sequence[CombinationShape] = ()
    if row.manage_inventory_method_id == MANAGE_BY_ATTRIBUTES:
        combinations = await shop.read_combinations(row.id)
    if row.manage_inventory_method_id == MANAGE_STOCK and row.use_multiple_warehouses:
        return combinations, await shop.total_stock(row.id)
    return combinations, own_quantity(row, None)


def _observed(row: ProductShape, combinations: Sequence[CombinationShape], quantity: int | None) -> Observation:
    return Observation("product", str(row.id), product_fingerprint(row, combinations, quantity), row.sku or row.name)


def _next_id(rows: Sequence[CustomerShape | ProductShape], since_id: int) -> Position | None:
    full = len(rows) >= PAGE_SIZE and rows[-1].id > since_id
    return {"since_id": rows[-1].id} if full else None


def _resource(shop: ShopFamily) -> ResourceFamily:
    if not isinstance(shop, ResourceFamily):
        raise TypeError(type(shop).__name__)
    return shop
