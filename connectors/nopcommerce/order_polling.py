"""How orders are found again and again without an "updated on".

Every poll reads what is new (with an overlap) and the newest orders anyway, so that payment and refund of a fresh order
are seen at once. Older ones are re-read by sweeps: open orders continuously, everything of the last 60 days every
quarter of an hour, everything of the last 180 days once a day. A sweep reads a few pages per poll and goes on where it
stopped, so one poll stays short however large the shop is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.base.records import OrderStatus
from connectors.base.triggers import Observation
from connectors.nopcommerce.entities import ORDER_STATUSES, code_for
from connectors.nopcommerce.families.a import FamilyA
from connectors.nopcommerce.families.resource import ResourceFamily
from connectors.nopcommerce.fingerprints import order_fingerprint
from connectors.nopcommerce.shapes import OrderA, OrderShape

PAGE_SIZE = 100
OVERLAP = timedelta(minutes=10)
NEWEST_PAGES = 2
NEWEST_IDS = 200
MICROSECOND = timedelta(microseconds=1)
BOUND = timedelta(seconds=1)
"""Date bounds of B and C are strict: one second earlier includes the moment itself."""


@dataclass(frozen=True)
class Sweep:
    """``every`` counts from start to start; zero begins anew as soon as it is through."""

    name: str
    days: int
    every: timedelta
    pages_per_poll: int
    statuses: tuple[OrderStatus, ...] = ()


EVERYTHING = (
    Sweep("window", 60, timedelta(minutes=15), 5),
    Sweep("slow", 180, timedelta(days=1), 5),
)
OPEN_TOGETHER = (Sweep("open", 60, timedelta(0), 3, (OrderStatus.PENDING, OrderStatus.PROCESSING)),)
OPEN_APART = (
    Sweep("pending", 60, timedelta(0), 2, (OrderStatus.PENDING,)),
    Sweep("processing", 60, timedelta(0), 2, (OrderStatus.PROCESSING,)),
)

Position = dict[str, Any]


@dataclass(frozen=True)
class Stretch:
    """Some orders, oldest first. ``position`` is how far this has come; ``complete``: nothing older is left unread."""

    orders: Sequence[OrderShape]
    position: Position
    complete: bool = False


class OrderSource(ABC):
    """One family's way to page. Positions are JSON-able and opaque to the trigger."""

    sweeps: tuple[Sweep, ...]

    @abstractmethod
    def first(self, moment: datetime) -> Position:
        """Where to begin when nothing placed before ``moment`` matters."""

    @abstractmethod
    def newest(self, position: Position, began: datetime) -> AsyncIterator[Stretch]:
        """New orders since ``position`` and the newest ones again, oldest first."""

    @abstractmethod
    async def sweep_page(self, sweep: Sweep, position: Position | None, since: datetime) -> tuple[Stretch, bool]:
        """The next page of a sweep over orders placed since then. :returns: the page, and whether there are more."""

    @abstractmethod
    def between(self, position: Position | None, start: datetime, end: datetime) -> AsyncIterator[Stretch]:
        """Orders placed in [start, end), oldest first; the position's own record is repeated on resume."""


class NewestFirst(OrderSource):
    """Family A sorts newest first, and new rows shift the pages.

    So a page is never asked for by number: the next one ends (``createdTo``, inclusive) where the last one began. Rows
    that come or go meanwhile cannot hide others.
    """

    sweeps = (*OPEN_TOGETHER, *EVERYTHING)
    slice = timedelta(days=7)

    def __init__(self, shop: FamilyA) -> None:
        self.shop = shop

    def first(self, moment: datetime) -> Position:
        return {"watermark": moment.isoformat()}

    async def newest(self, position: Position, began: datetime) -> AsyncIterator[Stretch]:
        # The watermark is the newest order's own time, never our clock: the shop's clock may be behind ours.
        watermark = moment_of(position["watermark"])
        found, complete = await self._down_to(began, watermark - OVERLAP)
        for index, part in enumerate(chunks(found)):
            last = (index + 1) * PAGE_SIZE >= len(found)
            watermark = max(watermark, part[-1].created_on_utc)
            yield Stretch(part, {"watermark": watermark.isoformat()}, complete=complete and last)
        if not found:
            yield Stretch((), position, complete=True)

    async def _down_to(self, began: datetime, wanted: datetime) -> tuple[list[OrderA], bool]:
        """Read downwards until ``wanted`` is reached and the newest pages are read. :returns: ascending, exhausted?"""
        found: dict[int, OrderA] = {}
        before: datetime | None = None
        skip, pages = 0, 0
        while True:
            page = await self._page(began, before, skip)
            pages += 1
            found.update({order.id: order for order in page})
            if len(page) < PAGE_SIZE:
                return ascending(found.values()), True
            if page[-1].created_on_utc < wanted and pages >= NEWEST_PAGES:
                return ascending(found.values()), False
            before, skip = _step(before, skip, page)

    async def _page(
        self, since: datetime, before: datetime | None, skip: int, statuses: Sequence[OrderStatus] = ()
    ) -> list[OrderA]:
        found = await self.shop.search_orders(
            created_from=since,
            created_to=before,
            order_statuses=[code_for(ORDER_STATUSES, status) for status in statuses],
            page_index=skip,
            page_size=PAGE_SIZE,
        )
        return list(found.items)

    async def sweep_page(self, sweep: Sweep, position: Position | None, since: datetime) -> tuple[Stretch, bool]:
        before = moment_of(position["before"]) if position else None
        skip = int(position["skip"]) if position else 0
        page = await self._page(since, before, skip, sweep.statuses)
        if len(page) < PAGE_SIZE:
            return Stretch(ascending(page), {}), False
        before, skip = _step(before, skip, page)
        return Stretch(ascending(page), {"before": before.isoformat(), "skip": skip}), True

    async def between(self, position: Position | None, start: datetime, end: datetime) -> AsyncIterator[Stretch]:
        """By weeks, each read whole before its orders are handed on: they come newest first."""
        at = moment_of(position["at"]) if position else start
        while at < end:
            until = min(at + self.slice, end)
            orders = [order for order in await self._slice(at, until) if order.created_on_utc < end]
            for part in chunks(orders):
                yield Stretch(part, {"at": part[-1].created_on_utc.isoformat()})
            yield Stretch((), {"at": until.isoformat()}, complete=until >= end)
            at = until

    async def _slice(self, start: datetime, until: datetime) -> list[OrderA]:
        found: dict[int, OrderA] = {}
        before, skip = until, 0
        while True:
            page = await self._page(start, before, skip)
            found.update({order.id: order for order in page})
            if len(page) < PAGE_SIZE:
                return ascending(found.values())
            before, skip = _step(before, skip, page)


def _step(before: datetime | None, skip: int, page: Sequence[OrderA]) -> tuple[datetime, int]:
    """The next page ends where this one began; only where a whole page shares one moment is it counted on.

    A microsecond later, because the shop may keep a digit more than we do.
    """
    upper = page[-1].created_on_utc + MICROSECOND
    return upper, (skip + 1 if upper == before else 0)


class ById(OrderSource):
    """Families B and C sort by id, ascending, from an id on: the safest cursor there is.

    Ids can be committed out of order, and fresh orders change soon: the newest ids are always read again.
    """

    sweeps = (*OPEN_APART, *EVERYTHING)

    def __init__(self, shop: ResourceFamily) -> None:
        self.shop = shop

    def first(self, moment: datetime) -> Position:
        return {"last_id": 0}

    async def newest(self, position: Position, began: datetime) -> AsyncIterator[Stretch]:
        last_id = int(position["last_id"])
        since_id = first_id = max(0, last_id - NEWEST_IDS)
        while True:
            page = await self.shop.orders_after(since_id, created_after=began - BOUND)
            last_id = max([last_id, *(order.id for order in page)])
            more = len(page) >= PAGE_SIZE and page[-1].id > since_id
            yield Stretch(page, {"last_id": last_id}, complete=not more and first_id == 0)
            if not more:
                return
            since_id = page[-1].id

    async def sweep_page(self, sweep: Sweep, position: Position | None, since: datetime) -> tuple[Stretch, bool]:
        since_id = int(position["since_id"]) if position else 0
        status = sweep.statuses[0] if sweep.statuses else None
        page = await self.shop.orders_after(since_id, created_after=since - BOUND, status=status)
        if len(page) < PAGE_SIZE or page[-1].id <= since_id:
            return Stretch(page, {}), False
        return Stretch(page, {"since_id": page[-1].id}), True

    async def between(self, position: Position | None, start: datetime, end: datetime) -> AsyncIterator[Stretch]:
        since_id = int(position["since_id"]) if position else 0
        while True:
            page = await self.shop.orders_after(since_id, created_after=start - BOUND, created_before=end)
            more = len(page) >= PAGE_SIZE and page[-1].id > since_id
            since_id = page[-1].id if page else since_id
            wanted = [order for order in page if start <= order.created_on_utc < end]
            yield Stretch(wanted, {"since_id": since_id}, complete=not more)
            if not more:
                return


def ascending(orders: Any) -> list[OrderA]:
    return sorted(orders, key=lambda order: (order.created_on_utc, order.id))


def chunks(orders: Sequence[OrderA]) -> list[Sequence[OrderA]]:
    return [orders[start : start + PAGE_SIZE] for start in range(0, len(orders), PAGE_SIZE)]


def moment_of(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def observe(order: OrderShape) -> Observation:
    number = order.custom_order_number.strip() if isinstance(order, OrderA) else ""
    return Observation(
        record_type="order",
        record_id=str(order.id),
        fingerprint=order_fingerprint(order),
        label=number or str(order.id),
        occurred_at=order.created_on_utc,
    )
