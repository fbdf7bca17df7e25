"""Family A: the official Web API plug-in. One route per service method, flat rows, numbers for statuses.

Description: version 1.06 of the plug-in's own OpenAPI document. Reading several rows for one order is the price of its
style; they are read side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from connectors.base.errors import NeedsAttention, Rejected
from connectors.base.records import OrderStatus, Tender, TenderKind
from connectors.nopcommerce.arithmetic import by_formula, rounding_slack
from connectors.nopcommerce.attributes import combination_for
from connectors.nopcommerce.entities import (
    ORDER_STATUSES,
    PAYMENT_STATUSES,
    SHIPPING_STATUSES,
    CustomerParts,
    LineParts,
    OrderParts,
    code_for,
    without_cards,
)
from connectors.nopcommerce.families.a_customers import CustomersOfA
from connectors.nopcommerce.families.a_stock import StockOfA
from connectors.nopcommerce.families.a_wire import as_utc_text
from connectors.nopcommerce.families.base import FAST_FACTS_SECONDS, ShopFacts
from connectors.nopcommerce.refusals import PLUGIN_MISSING
from connectors.nopcommerce.setup import Family
from connectors.nopcommerce.shapes import (
    CombinationShape,
    CurrencyShape,
    GiftCardUseShape,
    OrderA,
    OrderItemShape,
    OrderNoteShape,
    OrdersPage,
    RewardPointsShape,
    StoreShape,
    parse,
    parse_all,
)

MOST_CURRENCIES_ASKED = 20
PROBE_AMOUNT = 10_000


class FamilyA(CustomersOfA, StockOfA):
    """Orders and the shop itself; customers and stock are in the modules beside this one."""

    family = Family.A

    async def facts(self) -> ShopFacts:
        stores = parse_all(
            StoreShape, await self.calls.read("Store/GetAll", operation="GET Store/GetAll", what="Stores"), "Stores"
        )
        # The permission to read orders is another one than to sign in, so the test asks for one of them.
        await self.search_orders(page_size=1)
        wanted = self.setup.store_id
        if wanted and wanted not in {store.id for store in stores}:
            raise NeedsAttention(
                f"The shop has no store with the number {wanted}.", code="store_missing", field="store_id"
            )
        store = next((store for store in stores if not wanted or store.id == wanted), None)
        return ShopFacts(store.name if store else "", await self._primary_currency())

    async def _primary_currency(self) -> str:
        """No route names it.

        Converting to it leaves an amount unchanged for itself, and for currencies of equal rate.
        """
        body = await self.calls.read(
            "Currency/GetAll",
            operation="GET Currency/GetAll",
            what="Currencies",
            params={"showHidden": True},
        )
        found = parse_all(CurrencyShape, body.get("items") if isinstance(body, dict) else None, "Currencies")
        found = found[:MOST_CURRENCIES_ASKED]
        if len(found) == 1:
            return found[0].currency_code.upper()
        converted = await asyncio.gather(*(self._converted(currency.id) for currency in found))
        same = [each for each, amount in zip(found, converted, strict=True) if amount == PROBE_AMOUNT]
        return same[0].currency_code.upper() if len(same) == 1 else ""

    async def _converted(self, currency_id: int) -> Any | None:
        """None where this version of the plug-in has no such route: then the connection's setting has to tell."""
        try:
            return await self.calls.read(
                f"Currency/ConvertToPrimaryStoreCurrency/{currency_id}",
                operation="GET Currency/ConvertToPrimaryStoreCurrency",
                what="Primary currency",
                params={"amount": PROBE_AMOUNT},
            )
        except NeedsAttention as missing:
            if missing.code != PLUGIN_MISSING:
                raise
            return None

    # Orders -----------------------------------------------------------------------------------------------------------

    async def search_orders(
        self,
        *,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        order_statuses: Iterable[int] = (),
        page_index: int = 0,
        page_size: int = 100,
    ) -> OrdersPage:
        """Newest first, both bounds included, deleted ones left out."""
        body = await self.calls.read(
            "Order/Search",
            operation="GET Order/Search",
            what="Orders",
            params={
                "storeId": self.setup.store_id or None,
                "createdFromUtc": as_utc_text(created_from),
                "createdToUtc": as_utc_text(created_to),
                "osIds": ";".join(map(str, order_statuses)) or None,
                "pageIndex": page_index,
                "pageSize": page_size,
            },
        )
        return parse(OrdersPage, body, "Orders")

    async def order(self, order_id: int) -> OrderParts | None:
        row = await self._order_row(order_id)
        if row is None:
            return None
        header = parse(OrderA, row, f"Order {order_id}")
        lines, customer, tenders = await asyncio.gather(
            self._lines(order_id), self._order_customer(header), self._tenders(header)
        )
        return OrderParts(
            header=header,
            number=header.custom_order_number.strip() or str(header.id),
            external_key=header.order_guid,
            status=_known(ORDER_STATUSES, header.order_status_id, order_id),
            payment_status=_known(PAYMENT_STATUSES, header.payment_status_id, order_id),
            fulfilment_status=SHIPPING_STATUSES.get(header.shipping_status_id, ""),
            lines=tuple(lines),
            customer=customer,
            tenders=tuple(tenders),
        )

    async def _order_row(self, order_id: int) -> dict[str, Any] | None:
        row = await self.calls.read(
            f"Order/GetById/{order_id}", operation="GET Order/GetById", what=f"Order {order_id}"
        )
        return row if isinstance(row, dict) else None

    async def _lines(self, order_id: int) -> list[LineParts]:
        body = await self.calls.read(
            f"OrderItem/GetOrderItems/{order_id}",
            operation="GET OrderItem/GetOrderItems",
            what=f"Lines of order {order_id}",
        )
        items = parse_all(OrderItemShape, body, f"Lines of order {order_id}")
        products = await self.products_by_id({item.product_id for item in items})
        combinations = await asyncio.gather(
            *(self.combinations(item.product_id) if item.attributes_xml.strip() else _nothing() for item in items)
        )
        return [
            LineParts(item, products.get(item.product_id), combination_for(item, found))
            for item, found in zip(items, combinations, strict=True)
        ]

    async def _order_customer(self, header: OrderA) -> CustomerParts:
        """People order as guests without an e-mail of their own; names of registered ones are generic attributes."""
        same = header.shipping_address_id == header.billing_address_id
        billing, delivery, known = await asyncio.gather(
            self.address(header.billing_address_id),
            _none() if same else self.address(header.shipping_address_id),
            self.memory(f"customer:{header.customer_id}", FAST_FACTS_SECONDS, lambda: self.person(header.customer_id)),
        )
        delivery = billing if same else delivery
        shape, names = known
        return CustomerParts(
            shape=shape,
            guest=shape is None or not shape.email.strip(),
            names=names,
            billing=billing,
            delivery=delivery,
            billing_address=await self.printed(billing),
            delivery_address=await self.printed(delivery),
        )

    async def _tenders(self, header: OrderA) -> list[Tender]:
        """Gift cards and points, by the shop's own bookkeeping.

        Not asked for where nothing is missing from the total.
        """
        missing = by_formula(header) - header.order_total
        if missing <= rounding_slack(header) and not header.redeemed_reward_points_entry_id:
            return []
        cards, points = await asyncio.gather(
            self._gift_card_uses(header.id), self._points(header.redeemed_reward_points_entry_id)
        )
        return [
            *(
                Tender(kind=TenderKind.GIFT_CARD, amount=use.used_value, reference=f"gift-card-{use.id}")
                for use in cards
            ),
            *(
                Tender(kind=TenderKind.REWARD_POINTS, amount=use.used_amount, reference=f"points-{use.id}")
                for use in points
            ),
        ]

    async def _gift_card_uses(self, order_id: int) -> list[GiftCardUseShape]:
        body = await self.calls.read(
            f"GiftCardUsageHistory/GetGiftCardUsageHistoryByOrder/{order_id}",
            operation="GET GiftCardUsageHistory/GetGiftCardUsageHistoryByOrder",
            what=f"Gift cards of order {order_id}",
        )
        return [use for use in parse_all(GiftCardUseShape, body, "Gift cards") if use.used_value]

    async def _points(self, entry_id: int | None) -> list[RewardPointsShape]:
        if not entry_id:
            return []
        body = await self.calls.read(
            f"RewardPointsHistory/GetById/{entry_id}",
            operation="GET RewardPointsHistory/GetById",
            what="Reward points",
        )
        return [parse(RewardPointsShape, body, "Reward points")] if body else []

    async def order_status(self, order_id: int) -> OrderStatus | None:
        row = await self._order_row(order_id)
        return _known(ORDER_STATUSES, row.get("order_status_id"), order_id) if row else None

    async def write_order_status(self, order_id: int, status: OrderStatus) -> None:
        """Cancelling goes through the shop's own processing (stock comes back); other statuses are a PUT of the row."""
        if status is OrderStatus.CANCELLED:
            await self.calls.write(
                "GET",
                f"OrderProcessing/CancelOrder/{order_id}",
                operation="GET OrderProcessing/CancelOrder",
                what=f"Cancelling order {order_id}",
                params={"notifyCustomer": False},
            )
            return
        row, held_cards = without_cards(await self._order_row(order_id) or {})
        if held_cards:
            # A PUT overwrites the whole row: without the card members it would wipe them, and we never handle those.
            raise Rejected(
                f"Order {order_id} carries stored card data, so its status cannot be set from outside.",
                code="card_data_stored",
                cure="Set the status in the shop.",
            )
        await self.calls.write(
            "PUT",
            "Order/Update",
            operation="PUT Order/Update",
            what=f"Status of order {order_id}",
            body={**row, "order_status_id": code_for(ORDER_STATUSES, status)},
        )

    async def order_notes(self, order_id: int) -> list[tuple[int, str]]:
        body = await self.calls.read(
            f"OrderNote/GetOrderNotesByOrderId/{order_id}",
            operation="GET OrderNote/GetOrderNotesByOrderId",
            what=f"Notes of order {order_id}",
        )
        return [(note.id, note.note) for note in parse_all(OrderNoteShape, body, "Notes")]

    async def add_order_note(self, order_id: int, text: str) -> int:
        body = await self.calls.write(
            "POST",
            "OrderNote/Create",
            operation="POST OrderNote/Create",
            what=f"Note on order {order_id}",
            body={
                "order_id": order_id,
                "note": text,
                "download_id": 0,
                "display_to_customer": False,
                "created_on_utc": as_utc_text(self.now()),
                "id": 0,
            },
        )
        return parse(OrderNoteShape, body, "Note").id


def _known(statuses: Mapping[int, Any], number: Any, order_id: int) -> Any:
    if number not in statuses:
        raise Rejected(
            f"Order {order_id} has the status number {number}, which no nopCommerce version documents.",
            code="unexpected_shape",
        )
    return statuses[number]


async def _nothing() -> list[CombinationShape]:
    return []


async def _none() -> None:
    return None
