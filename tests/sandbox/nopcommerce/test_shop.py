"""Faults of a self-hosted shop, its pages, control endpoints, snapshots, two shops side by side."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from sandbox.common.server import running
from sandbox.nopcommerce.standin import NopCommerce

from .conftest import ShopUnderTest

ANY_A = "GET /api-backend/*"


# Faults


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({"kind": "maintenance"}, 503),
        ({"kind": "maintenance", "status": 200}, 200),
        ({"kind": "html_error"}, 500),
        ({"kind": "ip_refused"}, 403),
    ],
)
def test_html_where_json_is_expected(shop: ShopUnderTest, rule: dict[str, object], status: int) -> None:
    client = shop.a
    shop.faults({**rule, "operations": [ANY_A]})
    answer = client.get("/Store/GetAll")
    assert answer.status_code == status and answer.headers["Content-Type"].startswith("text/html")


def test_truncated_json(shop: ShopUnderTest) -> None:
    client = shop.a
    shop.faults({"kind": "truncated", "operations": [ANY_A]})
    answer = client.get("/Store/GetAll")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"JSON|Unterminated|Expecting"):
        answer.json()


def test_rate_limit_is_worded_by_the_plug_in(shop: ShopUnderTest) -> None:
    client = shop.a
    shop.faults({"kind": "rate_limit", "operations": [ANY_A], "retry_after": 2})
    answer = client.get("/Store/GetAll")
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["Status"]) == (429, "2", 429)


def test_a_sleeping_pool_makes_the_first_call_slow(shop: ShopUnderTest) -> None:
    client = shop.a
    shop.settings(application_pool_idle_seconds=60, cold_start_seconds=1)

    def seconds() -> float:
        start = time.monotonic()
        client.get("/Store/GetAll")
        return time.monotonic() - start

    assert seconds() < 0.9
    shop.standin.awake_at -= 61
    assert seconds() >= 1
    assert seconds() < 0.9


def test_null_country(shop: ShopUnderTest) -> None:
    shop.settings(null_country=True)
    order = shop.order()
    assert order["billing_address"]["country_id"] is None
    shown = shop.b.get(f"/api/orders/{order['id']}").json()["orders"][0]
    assert shown["billing_address"]["country"] is None


def test_writes_may_be_unreadable_for_a_while(shop: ShopUnderTest) -> None:
    order, client = shop.order(), shop.a
    shop.faults({"kind": "unreadable", "operations": ["GET /api-backend/OrderProcessing/*"], "seconds": 0.4})
    client.get(f"/OrderProcessing/MarkOrderAsPaid/{order['id']}")
    path = f"/Order/GetById/{order['id']}"
    assert client.get(path).json()["payment_status_id"] == 10
    deadline = time.monotonic() + 5
    while client.get(path).json()["payment_status_id"] != 30:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_calls_are_counted_by_route(shop: ShopUnderTest) -> None:
    shop.a.get("/Store/GetAll")
    assert shop.control("GET", "calls")["GET /api-backend/Store/GetAll"] == 1


# Control


def test_catalogue_for_the_ledger(shop: ShopUnderTest) -> None:
    entries = shop.control("GET", "catalogue")
    assert all(set(entry) == {"code", "name", "price", "vat_rate", "stock", "managed"} for entry in entries)
    codes = [entry["code"] for entry in entries]
    assert len(codes) == len(set(codes)) and {"SKU-001", "SKU-040", "TEE-L", "CHAIR-W", "WRAP"} <= set(codes)
    assert "GONE-1" not in codes
    by_code = {entry["code"]: entry for entry in entries}
    assert by_code["TEE-L"]["price"] == "16.25" and by_code["CHAIR-W"]["stock"] == 100
    assert by_code["WRAP"]["managed"] is False


@pytest.mark.parametrize(
    "body",
    [
        {"lines": [{"sku": "NOPE"}]},
        {"lines": [{"sku": "SKU-001", "quantity": 0}]},
        {"lines": "SKU-001"},
        {"lines": [{"sku": "SKU-001"}], "surprise": 1},
        {"lines": [{"sku": "SKU-001"}], "shipping": {"price": "free"}},
        {"lines": [{"sku": "SKU-001"}], "customer": {"id": 999}},
        [],
    ],
)
def test_bad_order_specs_are_refused_in_words(shop: ShopUnderTest, body: object) -> None:
    answer = shop.http.post("/control/orders", json=body)
    assert answer.status_code == 400 and answer.json()["error"]


def test_unknown_records_are_refused(shop: ShopUnderTest) -> None:
    assert shop.http.post("/control/orders/99/pay").status_code == 400
    assert shop.http.patch("/control/products/99", json={}).status_code == 400
    assert shop.http.patch("/control/products/1", json={"colour": "red"}).status_code == 400


def test_equal_seeds_and_calls_give_equal_shops() -> None:
    def orders() -> list[object]:
        with running(NopCommerce(seed=7)) as address, httpx.Client(base_url=address) as client:
            made = [client.post("/control/orders/random").json() for _ in range(5)]
            return [(m["order_guid"], m["order_total"], m["truth"]["by_sku"]) for m in made]

    assert orders() == orders()


def test_two_shops_have_equal_order_numbers_and_different_names(shop: ShopUnderTest) -> None:
    other = NopCommerce(seed=2, store_id=2, store_name="Second shop")
    with running(other) as address, httpx.Client(base_url=address) as client:
        mine, theirs = shop.order(), client.post("/control/orders/random").json()
        assert mine["custom_order_number"] == theirs["custom_order_number"]
        assert (mine["store_id"], theirs["store_id"]) == (1, 2)
        assert client.get("/control/state").json()["store"]["name"] == "Second shop"


def test_state_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "shop.json"
    with running(NopCommerce(), state_file=file) as address, httpx.Client(base_url=address) as client:
        order = client.post("/control/orders/random").json()
        state = client.get("/control/state").json()
    with running(NopCommerce(seed=9), state_file=file) as address, httpx.Client(base_url=address) as client:
        assert client.get("/control/state").json() == state
        assert client.post("/control/orders/random").json()["id"] == order["id"] + 1


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "nopcommerce", "--store-id", "3", "--store-name", "Programme"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert httpx.get(f"{address}/control/state").json()["store"] == {"id": 3, "name": "Programme"}
    finally:
        process.terminate()
        process.wait(timeout=10)


# Pages


def test_pages_when_empty_and_with_orders(shop: ShopUnderTest) -> None:
    assert "No orders yet" in shop.http.get("/").text
    assert shop.http.post("/random").status_code == 303
    order = shop.order(
        customer={"guest": True, "email": "a@x.test", "first_name": "<b>Bold</b>", "last_name": "x" * 80}
    )
    page = shop.http.get("/").text
    assert f"/orders/{order['id']}" in page and "<b>Bold" not in page and "&lt;b&gt;Bold" in page
    assert "SKU-002" in shop.http.get("/products").text
    detail = shop.http.get(f"/orders/{order['id']}").text
    assert "Mark paid" in detail and "Order total" in detail and "Order placed" in detail
    assert shop.http.get("/orders/99").status_code == 404


def test_buttons_of_an_order(shop: ShopUnderTest) -> None:
    number = shop.order(paid=False)["id"]
    for action, data, status in (
        ("pay", {}, "Paid"),
        ("refund", {"amount": "1.00"}, "PartiallyRefunded"),
        ("cancel", {}, "PartiallyRefunded"),
    ):
        assert shop.http.post(f"/orders/{number}/{action}", data=data).status_code == 303
        assert shop.control("GET", f"orders/{number}")["payment_status"] == status
    wrong = shop.http.post(f"/orders/{number}/cancel")
    assert wrong.status_code == 400 and "Cannot do cancel for order." in wrong.text


def test_buying_on_the_page(shop: ShopUnderTest) -> None:
    form = {
        "sku1": "TEE-L",
        "quantity1": "2",
        "sku2": "",
        "quantity2": "1",
        "customer": "",
        "email": "page@x.test",
        "payment_method": "Payments.Manual",
        "paid": "1",
        "shipping": "3.95",
    }
    answer = shop.http.post("/new", data=form)
    assert answer.status_code == 303
    (order,) = shop.control("GET", "state")["orders"]
    assert order["truth"]["by_sku"]["TEE-L"]["quantity"] == 2 and order["payment_status"] == "Paid"
    assert shop.http.post("/new", data={**form, "email": "nonsense"}).status_code == 400
