"""Polling: nothing is missed, oldest first, whatever happens between two pages."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base.errors import Misconfigured
from connectors.nopcommerce.order_polling import NewestFirst
from connectors.nopcommerce.shapes import OrderA, OrdersPage
from tests.connectors.nopcommerce.shops import Facing, Shop

FAMILIES = ["A", "B", "C"]


def poll(shop: Shop, family: str, trigger: str, cursor: Any = None, **settings: Any) -> tuple[list[Any], Any]:
    return shop.face(family, lambda facing: facing.poll(trigger, cursor), **settings)


def ids(seen: list[Any]) -> list[int]:
    return [int(each.record_id) for each in seen]


def past(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("family", FAMILIES)
class TestOrders:
    def test_first_poll_begins_now(self, shop: Shop, family: str) -> None:
        shop.order(created_at=past(hours=1))
        fresh = shop.order()
        seen, cursor = poll(shop, family, "orders")
        assert ids(seen) == [fresh["id"]]
        assert cursor["family"] == family

    def test_new_orders_come_oldest_first(self, shop: Shop, family: str) -> None:
        _, cursor = poll(shop, family, "orders")
        placed = [shop.order()["id"] for _ in range(3)]
        seen, cursor = poll(shop, family, "orders", cursor)
        assert ids(seen) == placed
        assert [each.label for each in seen] == [str(number) for number in placed]

    def test_unchanged_order_keeps_its_fingerprint_and_changed_one_does_not(self, shop: Shop, family: str) -> None:
        placed = shop.order()
        seen, cursor = poll(shop, family, "orders")
        again, cursor = poll(shop, family, "orders", cursor)
        assert again == seen
        prints = {seen[0].fingerprint}
        for change, body in (("pay", {}), ("refund", {"amount": "1.00"}), ("cancel", {})):
            shop.control("POST", f"orders/{placed['id']}/{change}", body)
            changed, cursor = poll(shop, family, "orders", cursor)
            assert ids(changed) == [placed["id"]]
            prints.add(changed[0].fingerprint)
        assert len(prints) == 4

    def test_edited_lines_change_the_fingerprint(self, shop: Shop, family: str) -> None:
        placed = shop.order()
        seen, cursor = poll(shop, family, "orders")
        shop.control("POST", f"orders/{placed['id']}/edit", {"lines": [{"sku": "SKU-002", "quantity": 5}]})
        changed, _ = poll(shop, family, "orders", cursor)
        assert changed[0].fingerprint != seen[0].fingerprint

    def test_order_committed_late_is_inside_the_overlap(self, shop: Shop, family: str) -> None:
        shop.order()
        _, cursor = poll(shop, family, "orders")
        late = shop.order(created_at=past(minutes=5))
        seen, _ = poll(shop, family, "orders", cursor)
        assert late["id"] in ids(seen)

    def test_old_open_orders_are_followed_from_the_day_set(self, shop: Shop, family: str) -> None:
        old = shop.order(created_at=past(days=20))
        settings = {"follow_orders_from": (datetime.now(UTC) - timedelta(days=30)).date().isoformat()}
        seen, cursor = poll(shop, family, "orders", **settings)
        assert old["id"] in ids(seen)
        shop.control("POST", f"orders/{old['id']}/pay")
        changed, _ = poll(shop, family, "orders", cursor, **settings)
        assert {each.fingerprint for each in changed if each.record_id == str(old["id"])} != {seen[0].fingerprint}

    def test_another_plug_in_goes_on_where_the_last_one_was(self, shop: Shop, family: str) -> None:
        other = "C" if family == "A" else "A"
        placed = shop.order()
        _, cursor = poll(shop, other, "orders")
        seen, cursor = poll(shop, family, "orders", cursor)
        assert ids(seen) == [placed["id"]] and cursor["family"] == family


class TestLargeShop:
    """Hundreds of orders, some far back: sweeps see what the newest pages do not."""

    @pytest.fixture
    def orders(self, shop: Shop) -> list[int]:
        placed = [shop.order(created_at=past(days=100))["id"]]
        placed += [shop.order(created_at=past(days=50, minutes=-number))["id"] for number in range(230)]
        return placed

    @pytest.mark.parametrize("family", FAMILIES)
    def test_every_order_is_seen_and_old_changes_within_some_polls(
        self, shop: Shop, family: str, orders: list[int]
    ) -> None:
        settings = {"follow_orders_from": (datetime.now(UTC) - timedelta(days=150)).date().isoformat()}
        seen, cursor = poll(shop, family, "orders", **settings)
        # Families B and C read all from the beginning; A begins at the newest and leaves the rest to its sweeps.
        prints = {each.record_id: each.fingerprint for each in seen}
        target = orders[5]
        shop.control("POST", f"orders/{target}/pay")
        found: set[str] = set()
        for _ in range(4):
            seen, cursor = poll(shop, family, "orders", cursor, **settings)
            found |= {str(each.fingerprint) for each in seen if each.record_id == str(target)}
        assert found - {prints.get(str(target))}, "the change of an old open order was not noticed"

    @pytest.mark.parametrize("family", FAMILIES)
    def test_slow_sweep_finds_a_late_refund(self, shop: Shop, family: str, orders: list[int]) -> None:
        settings = {"follow_orders_from": (datetime.now(UTC) - timedelta(days=150)).date().isoformat()}
        shop.control("POST", f"orders/{orders[0]}/pay")
        shop.control("POST", f"orders/{orders[0]}/ship", {})
        shop.control("POST", f"orders/{orders[0]}/deliver", {})
        _, cursor = poll(shop, family, "orders", **settings)
        shop.control("POST", f"orders/{orders[0]}/refund", {"amount": "1"})
        quiet, cursor = poll(shop, family, "orders", cursor, **settings)
        assert orders[0] not in ids(quiet)  # complete and beyond 60 days
        later = datetime.now(UTC) + timedelta(days=1, minutes=1)
        shop.now = lambda: later
        found: list[int] = []
        for _ in range(3):
            seen, cursor = poll(shop, family, "orders", cursor, **settings)
            found += ids(seen)
        assert orders[0] in found

    @pytest.mark.parametrize("family", FAMILIES)
    def test_past_orders_are_bounded_oldest_first_and_resumable(
        self, shop: Shop, family: str, orders: list[int]
    ) -> None:
        first = (datetime.now(UTC) - timedelta(days=52)).date().isoformat()
        last = (datetime.now(UTC) - timedelta(days=48)).date().isoformat()

        async def pages(facing: Facing, cursor: Any) -> list[Any]:
            from connectors.nopcommerce.triggers import PastOrders

            return [page async for page in PastOrders().read(facing.ctx, cursor)]

        whole = shop.face(family, lambda facing: pages(facing, {"from": first, "to": last}))
        numbers = [int(each.record_id) for page in whole for each in page.observations]
        assert sorted(set(numbers)) == sorted(orders[1:]) and len(numbers) == len(orders) - 1
        when = [each.occurred_at for page in whole for each in page.observations]
        if family == "A":
            assert when == sorted(when)
        assert whole[-1].cursor["finished"]
        assert shop.face(family, lambda facing: pages(facing, whole[-1].cursor)) == []
        part = next(page for page in whole if page.observations)
        rest = shop.face(family, lambda facing: pages(facing, part.cursor))
        got = {each.record_id for each in part.observations}
        got |= {each.record_id for page in rest for each in page.observations}
        assert {str(number) for number in orders[1:]} <= got | {
            each.record_id for page in whole[: whole.index(part)] for each in page.observations
        }

    def test_past_orders_without_days_is_our_mistake(self, shop: Shop) -> None:
        with pytest.raises(Misconfigured):
            poll(shop, "A", "past_orders")


class Drifting:
    """A newest-first list into which an order is put, or from which one vanishes, after every page."""

    def __init__(self, orders: list[OrderA], change: Any) -> None:
        self.orders = orders
        self.change = change
        self.calls = 0

    async def search_orders(
        self, *, created_from: Any, created_to: Any, order_statuses: Any, page_index: int, page_size: int
    ) -> OrdersPage:
        self.calls += 1
        assert self.calls < 50, "does not advance"
        kept = [
            order
            for order in self.orders
            if (created_from is None or order.created_on_utc >= created_from)
            and (created_to is None or order.created_on_utc <= created_to)
        ]
        kept.sort(key=lambda order: (order.created_on_utc, order.id), reverse=True)
        page = kept[page_index * page_size : (page_index + 1) * page_size]
        self.change(self)
        return OrdersPage(items=tuple(page))


START = datetime(2026, 3, 1, tzinfo=UTC)


def order_at(number: int, moment: datetime) -> OrderA:
    return OrderA(id=number, order_status_id=10, payment_status_id=10, created_on_utc=moment)


def newest(source: Drifting, watermark: datetime = START) -> list[int]:
    async def collect() -> list[int]:
        position = {"watermark": watermark.isoformat()}
        stretches = NewestFirst(source).newest(position, START)  # type: ignore[arg-type]
        return [order.id async for stretch in stretches for order in stretch.orders]

    return asyncio.run(collect())


class TestDrift:
    def test_late_commit_is_found_behind_a_burst_of_new_orders(self) -> None:
        watermark = START + timedelta(hours=2)
        burst = [order_at(1000 + number, watermark + timedelta(seconds=number)) for number in range(1, 291)]
        known = [order_at(number, watermark - timedelta(seconds=number)) for number in range(1, 31)]
        late = order_at(7777, watermark - timedelta(minutes=9))
        assert 7777 in newest(Drifting([*burst, *known, late], lambda it: None), watermark)

    def test_inserted_orders_hide_none(self) -> None:
        def insert(source: Drifting) -> None:
            number = len(source.orders)
            source.orders.append(order_at(number, START + timedelta(days=2, seconds=number)))

        source = Drifting([order_at(number, START + timedelta(minutes=number)) for number in range(350)], insert)
        assert set(range(350)) <= set(newest(source))

    def test_vanishing_orders_hide_none(self) -> None:
        source = Drifting(
            [order_at(number, START + timedelta(minutes=number)) for number in range(350)],
            lambda it: it.orders.pop(),  # the newest, which shifts every later page up
        )
        assert set(range(340)) <= set(newest(source))

    def test_many_orders_of_one_moment_do_not_stop_it(self) -> None:
        orders = [order_at(number, START + timedelta(hours=1)) for number in range(330)]
        orders += [order_at(1000 + number, START + timedelta(minutes=number)) for number in range(30)]
        assert len(newest(Drifting(orders, lambda it: None))) == 360


@pytest.mark.parametrize("family", FAMILIES)
class TestCustomersAndProducts:
    def test_registered_customers_appear_and_guests_do_not(self, shop: Shop, family: str) -> None:
        _, cursor = poll(shop, family, "customers")
        shop.order(customer={"guest": True, "email": "g@example.test"})
        made = shop.control("POST", "customers", {"email": "new@example.test", "first_name": "N", "last_name": "W"})
        shop.now = lambda: datetime.now(UTC) + timedelta(hours=2)
        seen, _ = poll(shop, family, "customers", cursor)
        assert {each.record_id for each in seen} == {str(made["id"])}

    def test_stock_and_price_change_a_products_fingerprint(self, shop: Shop, family: str) -> None:
        def prints(seen: list[Any]) -> dict[str, str]:
            return {each.label: each.fingerprint for each in seen}

        seen, cursor = poll(shop, family, "products")
        before = prints(seen)
        shop.order(lines=[{"sku": "SKU-002", "quantity": 1}, {"sku": "TEE-M", "quantity": 1}])
        number = next(p["id"] for p in shop.control("GET", "state")["products"] if p["sku"] == "SKU-003")
        shop.control("PATCH", f"products/{number}", {"price": 1.99})
        seen, _ = poll(shop, family, "products", cursor)
        after = prints(seen)
        assert {label for label in after if after[label] != before[label]} == {"SKU-002", "SKU-003", "TEE"}
