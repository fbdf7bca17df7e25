"""What can start a flow: orders, past orders, customers, products. All of them poll.

Family B's hooks only hurry them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from connectors.base.actions import ActionContext
from connectors.base.errors import Misconfigured
from connectors.base.triggers import Page, PollTrigger
from connectors.nopcommerce.families.a import FamilyA
from connectors.nopcommerce.families.base import ShopFamily
from connectors.nopcommerce.families.resource import ResourceFamily
from connectors.nopcommerce.listing import CustomerLister, Lister, ProductLister
from connectors.nopcommerce.order_polling import (
    OVERLAP,
    ById,
    NewestFirst,
    OrderSource,
    Stretch,
    Sweep,
    moment_of,
    observe,
)
from connectors.nopcommerce.reads import client_of

Cursor = dict[str, Any]


def source_for(shop: ShopFamily) -> OrderSource:
    if isinstance(shop, FamilyA):
        return NewestFirst(shop)
    if isinstance(shop, ResourceFamily):
        return ById(shop)
    raise TypeError(type(shop).__name__)


class Orders(PollTrigger):
    """New and changed orders.

    Emitted twice: everything within the overlap (10 minutes; the newest 200 orders) and within a sweep, always with the
    same fingerprint while the order is unchanged. Not seen at all: an address edited in place (family A, until
    something else of the order changes) and soft deletion by the shop's staff, which leaves the lists.

    The first poll begins 10 minutes before ``ctx.now()``; orders placed earlier are followed only from the connection's
    setting ``follow_orders_from`` on.

    Cursor: ``{"family", "began", "position", "sweeps": {name: {"started", "position"}}}``.
    """

    key, title, record_type = "orders", "Order placed or changed", "order"
    interval_seconds = 15.0

    async def read(self, ctx: ActionContext, cursor: Cursor | None) -> AsyncIterator[Page]:
        shop = await client_of(ctx).shop(ctx)
        source = source_for(shop)
        state = _resume(shop, source, cursor, ctx.now())
        complete = False
        async for stretch in source.newest(state["position"], moment_of(state["began"])):
            state = {**state, "position": stretch.position}
            complete = stretch.complete
            yield _page(stretch, state)
        if complete:  # everything since the beginning has just been read
            return
        for sweep in source.sweeps:
            async for stretch, progress in _run_sweep(source, sweep, state, ctx.now()):
                state = {**state, "sweeps": {**state["sweeps"], sweep.name: progress}}
                yield _page(stretch, state)


def _resume(shop: ShopFamily, source: OrderSource, cursor: Cursor | None, now: datetime) -> Cursor:
    """Another plug-in pages otherwise: with it everything since the beginning is read once more."""
    began = shop.setup.follow_orders_from
    start = shop.setup.start_of_day(began) if began else now - OVERLAP
    if cursor is None:
        fresh = {sweep.name: {"started": now.isoformat(), "position": None} for sweep in source.sweeps}
        return _cursor(shop, start, source.first(start), fresh)
    began_at = min(start, moment_of(cursor["began"]))
    if cursor["family"] != shop.family.value:
        return _cursor(shop, began_at, source.first(began_at), {})
    return _cursor(shop, began_at, cursor["position"], cursor.get("sweeps", {}))


def _cursor(shop: ShopFamily, began: datetime, position: dict[str, Any], sweeps: dict[str, Any]) -> Cursor:
    return {"family": shop.family.value, "began": began.isoformat(), "position": position, "sweeps": sweeps}


async def _run_sweep(
    source: OrderSource, sweep: Sweep, state: Cursor, now: datetime
) -> AsyncIterator[tuple[Stretch, dict[str, Any]]]:
    progress = state["sweeps"].get(sweep.name) or {"started": None, "position": None}
    position, started = progress["position"], progress["started"]
    if position is None:
        if started and now - moment_of(started) < sweep.every:
            return
        started = now.isoformat()
    since = max(moment_of(state["began"]), now - timedelta(days=sweep.days))
    for _ in range(sweep.pages_per_poll):
        stretch, more = await source.sweep_page(sweep, position, since)
        position = stretch.position if more else None
        yield stretch, {"started": started, "position": position}
        if not more:
            return


def _page(stretch: Stretch, cursor: Cursor) -> Page:
    return Page(tuple(observe(order) for order in stretch.orders), cursor)


class PastOrders(PollTrigger):
    """Orders placed on the days from ``from`` to ``to`` (both included, in the shop's time zone), oldest first, once.

    The days come from the first cursor ``{"from": "2026-01-01", "to": "2026-01-31"}`` or from the settings
    ``past_from`` and ``past_to``. Emitted twice: the last record before an interruption. The last page's cursor holds
    ``"finished": true``; reading on from it yields nothing.

    :raises Misconfigured: no days are given.
    """

    key, title, record_type = "past_orders", "Past orders", "order"
    bounded = True

    async def read(self, ctx: ActionContext, cursor: Cursor | None) -> AsyncIterator[Page]:
        state = dict(cursor or {"from": ctx.settings.get("past_from"), "to": ctx.settings.get("past_to")})
        if not (state.get("from") and state.get("to")):
            raise Misconfigured("past_orders needs the days from and to")
        if state.get("finished"):
            return
        shop = await client_of(ctx).shop(ctx)
        start = shop.setup.start_of_day(date.fromisoformat(str(state["from"])))
        end = shop.setup.start_of_day(date.fromisoformat(str(state["to"])) + timedelta(days=1))
        async for stretch in source_for(shop).between(state.get("position"), start, end):
            state = {**state, "position": stretch.position, "finished": stretch.complete}
            yield _page(stretch, state)


class _Listed(PollTrigger):
    """Records found by paging through a list: new ones at every poll, all of them by a sweep."""

    pages_per_poll = 5
    sweep_every = timedelta(hours=1)

    def lister(self, shop: ShopFamily) -> Lister:
        raise NotImplementedError

    async def read(self, ctx: ActionContext, cursor: Cursor | None) -> AsyncIterator[Page]:
        shop = await client_of(ctx).shop(ctx)
        lister, now = self.lister(shop), ctx.now()
        state = cursor if cursor and cursor["family"] == shop.family.value else _fresh(shop, cursor, now)
        since = moment_of(state["began"])
        found, newest = await lister.newest(state["newest"], since)
        state = {**state, "newest": newest}
        yield Page(tuple(found), state)
        if state["position"] is None:
            if state["started"] and now - moment_of(state["started"]) < self.sweep_every:
                return
            state = {**state, "started": now.isoformat()}
        for _ in range(self.pages_per_poll):
            found, position = await lister.page(state["position"], since)
            state = {**state, "position": position}
            yield Page(tuple(found), state)
            if position is None:
                return


def _fresh(shop: ShopFamily, cursor: Cursor | None, now: datetime) -> Cursor:
    began = cursor["began"] if cursor else (now - OVERLAP).isoformat()
    return {"family": shop.family.value, "began": began, "newest": None, "started": None, "position": None}


class Customers(_Listed):
    """Registered customers, new or changed; guests never.

    New ones are seen at the next poll, changes within an hour. Emitted twice: everything a sweep meets again, with the
    same fingerprint while unchanged. In family A the list holds no names, so each customer who was active since the
    last sweep is emitted, changed or not; an edit by the shop's staff shows only after the customer's next visit.
    Customers
    neither created nor active since the first poll are left out.
    """

    key, title, record_type = "customers", "Customer registered or changed", "customer"
    interval_seconds = 60.0

    def lister(self, shop: ShopFamily) -> Lister:
        return CustomerLister(shop)


class Products(_Listed):
    """Products whose name, SKU, price, quantity or visibility changed.

    Also by an order, which no date in the shop shows: quantities are compared.

    The first pass emits every product once. Emitted twice: everything, with the same fingerprint while unchanged.
    """

    key, title, record_type = "products", "Product, price or stock changed", "product"
    interval_seconds = 60.0
    sweep_every = timedelta(0)

    def lister(self, shop: ShopFamily) -> Lister:
        return ProductLister(shop)


TRIGGERS: Sequence[type[PollTrigger]] = (Orders, PastOrders, Customers, Products)
