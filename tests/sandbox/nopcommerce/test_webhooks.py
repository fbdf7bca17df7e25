"""Webhooks of family B: registration, signature, retries, and each way of going wrong."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from .conftest import Receiver, ShopUnderTest

SECRET = "0123456789abcdef0123456789abcdef"
BASE = "/api/webhooks/registrations"


def register(shop: ShopUnderTest, receiver: Receiver, *filters: str, **members: Any) -> dict[str, Any]:
    body = {"WebHookUri": receiver.address, "Filters": list(filters) or ["orders/create"], "Secret": SECRET, **members}
    answer = shop.b.post(BASE, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def signed(raw: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest().upper()


def deliveries(shop: ShopUnderTest, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 5
    while True:
        log = shop.control("GET", "webhooks")
        done = [d for d in log if d["suppressed"] or d["status"] is not None or d["error"]]
        if len(done) >= count or time.monotonic() > deadline:
            return done
        time.sleep(0.01)


def test_a_delivery_is_signed_over_its_raw_bytes(shop: ShopUnderTest, receiver: Receiver) -> None:
    row = register(shop, receiver)
    order = shop.order(paid=True)
    (got,) = receiver.wait_for(1)
    assert got.headers["ms-signature"] == signed(got.raw)
    assert set(got.body) == {"Id", "Attempt", "Properties", "Notifications", "WebHookId"}
    assert (got.body["Attempt"], got.body["WebHookId"]) == (1, row["Id"])
    item = got.body["Notifications"][0]["Item"]
    assert (got.event, item["id"], len(item["order_items"])) == ("orders/create", order["id"], 1)
    assert b'\n  "' in got.raw  # sent indented
    (entry,) = deliveries(shop, 1)
    assert (entry["event"], entry["record_id"], entry["status"], entry["suppressed"]) == (
        "orders/create",
        order["id"],
        200,
        False,
    )


def test_filters_are_listed_and_checked(shop: ShopUnderTest, receiver: Receiver) -> None:
    names = [entry["Name"] for entry in shop.b.get("/api/webhooks/filters").json()]
    assert {"orders/create", "customers/delete", "products/unmap", "stores/update"} <= set(names)
    assert "product/updated" not in names
    body = {"WebHookUri": receiver.address, "Filters": ["product/updated"]}
    assert shop.b.post(BASE, json=body).status_code == 400


def test_registration_life_cycle(shop: ShopUnderTest, receiver: Receiver) -> None:
    row = register(shop, receiver, Description="ours")
    assert shop.b.get(BASE).json() == [row] == [shop.b.get(f"{BASE}/{row['Id']}").json()]
    again = {"WebHookUri": receiver.address, "Filters": ["orders/create"], "Secret": SECRET}
    assert shop.b.post(BASE, json=again).status_code == 409
    paused = {**row, "IsPaused": True}
    assert shop.b.put(f"{BASE}/{row['Id']}", json=paused).status_code == 200
    assert shop.b.get(f"{BASE}/{row['Id']}").json()["IsPaused"] is True
    assert shop.b.delete(f"{BASE}/{row['Id']}").status_code == 200
    assert shop.b.get(f"{BASE}/{row['Id']}").status_code == 404


def test_secret_is_made_when_absent_and_has_a_length(shop: ShopUnderTest, receiver: Receiver) -> None:
    body = {"WebHookUri": receiver.address, "Filters": ["orders/create"]}
    assert shop.b.post(BASE, json={**body, "Secret": "short"}).status_code == 400
    assert 32 <= len(shop.b.post(BASE, json=body).json()["Secret"]) <= 64


def test_receiver_must_echo_unless_told_not_to(shop: ShopUnderTest, receiver: Receiver) -> None:
    receiver.echoes = False
    body = {"WebHookUri": receiver.address, "Filters": ["orders/create"], "Secret": SECRET}
    assert shop.b.post(BASE, json=body).status_code == 400
    assert shop.b.post(BASE, json={**body, "WebHookUri": receiver.address + "?NoEcho"}).status_code == 201


def test_events_of_customers_products_and_orders(shop: ShopUnderTest, receiver: Receiver) -> None:
    register(
        shop, receiver, "customers/create", "customers/update", "products/update", "orders/update", "orders/delete"
    )
    customer = shop.control("POST", "customers", {"email": "c@x.test", "first_name": "C"})
    shop.control("PATCH", f"customers/{customer['id']}", {"last_name": "D"})
    shop.control("PATCH", "products/1", {"price": 5})
    order = shop.order(paid=False, lines=[{"sku": "WRAP", "quantity": 1}])
    shop.control("POST", f"orders/{order['id']}/pay")
    shop.control("POST", f"orders/{order['id']}/delete")
    got = receiver.wait_for(6)
    assert sorted((g.event, g.record_id) for g in got) == [
        ("customers/create", customer["id"]),
        ("customers/update", customer["id"]),
        ("orders/delete", order["id"]),
        ("orders/update", order["id"]),
        ("orders/update", order["id"]),
        ("products/update", 1),
    ]


def test_guests_make_no_customer_event_but_their_orders_do(shop: ShopUnderTest, receiver: Receiver) -> None:
    register(shop, receiver, "customers/create", "customers/update", "orders/create")
    order = shop.order(customer={"guest": True, "email": "g@x.test"})
    shop.control("PATCH", f"customers/{order['customer_id']}", {"admin_comment": "seen"})
    shop.control("POST", "customers", {"email": "last@x.test"})
    receiver.wait_for(2)
    assert sorted(g.event for g in receiver.received) == ["customers/create", "orders/create"]


def test_two_retries_after_one_and_four_minutes(shop: ShopUnderTest, receiver: Receiver) -> None:
    shop.settings(minute_seconds=0.1)
    receiver.statuses = [500]
    register(shop, receiver)
    shop.order()
    got = receiver.wait_for(3)
    assert [g.body["Attempt"] for g in got] == [1, 2, 3] and len({g.body["Id"] for g in got}) == 1
    assert got[1].at - got[0].at >= 0.1 and got[2].at - got[1].at >= 0.4
    shop.order()
    receiver.wait_for(6)
    assert len(deliveries(shop, 6)) == 6


def test_gone_stops_the_registration(shop: ShopUnderTest, receiver: Receiver) -> None:
    receiver.statuses = [410]
    row = register(shop, receiver)
    shop.order()
    deliveries(shop, 1)
    assert shop.b.get(f"{BASE}/{row['Id']}").json()["IsPaused"] is True
    shop.order()
    assert len(deliveries(shop, 1)) == 1 == len(receiver.received)


def test_an_unreachable_receiver_does_not_hold_up_orders(shop: ShopUnderTest) -> None:
    body = {"WebHookUri": "http://127.0.0.1:9/?NoEcho", "Filters": ["orders/create"], "Secret": SECRET}
    assert shop.b.post(BASE, json=body).status_code == 201
    shop.order()
    (entry,) = deliveries(shop, 1)
    assert entry["status"] is None and "Connect" in entry["error"]


# Faults


def test_never_delivered(shop: ShopUnderTest, receiver: Receiver) -> None:
    register(shop, receiver)
    shop.faults({"kind": "never", "operations": ["webhook:orders/create"], "times": 1})
    lost, kept = shop.order()["id"], shop.order()["id"]
    receiver.wait_for(1)
    assert [g.record_id for g in receiver.received] == [kept]
    assert {(d["record_id"], d["suppressed"]) for d in deliveries(shop, 2)} == {(lost, True), (kept, False)}


def test_duplicates(shop: ShopUnderTest, receiver: Receiver) -> None:
    register(shop, receiver)
    shop.faults({"kind": "duplicate", "operations": ["webhook:*"], "copies": 3})
    shop.order()
    assert len({g.raw for g in receiver.wait_for(3)}) == 1


def test_late(shop: ShopUnderTest, receiver: Receiver) -> None:
    register(shop, receiver)
    shop.faults({"kind": "late", "operations": ["webhook:orders/create"], "seconds": 0.3, "times": 1})
    ids = [shop.order()["id"] for _ in range(2)]
    got = receiver.wait_for(2)
    assert [g.record_id for g in got] == ids[::-1]
    late = next(d for d in deliveries(shop, 2) if d["record_id"] == ids[0])
    assert late["sent_at"] - late["queued_at"] < 5 and late["faults"] == ["late"]


def test_shuffled_within_a_window(shop: ShopUnderTest, receiver: Receiver) -> None:
    register(shop, receiver)
    shop.faults({"kind": "shuffled", "operations": ["webhook:*"], "seconds": 0.5})
    ids = [shop.order()["id"] for _ in range(6)]
    assert receiver.received == []
    receiver.wait_for(6)
    sent = [d["record_id"] for d in deliveries(shop, 6)]
    assert sorted(sent) == ids and sent != ids


def test_bad_signature(shop: ShopUnderTest, receiver: Receiver) -> None:
    register(shop, receiver)
    shop.faults({"kind": "bad_signature", "operations": ["webhook:*"]})
    shop.order()
    (got,) = receiver.wait_for(1)
    assert got.headers["ms-signature"].startswith("sha256=") and got.headers["ms-signature"] != signed(got.raw)


@pytest.mark.parametrize("copies", [0, True, "2"])
def test_copies_are_checked(shop: ShopUnderTest, copies: Any) -> None:
    answer = shop.http.put("/control/faults", content=json.dumps([{"kind": "duplicate", "copies": copies}]))
    assert answer.status_code == 400
