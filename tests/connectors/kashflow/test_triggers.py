"""Polls: what they observe, that their cursors do not leave gaps."""

from datetime import datetime, timedelta

from connectors.kashflow.manifest import CONNECTOR
from tests.connectors.kashflow.conftest import NOW
from tests.connectors.kashflow.drafts import customer, line, some_invoice


async def _read(desk, key, cursor=None):
    pages = [page async for page in CONNECTOR.trigger(key)().read(desk.ctx, cursor)]
    return {row.record_id: row for page in pages for row in page.observations}, pages[-1].cursor


async def test_products_are_news_when_quantity_or_price_change(desk):
    before, cursor = await _read(desk, "products")
    assert len(before) == len(desk.books()["products"])
    assert before["SKU-001"].record_type == "ledger_product"
    await some_invoice(desk, lines=[line(sku="SKU-001")])
    product = await desk.run("get_product", {"code": "SKU-002"})
    await desk.run("upsert_product", product.model_copy(update={"price": product.price + 1}).model_dump())
    named = await desk.run("get_product", {"code": "SKU-003"})
    await desk.run("upsert_product", named.model_copy(update={"name": "Renamed"}).model_dump())
    after, _ = await _read(desk, "products", cursor)
    news = {code for code in after if after[code].fingerprint != before[code].fingerprint}
    assert news == {"SKU-001", "SKU-002"}


async def test_fingerprint_does_not_depend_on_trailing_zeros(soap):
    one, _ = await _read(soap, "products")
    other_desk_ledger = soap.open(transport="rest")
    soap.ctx.client = other_desk_ledger
    other, _ = await _read(soap, "products")
    assert {k: v.fingerprint for k, v in one.items()} == {k: v.fingerprint for k, v in other.items()}


async def test_customers_start_now_and_then_overlap(desk):
    seen, cursor = await _read(desk, "customers")
    assert seen == {} and cursor == {"newest": "2026-03-04T12:00:00"}
    await desk.run("ensure_customer", customer(1))
    first, cursor = await _read(desk, "customers", cursor)
    assert set(first) == {"NOP00001"} and first["NOP00001"].record_type == "ledger_customer"
    await desk.run("ensure_customer", customer(2))
    second, cursor = await _read(desk, "customers", cursor)
    assert set(second) == {"NOP00001", "NOP00002"}, "the boundary is read again"
    assert second["NOP00001"].fingerprint == first["NOP00001"].fingerprint
    await desk.run("ensure_customer", customer(1, phone="0113 5", last_written=customer(1)))
    third, _ = await _read(desk, "customers", cursor)
    assert third["NOP00001"].fingerprint != first["NOP00001"].fingerprint


async def test_overlap_covers_the_hour_that_repeats_in_october(soap):
    asked = []

    async def modified_since(moment):
        asked.append(moment)
        return []

    soap.client.ledger.customers_modified_since = modified_since
    _, cursor = await _read(soap, "customers", {"newest": "2026-10-25T01:59:00"})
    assert datetime(2026, 10, 25, 1, 59) - asked[0] > timedelta(hours=1)
    assert cursor == {"newest": "2026-10-25T01:59:00"}


async def test_cursor_is_uk_local_time(soap):
    soap.ctx.now = lambda: NOW.replace(month=7)
    _, cursor = await _read(soap, "customers")
    assert cursor == {"newest": "2026-07-04T13:00:00"}
