"""The resource plug-ins over HTTP: the older one (B), its fork (C), and how to tell what a shop has."""

import httpx
import pytest

from sandbox.nopcommerce.plugins import CLIENT_ID, CLIENT_SECRET
from sandbox.nopcommerce.seeding import ADMIN_EMAIL, ADMIN_PASSWORD, CUSTOMER_PASSWORD

from .conftest import CALLBACK, ShopUnderTest, b_code, b_tokens

CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


def error_of(answer: httpx.Response) -> tuple[int, dict[str, list[str]]]:
    return answer.status_code, answer.json()["errors"]


# Family B: consent and tokens


def test_consent_brings_a_code_and_the_state_back(shop: ShopUnderTest) -> None:
    back = b_code(shop.http, state="s p&c")
    assert str(back).startswith(CALLBACK) and back.params["state"] == "s p&c" and back.params["code"]
    refused = b_code(shop.http, decision="deny")
    assert refused.params["error"] == "access_denied" and "code" not in refused.params


@pytest.mark.parametrize("path", ["/api/token", "/oauth/token"])
def test_code_is_exchanged_once(shop: ShopUnderTest, path: str) -> None:
    granted = b_tokens(shop.http, path)
    assert set(granted) == {"id_token", "access_token", "expires_in", "token_type", "refresh_token"}
    assert granted["expires_in"] == 315_360_000
    code = b_code(shop.http).params["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **CLIENT}
    assert shop.http.post(path, data={**form, "client_secret": "wrong"}).json() == {"error": "invalid_client"}
    assert shop.http.post(path, data=form).status_code == 200
    again = shop.http.post(path, data=form)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


def test_refresh_token_works_once(shop: ShopUnderTest) -> None:
    granted = b_tokens(shop.http)
    form = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"], **CLIENT}
    renewed = shop.http.post("/api/token", data=form)
    assert renewed.status_code == 200 and renewed.json()["access_token"] != granted["access_token"]
    assert shop.http.post("/api/token", data=form).json() == {"error": "invalid_grant"}


def test_consent_page_refuses_a_foreign_callback(shop: ShopUnderTest) -> None:
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "callback_url": "https://elsewhere.test/cb"}
    shop.control("PUT", "api-clients", [client])
    with pytest.raises(AssertionError, match="Error"):
        b_code(shop.http)


def test_bad_or_expired_tokens_get_401(shop: ShopUnderTest) -> None:
    assert shop.http.get("/api/orders").status_code == 401
    assert shop.http.get("/api/orders", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    assert shop.b.get("/api/orders").status_code == 200
    shop.settings(clock_offset_seconds=315_360_001)
    assert shop.b.get("/api/orders").status_code == 401


# Both: orders


def test_orders_are_wrapped_nested_and_named(shop: ShopUnderTest) -> None:
    placed = shop.order(paid=True)
    for client in (shop.b, shop.c):
        (order,) = client.get("/api/orders").json()["orders"]
        assert (order["order_status"], order["payment_status"], order["shipping_status"]) == (
            "Processing",
            "Paid",
            "NotYetShipped",
        )
        assert order["order_total"] == float(placed["order_total"])
        assert order["customer"]["email"] == "alice@customer0.test"
        assert order["billing_address"]["country"] == "United Kingdom" and "county" not in order["billing_address"]
        assert order["order_items"][0]["product"]["sku"] == "SKU-002"
        assert not {"order_guid", "custom_order_number", "billing_address_id", "order_status_id"} & set(order)
        assert client.get(f"/api/orders/{placed['id']}").json() == {"orders": [order]}


def test_since_id_limit_and_page(shop: ShopUnderTest) -> None:
    ids = [shop.order()["id"] for _ in range(4)]

    def got(**query: object) -> list[int]:
        return [order["id"] for order in shop.b.get("/api/orders", params=query).json()["orders"]]

    assert got(limit=2) == ids[:2] and got(limit=2, page=2) == ids[2:]
    assert got(since_id=ids[1]) == ids[2:]
    assert got(ids=f"{ids[0]},{ids[3]}") == [ids[0], ids[3]]
    assert shop.b.get("/api/orders/count").json() == {"count": 4}
    assert shop.b.get("/api/orders", params={"fields": "id,order_total"}).json()["orders"][0].keys() == {
        "id",
        "order_total",
    }


@pytest.mark.parametrize(
    ("query", "key", "text"),
    [
        ("limit=0", "limit", "Invalid limit parameter"),
        ("limit=251", "limit", "Invalid limit parameter"),
        ("limit=x", "limit", "Invalid limit parameter"),
        ("page=0", "page", "Invalid page parameter"),
    ],
)
def test_paging_is_refused_in_words(shop: ShopUnderTest, query: str, key: str, text: str) -> None:
    assert error_of(shop.b.get(f"/api/orders?{query}")) == (400, {key: [text]})


def test_date_bounds_are_strict(shop: ShopUnderTest) -> None:
    ids = [shop.order(created_at=f"2026-03-0{day}T10:00:00Z")["id"] for day in (1, 2, 3)]
    query = {"created_at_min": "2026-03-01T10:00:00Z", "created_at_max": "2026-03-03T10:00:00"}
    assert [o["id"] for o in shop.b.get("/api/orders", params=query).json()["orders"]] == [ids[1]]


def test_status_filters_and_hidden_orders(shop: ShopUnderTest) -> None:
    paid, pending, gone = shop.order(paid=True)["id"], shop.order(paid=False)["id"], shop.order()["id"]
    assert shop.b.delete(f"/api/orders/{gone}").json() == {}
    for query, wanted in (
        ({"payment_status": "paid"}, [paid]),
        ({"status": "Pending"}, [pending]),
        ({}, [paid, pending]),
    ):
        assert [o["id"] for o in shop.b.get("/api/orders", params=query).json()["orders"]] == wanted


def test_unknown_and_impossible_ids(shop: ShopUnderTest) -> None:
    assert error_of(shop.b.get("/api/orders/0")) == (400, {"id": ["invalid id"]})
    assert error_of(shop.b.get("/api/orders/99")) == (404, {"order": ["not found"]})


def test_naive_dates(shop: ShopUnderTest) -> None:
    number = shop.order(created_at="2026-03-01T10:00:00Z")["id"]
    shop.settings(naive_dates=True)
    assert shop.b.get(f"/api/orders/{number}").json()["orders"][0]["created_on_utc"] == "2026-03-01T10:00:00"


def test_b_order_update_runs_no_processing_and_nulls_the_shipping_method(shop: ShopUnderTest) -> None:
    placed = shop.order(paid=False)
    body = {"order": {"id": placed["id"], "order_status": "Processing"}}
    after = shop.b.put(f"/api/orders/{placed['id']}", json=body).json()["orders"][0]
    assert (after["order_status"], after["payment_status"], after["shipping_method"]) == ("Processing", "Pending", None)
    assert shop.control("GET", f"orders/{placed['id']}")["notes"] == placed["notes"]
    kept = shop.b.put(f"/api/orders/{placed['id']}", json={"order": {"shipping_method": "Next day"}}).json()
    assert kept["orders"][0]["shipping_method"] == "Next day"


def test_b_refuses_what_it_cannot_read(shop: ShopUnderTest) -> None:
    number = shop.order()["id"]
    for body in ({}, {"order": {"order_status": "Nonsense"}}, {"order": {"order_total": "much"}}):
        answer = shop.b.put(f"/api/orders/{number}", json=body)
        assert answer.status_code == 422 and answer.json()["errors"]
    assert shop.b.put(f"/api/orders/{number}", content=b"{").status_code == 422


def test_b_exception_in_a_get_is_a_400(shop: ShopUnderTest) -> None:
    shop.faults({"kind": "status", "status": 400, "operations": ["GET /api/orders"]})
    wanted = {"internal_server_error": ["please, contact the store owner"]}
    assert error_of(shop.b.get("/api/orders")) == (400, wanted)


def test_c_order_update_crashes_without_addresses_and_writes_the_customers_with_them(shop: ShopUnderTest) -> None:
    placed = shop.order()
    path = f"/api/orders/{placed['id']}"
    crashed = shop.c.put(path, json={"order": {"order_status": "Complete"}})
    assert crashed.status_code == 500 and crashed.headers["Content-Type"].startswith("text/html")
    address = {"first_name": "New", "city": "Hull"}
    body = {"order": {"order_status": "Complete", "billing_address": address, "shipping_address": address}}
    assert shop.c.put(path, json=body).json()["orders"][0]["order_status"] == "Complete"
    customer = shop.c.get(f"/api/customers/{placed['customer_id']}").json()["customers"][0]
    assert customer["billing_address"]["city"] == "Hull"


def test_orders_are_created_by_the_same_processing(shop: ShopUnderTest) -> None:
    before = shop.stock("SKU-001")
    body = {
        "customer_id": 2,
        "payment_method_system_name": "Payments.Manual",
        "order_items": [{"product_id": 1, "quantity": 2}],
    }
    created = shop.b.post("/api/orders", json={"order": body}).json()["orders"][0]
    assert created["order_items"][0]["quantity"] == 2 and shop.stock("SKU-001") == before - 2
    body["payment_method_system_name"] = "Payments.Unknown"
    answer = shop.b.post("/api/orders", json={"order": body})
    assert error_of(answer) == (400, {"order placement": ["Payment method is not active"]})


# Both: customers and products


def test_customers_leave_guests_out_but_search_finds_by_email(shop: ShopUnderTest) -> None:
    shop.order(customer={"guest": True, "email": "g@x.test"})
    emails = [c["email"] for c in shop.b.get("/api/customers").json()["customers"]]
    assert None not in emails and not any("gone" in email for email in emails)
    found = shop.b.get("/api/customers/search", params={"query": "email:Alice@customer0.test"}).json()["customers"]
    assert [c["first_name"] for c in found] == ["Alice"]


def test_customers_are_written(shop: ShopUnderTest) -> None:
    body = {"customer": {"email": "new@x.test", "first_name": "New", "billing_address": {"city": "Bath"}}}
    created = shop.b.post("/api/customers", json=body).json()["customers"][0]
    path = f"/api/customers/{created['id']}"
    updated = shop.b.put(path, json={"customer": {"last_name": "Name"}}).json()["customers"][0]
    assert (updated["first_name"], updated["last_name"], updated["billing_address"]["city"]) == ("New", "Name", "Bath")
    assert shop.b.post("/api/customers", json=body).status_code == 422
    assert shop.b.post("/api/customers", json={"customer": {}}).status_code == 422


def test_products_are_filtered_by_update_but_orders_do_not_date_them(shop: ShopUnderTest) -> None:
    query = {"updated_at_min": "2026-01-05T09:00:00Z"}
    shop.order()
    assert shop.b.get("/api/products", params=query).json()["products"] == []
    shop.b.put("/api/products/1", json={"product": {"stock_quantity": 9}})
    (changed,) = shop.b.get("/api/products", params=query).json()["products"]
    assert (changed["id"], changed["stock_quantity"], changed["name"]) == (1, 9, "Linen Teapot No. 1")
    count = shop.b.get("/api/products/count").json()["count"]
    listed = shop.b.get("/api/products", params={"limit": 250}).json()["products"]
    assert len(listed) == count and "GONE-1" not in [p["sku"] for p in listed]
    tee = next(p for p in listed if p["sku"] == "TEE")
    assert [c["sku"] for c in tee["product_attribute_combinations"]] == ["TEE-S", "TEE-M", "TEE-L"]


# Family C


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 400, "Missing username"),
        ({"username": ADMIN_EMAIL}, 400, "Missing password"),
        ({"username": ADMIN_EMAIL, "password": "no"}, 403, "Wrong username or password"),
    ],
)
def test_c_token_refusals(shop: ShopUnderTest, body: dict[str, str], status: int, text: str) -> None:
    answer = shop.http.post("/token", json=body)
    assert (answer.status_code, answer.text) == (status, text)


def test_c_token(shop: ShopUnderTest) -> None:
    granted = shop.http.post("/token", json={"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}).json()
    assert set(granted) == {
        "access_token",
        "token_type",
        "created_at_utc",
        "expires_at_utc",
        "username",
        "customer_id",
        "customer_guid",
    }
    assert shop.c.get("/token/check").status_code == 200
    assert shop.http.get("/token/check").status_code == 401
    shop.settings(clock_offset_seconds=366 * 86_400)
    assert shop.c.get("/token/check").status_code == 401


def test_c_needs_the_role_for_api_users(shop: ShopUnderTest) -> None:
    body = {"username": "alice@customer0.test", "password": CUSTOMER_PASSWORD}
    token = shop.http.post("/token", json=body).json()["access_token"]
    assert shop.http.get("/api/orders", headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_c_has_routes_that_b_has_not(shop: ShopUnderTest) -> None:
    order = shop.order()
    for root in (
        "countries",
        "currencies",
        "stateprovinces",
        "warehouses",
        "taxcategories",
        "product_warehouse_inventories",
    ):
        assert len(shop.c.get(f"/api/{root}").json()[root]) > 0
        assert shop.b.get(f"/api/{root}").status_code == 404
    assert shop.c.get("/api/customers/me").json()["customers"][0]["email"] == ADMIN_EMAIL
    assert shop.c.get(f"/api/customers/{order['customer_id']}/billingaddress").json()["city"] == "Leeds"
    assert shop.c.get(f"/api/orders/{order['id']}/pdf-invoice").content.startswith(b"%PDF")
    item = order["lines"][0]["id"]
    assert shop.c.get(f"/api/orders/{order['id']}/items/{item}").json()["order_items"][0]["quantity"] == 2
    shop.control("PATCH", "products/1", {"manufacturer_part_number": "MPN-1"})
    found = shop.c.get("/api/products", params={"manufacturer_part_numbers": "MPN-1"}).json()["products"]
    assert [p["id"] for p in found] == [1]


# Which plug-ins are there


def probe(http_client: httpx.Client) -> set[str]:
    """The recipe of the connector notes, without credentials."""
    found = set()
    description = http_client.get("/api/index.html")
    if description.status_code == 200 and "backend" in description.text.lower():
        found.add("A")
    token = http_client.post("/token")
    if token.status_code == 400 and token.headers["Content-Type"].startswith("text/plain"):
        found.add("C")
    if http_client.get("/api/orders").status_code == 401 and http_client.get("/oauth/authorize").is_redirect:
        found.add("B")
    if http_client.get("/api/webhooks/filters").status_code == 200:
        found.add("B with webhooks")
    return found


@pytest.mark.parametrize(
    ("families", "webhooks", "found"),
    [
        (["A"], True, {"A"}),
        (["B"], True, {"B", "B with webhooks"}),
        (["B"], False, {"B"}),
        (["C"], True, {"C"}),
        ([], True, set()),
        (["A", "B", "C"], True, {"A", "B", "B with webhooks", "C"}),
    ],
)
def test_probe_tells_the_plug_ins_apart(
    shop: ShopUnderTest, families: list[str], webhooks: bool, found: set[str]
) -> None:
    shop.settings(families=families, webhooks=webhooks)
    assert probe(shop.http) == found


def test_routes_of_missing_plug_ins_are_the_shops_own_404(shop: ShopUnderTest) -> None:
    shop.settings(families=[])
    for path in ("/api-backend/Order/Search", "/api/orders", "/oauth/authorize", "/token/check", "/api/nothing"):
        answer = shop.http.get(path)
        assert answer.status_code == 404 and answer.headers["Content-Type"].startswith("text/html"), path
