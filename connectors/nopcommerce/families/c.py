"""Family C: “API for nopCommerce” by stepanbenes, shop versions 4.5 to 4.80.

As B, with countries and without webhooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.base.errors import Rejected
from connectors.nopcommerce.families.base import SLOW_FACTS_SECONDS, ShopFacts
from connectors.nopcommerce.families.resource import ResourceFamily
from connectors.nopcommerce.setup import Family
from connectors.nopcommerce.shapes import CountryShape, StoreShape, parse_all


class FamilyC(ResourceFamily):
    family = Family.C

    async def facts(self) -> ShopFacts:
        await super().facts()
        stores = await self.list_rows("stores")
        names = [
            store.name
            for store in parse_all(StoreShape, stores, "Stores")
            if store.id == (self.setup.store_id or store.id)
        ]
        return ShopFacts(names[0] if names else "")

    async def countries(self) -> Mapping[int, CountryShape]:
        return await self.memory("countries", SLOW_FACTS_SECONDS, self._countries)

    async def _countries(self) -> dict[int, CountryShape]:
        rows = await self.list_rows("countries", limit=250)
        return {country.id: country for country in parse_all(CountryShape, rows, "Countries")}

    def kept_members(self, row: Mapping[str, Any], order_id: int) -> dict[str, Any]:
        """Both addresses too: without them this plug-in's PUT fails with a 500."""
        addresses = {name: row.get(name) for name in ("billing_address", "shipping_address")}
        if not all(addresses.values()):
            raise Rejected(
                f"Order {order_id} has no delivery address; the shop's plug-in cannot change its status then.",
                code="not_supported",
                cure="Set the status in the shop.",
            )
        return {**super().kept_members(row, order_id), **addresses}
