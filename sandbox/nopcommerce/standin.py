"""The stand-in for one nopCommerce shop with the API plug-ins of three families."""

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.common.standin import StandIn
from sandbox.nopcommerce import html_pages, webhooks
from sandbox.nopcommerce.control import Control
from sandbox.nopcommerce.customers import is_guest
from sandbox.nopcommerce.family_a.call import PREFIX, problem
from sandbox.nopcommerce.family_a.plugin import plugin_routes
from sandbox.nopcommerce.family_bc.dtos import View
from sandbox.nopcommerce.family_bc.plugin import Plugins
from sandbox.nopcommerce.pages import Pages
from sandbox.nopcommerce.plugins import PluginState
from sandbox.nopcommerce.row import Row
from sandbox.nopcommerce.seeding import seed_shop
from sandbox.nopcommerce.settings import DECLARED
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Customer
from sandbox.nopcommerce.truth import order_state


class NopCommerce(StandIn):
    """One shop per process; ``store_id`` and ``store_name`` tell two shops with equal order numbers apart."""

    key = "nopcommerce"
    title = "nopCommerce"
    declared_settings = DECLARED
    own_fault_kinds = html_pages.FAULT_KINDS
    other_fault_kinds = webhooks.FAULT_KINDS
    program_options: Mapping[str, Mapping[str, Any]] = {
        "store_id": {"type": int, "default": 1, "help": "id of the store (default 1)"},
        "store_name": {"default": "Harbour & Hearth", "help": "name of the store"},
    }

    def __init__(self, *, seed: int = 1, store_id: int = 1, store_name: str = "Harbour & Hearth") -> None:
        super().__init__(seed=seed)
        self.store_id, self.store_name = store_id, store_name
        self.sender = webhooks.WebhookSender(self.settings, lambda: self.faults, lambda: self.plugins.registrations)
        self.awake_at = time.monotonic()
        self.reset(seed)

    def reset(self, seed: int) -> None:
        self.shop = Shop(seed=seed, settings=self.settings)
        seed_shop(self.shop, store_id=self.store_id, store_name=self.store_name)
        self.plugins = PluginState.fresh(seed)
        self.sender.forget()
        self._listen()

    def dump(self) -> Any:
        return {
            "shop": self.shop.dump(),
            "plugins": self.plugins.dump(),
            "settings": self.settings.as_json(),
            "deliveries": self.sender.deliveries(),
        }

    def restore(self, stored: Any) -> None:
        self.settings.patch(stored["settings"])
        self.shop.restore(stored["shop"])
        self.plugins = PluginState.restored(stored["plugins"])
        self.sender.restore(stored["deliveries"])

    def state(self) -> Any:
        shop, view = self.shop, View(self.shop)
        return {
            "store": {"id": shop.store.id, "name": shop.store.name},
            "customers": [view.customer(row) | {"is_guest": is_guest(shop, row)} for row in shop.customers.all()],
            "products": [view.product(row) for row in shop.products.all()],
            "combinations": shop.combinations.all(),
            "warehouse_stock": shop.warehouse_stock.all(),
            "orders": [order_state(shop, order) for order in shop.orders.all()],
            "gift_cards": shop.gift_cards.all(),
            "gift_card_usage": shop.gift_card_usage.all(),
            "reward_points": shop.points.all(),
            "shipments": shop.shipments.all(),
            "return_requests": shop.return_requests.all(),
        }

    def routes(self) -> list[web.AbstractRouteDef]:
        plugins = Plugins(lambda: self.shop, lambda: self.plugins, self.sender.echo)
        return [
            *Control(self).routes(),
            *Pages(self).routes(),
            *plugin_routes(lambda: self.shop, lambda: self.plugins.secret),
            *plugins.routes(),
        ]

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.append(self._around_the_shop)
        return app

    async def started(self) -> None:
        await self.sender.start()

    async def stopping(self) -> None:
        await self.sender.stop()

    def error_answer(self, request: web.Request, status: int, text: str | None = None) -> web.Response:
        if status == HTTPStatus.NOT_FOUND:
            return html_pages.not_found()
        if request.path.startswith(PREFIX):
            return problem(status, text or HTTPStatus(status).phrase, request.path)
        if request.path.startswith("/api/") and status == HTTPStatus.BAD_REQUEST:
            # What family B says of an exception it did not expect in a GET.
            message = text or "please, contact the store owner"
            return web.json_response({"errors": {"internal_server_error": [message]}}, status=status)
        phrase = HTTPStatus(status).phrase
        return html_pages.shop_page(phrase, text or "The request could not be completed.", status)

    def _listen(self) -> None:
        self.shop.listeners.append(self._publish)

    def _publish(self, event: str, row: Row) -> None:
        if isinstance(row, Customer) and is_guest(self.shop, row):
            return  # family B sends nothing about guests
        if "B" in self.settings["families"] and self.settings["webhooks"]:
            self.sender.publish(event, row.id, lambda: View(self.shop).event_item(event, row))

    @web.middleware
    async def _around_the_shop(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A sleeping application pool first wakes up; the official plug-in may not be installed; changes are kept."""
        if request.path.startswith("/control/") or request.path == "/":
            return await self._keeping(request, handler)
        await self._wake_up()
        if request.path.startswith((PREFIX, "/api/index.html")) and "A" not in self.settings["families"]:
            raise web.HTTPNotFound
        return await self._keeping(request, handler)

    async def _wake_up(self) -> None:
        """Everyone who calls during the start waits for its end; ``awake_at`` is that end or the latest call."""
        idle, now = self.settings["application_pool_idle_seconds"], time.monotonic()
        if idle and now - self.awake_at >= idle:
            self.awake_at = now + self.settings["cold_start_seconds"]
        self.awake_at = max(self.awake_at, now)
        if self.awake_at > now:
            await asyncio.sleep(self.awake_at - now)

    async def _keeping(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            # The official plug-in changes state by GET, so the method alone does not tell.
            if request.method not in ("GET", "HEAD") or request.path.startswith(PREFIX):
                self.changed()
