"""Family B: “API plugin for nopCommerce” by SevenSpikes, shop versions 3.80 to 4.20. Some branches send webhooks."""

from __future__ import annotations

from connectors.nopcommerce.families.resource import ResourceFamily
from connectors.nopcommerce.setup import Family

WEBHOOK_FILTERS = (
    "orders/create",
    "orders/update",
    "orders/delete",
    "customers/create",
    "customers/update",
    "products/create",
    "products/update",
)


class FamilyB(ResourceFamily):
    family = Family.B

    async def has_webhooks(self) -> bool:
        """The code is commented out in the branches for 4.10 and 4.20: only asking tells."""
        return await self.calls.status_of("webhooks/filters", operation="GET /api/webhooks/filters") == 200
