"""How the shop looks before each write, for the test that loses its answer."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

from connectors.base.actions import ActionContext
from connectors.base.gate import OpenGate
from connectors.base.http import AddressPolicy, HttpPool
from connectors.nopcommerce.manifest import CONNECTOR
from sandbox.common.server import running
from sandbox.nopcommerce.standin import NopCommerce
from tests.connectors.lost_answers import Case
from tests.connectors.nopcommerce.shops import Memory, Shop

DIALECTS = ("A", "B", "C")
ORDER = {
    "customer": {"id": 2},
    "lines": [{"sku": "SKU-002", "quantity": 2}],
    "payment_method": "Payments.Manual",
    "shipping": {"method": "Ground", "price": "5.00"},
}
SOMEBODY = {"email": "jo@example.test", "first_name": "Jo", "last_name": "Tester"}


async def a_status(ctx):
    return {"order_id": "1", "status": "complete"}


async def a_note(ctx):
    return {"order_id": "1", "text": "Invoice 17", "reference": "effect-1"}


async def a_stock_level(ctx):
    return {"sku": "SKU-002", "quantity": 9, "reference": "effect-1"}


async def a_new_product(ctx):
    return {"sku": "NEW-1", "name": "New thing", "price": "4.50", "create_missing": True}


async def a_price(ctx):
    return {"sku": "SKU-002", "price": "12.34"}


async def a_new_customer(ctx):
    address = {"recipient": "Jo Tester", "line1": "5 New Road", "city": "Leeds", "country_code": "GB"}
    return {"customer": {**SOMEBODY, "address": address}}


async def a_changed_customer(ctx):
    action = CONNECTOR.action("get_customer")()
    known = await action.run(ctx, action.input(customer_id="3"))
    return {"customer": known.model_copy(update={"last_name": "Newname"}).model_dump()}


CASES: dict[str, list[Case]] = {
    "add_order_note": [Case(a_note, unless=("B", "C"))],
    "set_order_status": [Case(a_status)],
    "set_stock": [Case(a_stock_level)],
    "upsert_customer": [Case(a_new_customer), Case(a_changed_customer)],
    "upsert_product": [Case(a_new_product), Case(a_price)],
}


class ShopWorld:
    def __init__(self, shop: Shop, family: str) -> None:
        self._shop, self._family = shop, family

    def reset(self) -> None:
        self._shop.control("POST", "reset", {"seed": 1})
        self._shop.order(**ORDER)

    def faults(self, *rules: dict[str, Any]) -> None:
        self._shop.faults(*rules)

    def books(self) -> Any:
        """An address that was made and not attached to anybody is out of everybody's sight, but has used a number."""
        state = self._shop.control("GET", "state")
        for customer in state["customers"]:
            for address in [*customer["addresses"], customer["billing_address"], customer["shipping_address"]]:
                (address or {}).pop("id", None)
        return state

    @asynccontextmanager
    async def open(self, wrap):
        pool = HttpPool()
        view = self._shop.view(self._family, create_customers="true")
        try:
            client = CONNECTOR.open_client(wrap(pool.door(OpenGate(), AddressPolicy(allow=["127.0.0.1"]))), view)
            yield ActionContext(client, client.setup.account_id, {}, lambda: datetime.now(UTC), Memory())
        finally:
            await pool.close()


def worlds():
    """Yields a function from a dialect to a world, over one running stand-in."""
    standin = NopCommerce()
    with running(standin) as address, httpx.Client(base_url=address, timeout=10) as http:
        yield lambda family: ShopWorld(Shop(standin, http), family)
