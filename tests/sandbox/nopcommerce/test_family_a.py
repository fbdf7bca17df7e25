"""The official Web API plug-in over HTTP."""

import httpx
import pytest

from sandbox.nopcommerce.seeding import ADMIN_EMAIL, ADMIN_PASSWORD, CUSTOMER_PASSWORD

from .conftest import ShopUnderTest

TOKEN = "/api-backend/Authenticate/GetToken"


def refused_rule(answer: httpx.Response, text: str) -> None:
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["Detail"] == text


# Signing in


def test_token_by_email_or_user_name(shop: ShopUnderTest) -> None:
    for name in ("email", "username"):
        body = {name: ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        answer = shop.http.post(TOKEN, json=body, headers={"Content-Type": "application/json-patch+json"})
        assert answer.status_code == 200
        assert set(answer.json()) == {"username", "customer_id", "token"}


@pytest.mark.parametrize(
    "body",
    [
        {"email": ADMIN_EMAIL, "password": "wrong"},
        {"email": "alice@customer0.test", "password": CUSTOMER_PASSWORD},  # no administrator
        {},
    ],
)
def test_wrong_credentials_get_a_plain_400(shop: ShopUnderTest, body: dict[str, str]) -> None:
    answer = shop.http.post(TOKEN, json=body)
    assert answer.status_code == 400 and answer.headers["Content-Type"].startswith("text/plain")


def test_without_a_good_token_there_is_a_plain_401(shop: ShopUnderTest) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "nonsense"}):
        answer = shop.http.get("/api-backend/Order/Search", headers=headers)
        assert answer.status_code == 401 and answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(("accepted", "bearer", "bare"), [("both", 200, 200), ("bearer", 200, 401), ("bare", 401, 200)])
def test_spelling_of_the_header(shop: ShopUnderTest, accepted: str, bearer: int, bare: int) -> None:
    token = shop.a.headers["Authorization"].split()[1]
    shop.settings(token_header=accepted)
    path = "/api-backend/Store/GetAll"
    assert shop.http.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == bearer
    assert shop.http.get(path, headers={"Authorization": token}).status_code == bare


def test_tokens_expire_by_the_shops_clock(shop: ShopUnderTest) -> None:
    assert shop.a.get("/Store/GetAll").status_code == 200
    shop.settings(clock_offset_seconds=3601)
    assert shop.a.get("/Store/GetAll").status_code == 401


def test_developer_mode_looks_at_no_token(shop: ShopUnderTest) -> None:
    shop.settings(developer_mode=True)
    assert shop.http.get("/api-backend/Store/GetAll").status_code == 200


# Orders


def test_search_is_newest_first_with_inclusive_bounds(shop: ShopUnderTest) -> None:
    ids = [shop.order(created_at=f"2026-03-0{day}T10:00:00Z")["id"] for day in (1, 2, 3)]
    query = {"createdFromUtc": "2026-03-01T10:00:00Z", "createdToUtc": "2026-03-02T10:00:00+00:00"}
    page = shop.a.get("/Order/Search", params=query).json()
    assert [order["id"] for order in page["items"]] == [ids[1], ids[0]]
    assert (page["total_count"], page["page_index"], page["page_size"]) == (2, 0, 2147483647)


def test_pages_drift_when_an_order_arrives_in_between(shop: ShopUnderTest) -> None:
    for _ in range(4):
        shop.order()
    first = shop.a.get("/Order/Search", params={"pageSize": 2}).json()
    shop.order()
    second = shop.a.get("/Order/Search", params={"pageSize": 2, "pageIndex": 1}).json()
    assert first["items"][-1]["id"] == second["items"][0]["id"]
    assert first["has_next_page"] and not first["has_previous_page"] and second["has_previous_page"]


def test_search_filters(shop: ShopUnderTest) -> None:
    paid = shop.order(paid=True)
    pending = shop.order(customer={"guest": True, "email": "find.me@x.test"}, payment_method="Payments.CheckMoneyOrder")

    def ids(**query: object) -> list[int]:
        return [order["id"] for order in shop.a.get("/Order/Search", params=query).json()["items"]]

    assert ids(psIds="30") == [paid["id"]]
    assert ids(psIds="10;30", osIds="10") == [pending["id"]]
    assert ids(billingEmail="find.me@x.test") == [pending["id"]]
    assert ids(paymentMethodSystemName="Payments.Manual") == [paid["id"]]
    assert ids(customerId=paid["customer_id"]) == [paid["id"]]
    assert ids(orderNotes="marked as paid") == [paid["id"]]
    only = shop.a.get("/Order/Search", params={"getOnlyTotalCount": "true"}).json()
    assert (only["total_count"], only["items"]) == (2, [])


def test_order_lookups_and_the_wording_of_errors(shop: ShopUnderTest) -> None:
    order = shop.order()
    by_guid = shop.a.get("/Order/GetByGuid", params={"guid": order["order_guid"]}).json()
    by_number = shop.a.get("/Order/GetByCustomOrderNumber", params={"customOrderNumber": "1"}).json()
    assert by_guid == by_number == shop.a.get(f"/Order/GetById/{order['id']}").json()
    assert [o["id"] for o in shop.a.get(f"/Order/GetByIds/{order['id']};99").json()] == [order["id"]]
    zero = shop.a.get("/Order/GetById/0")
    assert zero.status_code == 400 and set(zero.json()) == {"Type", "Title", "Status", "Detail", "Instance"}
    missing = shop.a.get("/Order/GetById/4711")
    assert missing.status_code == 404 and missing.headers["Content-Type"].startswith("text/plain")


def test_an_order_as_the_plug_in_shows_it(shop: ShopUnderTest) -> None:
    order = shop.order(paid=True, display_currency="EUR")
    shown = shop.a.get(f"/Order/GetById/{order['id']}").json()
    assert shown["order_total"] == float(order["order_total"])
    assert shown["customer_currency_code"] == "EUR" and shown["currency_rate"] == 1.17
    assert shown["tax_rates"].endswith(";   ") and shown["paid_date_utc"].endswith("Z")
    assert shown["custom_order_number"] == "1" and shown["order_status_id"] == 20
    assert "order_sub_total_discount_excl_tax" in shown and "placed_at" not in shown
    rates = shop.a.get(f"/Order/ParseTaxRates/{order['id']}").json()
    assert rates == {"20": pytest.approx(shown["order_tax"], abs=0.0001)}


def test_lines_have_no_sku_but_lead_to_the_product(shop: ShopUnderTest) -> None:
    order = shop.order()
    lines = shop.a.get(f"/OrderItem/GetOrderItems/{order['id']}").json()
    assert [line["quantity"] for line in lines] == [2] and "sku" not in lines[0]
    assert shop.a.get(f"/OrderItem/GetProductByOrderItemId/{lines[0]['id']}").json()["sku"] == "SKU-002"


def test_notes_are_read_and_written(shop: ShopUnderTest) -> None:
    order = shop.order()
    body = {"order_id": order["id"], "note": "Invoice 17", "created_on_utc": "2026-03-01T00:00:00Z"}
    created = shop.a.post("/OrderNote/Create", json=body)
    assert created.status_code == 200 and created.json()["id"] > 0
    notes = shop.a.get(f"/OrderNote/GetOrderNotesByOrderId/{order['id']}").json()
    assert [note["note"] for note in notes][-1] == "Invoice 17"


def test_update_overwrites_the_whole_row(shop: ShopUnderTest) -> None:
    order = shop.order()
    dto = shop.a.get(f"/Order/GetById/{order['id']}").json()
    del dto["shipping_method"]
    dto["order_status_id"] = 30
    answer = shop.a.put("/Order/Update", json=dto)
    assert (answer.status_code, answer.content) == (200, b"")
    after = shop.a.get(f"/Order/GetById/{order['id']}").json()
    assert (after["order_status_id"], after["shipping_method"]) == (30, None)
    assert after["order_total"] == dto["order_total"]
    assert shop.a.put("/Order/Update", json={"id": 4711}).status_code == 404
    assert shop.a.put("/Order/Update", json={**dto, "order_total": "much"}).status_code == 400


# Processing


def test_state_changes_come_by_get(shop: ShopUnderTest) -> None:
    order = shop.order(paid=False)
    path = f"/OrderProcessing/{{}}/{order['id']}"
    assert shop.a.get(path.format("CanMarkOrderAsPaid")).json() is True
    assert shop.a.get(path.format("MarkOrderAsPaid")).content == b""
    after = shop.a.get(f"/Order/GetById/{order['id']}").json()
    assert (after["payment_status_id"], after["order_status_id"]) == (30, 20) and after["paid_date_utc"]
    refused_rule(shop.a.get(path.format("MarkOrderAsPaid")), "You can't mark this order as paid")
    shop.settings(rule_error_status=500)
    assert shop.a.get(path.format("MarkOrderAsPaid")).status_code == 500


def test_refund_routes(shop: ShopUnderTest) -> None:
    order = shop.order(paid=True)
    total, path = float(order["order_total"]), f"/OrderProcessing/{{}}/{order['id']}"
    refused_rule(shop.a.get(path.format("Refund")), "Cannot do refund for order.")  # Manual cannot refund online
    part = shop.a.get(path.format("PartiallyRefundOffline"), params={"amountToRefund": 1.5})
    assert part.json() is True
    beyond = shop.a.get(path.format("PartiallyRefundOffline"), params={"amountToRefund": total})
    refused_rule(beyond, "You can't partially refund (offline) this order")
    shop.a.get(path.format("PartiallyRefundOffline"), params={"amountToRefund": round(total - 1.5, 2)})
    after = shop.a.get(f"/Order/GetById/{order['id']}").json()
    assert (after["payment_status_id"], after["refunded_amount"]) == (40, total)


def test_online_refund_answers_with_a_list_of_errors(shop: ShopUnderTest) -> None:
    order = shop.order(paid=True, payment_method="Payments.PayPalCommerce")
    assert shop.a.get("/Payment/SupportRefund", params={"paymentMethodSystemName": "Payments.PayPalCommerce"}).json()
    assert shop.a.get(f"/OrderProcessing/Refund/{order['id']}").json() == []


def test_authorize_capture_void(shop: ShopUnderTest) -> None:
    one, two = (shop.order(paid=False, payment_method="Payments.PayPalCommerce")["id"] for _ in range(2))
    for number in (one, two):
        assert shop.a.get(f"/OrderProcessing/MarkAsAuthorized/{number}").status_code == 200
    assert shop.a.get(f"/OrderProcessing/Capture/{one}").json() == []
    assert shop.a.get(f"/OrderProcessing/VoidOffline/{two}").status_code == 200
    assert [shop.a.get(f"/Order/GetById/{n}").json()["payment_status_id"] for n in (one, two)] == [30, 50]
    refused_rule(shop.a.get(f"/OrderProcessing/Void/{one}"), "Cannot do void for order.")
    refused_rule(shop.a.get(f"/OrderProcessing/Capture/{one}"), "Cannot do capture for order.")


def test_plain_delete_only_flags_while_processing_delete_returns_stock(shop: ShopUnderTest) -> None:
    before = shop.stock("SKU-002")
    plain, processed = shop.order()["id"], shop.order()["id"]
    assert shop.a.delete(f"/Order/Delete/{plain}").status_code == 200
    assert shop.stock("SKU-002") == before - 4
    assert shop.a.delete(f"/OrderProcessing/DeleteOrder/{processed}").status_code == 200
    assert shop.stock("SKU-002") == before - 2
    assert shop.a.get("/Order/Search").json()["items"] == []
    assert shop.a.get(f"/Order/GetById/{plain}").json()["deleted"] is True


def test_shipment_write_back(shop: ShopUnderTest) -> None:
    order = shop.order(paid=True)
    item = order["lines"][0]
    shipment = shop.a.post("/Shipment/Create", json={"order_id": order["id"], "tracking_number": "TRACK1"}).json()
    line = {"shipment_id": shipment["id"], "order_item_id": item["id"], "quantity": 2, "warehouse_id": 0}
    assert shop.a.post("/ShipmentItem/Create", json=line).status_code == 200
    assert shop.a.get(f"/OrderProcessing/Ship/{shipment['id']}", params={"notifyCustomer": "false"}).status_code == 200
    assert shop.a.get(f"/Order/GetById/{order['id']}").json()["shipping_status_id"] == 30
    assert shop.a.get(f"/OrderProcessing/Deliver/{shipment['id']}").status_code == 200
    assert shop.a.get(f"/Order/GetById/{order['id']}").json()["order_status_id"] == 30
    found = shop.a.get(f"/Shipment/GetByOrderId/{order['id']}").json()
    assert [row["tracking_number"] for row in found] == ["TRACK1"]
    assert shop.a.get(f"/ShipmentItem/GetByShipmentId/{shipment['id']}").json()[0]["quantity"] == 2


def test_place_order_finds_an_empty_cart(shop: ShopUnderTest) -> None:
    answer = shop.a.post("/OrderProcessing/PlaceOrder", json={"customer_id": 2}).json()
    assert (answer["success"], answer["errors"]) == (False, ["Cart is empty"])


# Products and stock


def test_sku_lookup_trims_ignores_deleted_and_takes_the_lowest_id(shop: ShopUnderTest) -> None:
    found = shop.a.get("/Product/GetProductBySku", params={"sku": " DUP-1 "}).json()
    several = shop.a.get("/Product/GetProductsBySku", params={"skuArray": "DUP-1;SKU-001"}).json()
    assert sorted(p["sku"] for p in several) == ["DUP-1", "DUP-1", "SKU-001"]
    assert found["id"] == min(p["id"] for p in several if p["sku"] == "DUP-1")
    assert shop.a.get("/Product/GetProductBySku", params={"sku": "GONE-1"}).status_code == 404
    assert shop.a.get("/Product/GetProductBySku", params={"sku": "TEE-L"}).status_code == 404
    assert shop.a.get("/ProductAttributeCombination/GetBySku", params={"sku": "TEE-L"}).json()["stock_quantity"] == 120


def test_adjust_inventory_is_a_delta_with_history_and_no_date(shop: ShopUnderTest) -> None:
    product = shop.a.get("/Product/GetProductBySku", params={"sku": "SKU-001"}).json()
    path = f"/Product/AdjustInventory/{product['id']}"
    answer = shop.a.post(path, params={"quantityToChange": -7, "message": "sync"}, json="")
    assert (answer.status_code, answer.content) == (200, b"")
    after = shop.a.get(f"/Product/GetById/{product['id']}").json()
    assert after["stock_quantity"] == product["stock_quantity"] - 7
    assert after["updated_on_utc"] == product["updated_on_utc"]
    history = shop.a.get(f"/Product/GetStockQuantityHistory/{product['id']}").json()["items"][0]
    assert (history["quantity_adjustment"], history["message"]) == (-7, "sync")
    assert shop.a.get(f"/Product/GetTotalStockQuantity/{product['id']}").json() == after["stock_quantity"]
    assert shop.a.post(path, params={"quantityToChange": 1}, json={"not": "text"}).status_code == 400


def test_warehouses_reserve_instead(shop: ShopUnderTest) -> None:
    chair = shop.a.get("/Product/GetProductBySku", params={"sku": "CHAIR-W"}).json()["id"]
    shop.a.post(f"/Product/AdjustInventory/{chair}", params={"quantityToChange": -10}, json="")
    total = f"/Product/GetTotalStockQuantity/{chair}"
    assert shop.a.get(total).json() == 90
    assert shop.a.get(total, params={"useReservedQuantity": "false"}).json() == 100
    rows = shop.a.get(f"/ProductWarehouse/GetAllProductWarehouseInventoryRecords/{chair}").json()
    assert sum(row["reserved_quantity"] for row in rows) == 10


def test_stock_is_set_absolutely_by_a_full_update(shop: ShopUnderTest) -> None:
    product = shop.a.get("/Product/GetProductBySku", params={"sku": "SKU-003"}).json()
    assert shop.a.put("/Product/Update", json={**product, "stock_quantity": 3}).status_code == 200
    assert shop.stock("SKU-003") == 3
    created = shop.a.post("/Product/Create", json={"name": "New", "sku": "NEW-1", "published": True})
    assert created.status_code == 200 and created.json()["id"] > product["id"]


def test_product_list_pages_and_hides_what_is_deleted(shop: ShopUnderTest) -> None:
    page = shop.a.get("/Product/GetAll", params={"pageSize": 10, "pageIndex": 1}).json()
    assert len(page["items"]) == 10 and page["total_pages"] == -(-page["total_count"] // 10)
    everything = shop.a.get("/Product/GetAll", params={"showHidden": "true"}).json()["items"]
    assert "GONE-1" not in [p["sku"] for p in everything]


# Customers, places, the rest


def test_customer_lookups(shop: ShopUnderTest) -> None:
    alice = shop.a.get("/Customer/GetCustomerByEmail", params={"email": "ALICE@customer0.test"}).json()
    assert shop.a.get(f"/Customer/GetCustomerFullName/{alice['id']}").text == "Alice Whitfield"
    assert shop.a.get(f"/CustomerRole/IsGuest/{alice['id']}").json() is False
    assert "first_name" not in alice
    attributes = shop.a.get(f"/GenericAttribute/GetAttributesForEntity/{alice['id']}", params={"keyGroup": "Customer"})
    assert {a["key"]: a["value"] for a in attributes.json()}["LastName"] == "Whitfield"
    address = shop.a.get(f"/Customer/GetCustomerBillingAddress/{alice['id']}").json()
    assert shop.a.get(f"/Address/GetById/{address['id']}").json()["zip_postal_code"] == "LS1 4AP"
    country = shop.a.get(f"/Country/GetById/{address['country_id']}").json()
    assert country["two_letter_iso_code"] == "GB"
    listed = shop.a.get("/Customer/GetAll", params={"lastName": "whitfield"}).json()["items"]
    assert [c["id"] for c in listed] == [alice["id"]]


def test_small_lists(shop: ShopUnderTest) -> None:
    assert shop.a.get("/Currency/GetCurrencyByCode", params={"currencyCode": "EUR"}).json()["rate"] == 1.17
    assert shop.a.get("/Currency/GetAll").json()["total_count"] == 3
    assert [c["name"] for c in shop.a.get("/TaxCategory/GetAll").json()] == ["Standard", "Reduced", "Zero"]
    assert shop.a.get("/Store/GetAll").json()[0]["id"] == 1
    by_code = shop.a.get("/Country/GetCountryByTwoLetterIsoCode", params={"twoLetterIsoCode": "GR"})
    assert by_code.json()["name"] == "Greece"
    assert len(shop.a.get("/Country/GetAllCountries").json()) == 7


def test_tenders_are_found(shop: ShopUnderTest) -> None:
    order = shop.order(gift_cards=[{"code": "WELCOME-50"}], reward_points=100)
    usage = shop.a.get(f"/GiftCardUsageHistory/GetGiftCardUsageHistoryByOrder/{order['id']}").json()
    assert usage[0]["used_value"] == 50.0
    card = shop.a.get("/GiftCard/GetAll", params={"giftCardCouponCode": "WELCOME-50"}).json()["items"][0]
    assert shop.a.get(f"/GiftCard/GetGiftCardRemainingAmount/{card['id']}").json() == 0
    shown = shop.a.get(f"/Order/GetById/{order['id']}").json()
    entry = shop.a.get(f"/RewardPointsHistory/GetById/{shown['redeemed_reward_points_entry_id']}").json()
    assert (entry["used_amount"], entry["used_with_order"]) == (1.0, order["order_guid"])


def test_return_requests(shop: ShopUnderTest) -> None:
    item = shop.order()["lines"][0]["id"]
    body = {
        "custom_number": "R1",
        "order_item_id": item,
        "customer_id": 2,
        "quantity": 1,
        "return_request_status_id": 10,
    }
    created = shop.a.post("/ReturnRequest/Create", json=body).json()
    found = shop.a.get("/ReturnRequest/Search", params={"orderItemId": item, "rs": "Received"}).json()
    assert [row["id"] for row in found["items"]] == [created["id"]]
    assert shop.a.put("/ReturnRequest/Update", json={**created, "staff_notes": "seen"}).status_code == 200
    assert shop.a.get(f"/ReturnRequest/GetById/{created['id']}").json()["staff_notes"] == "seen"


def test_paths_are_spelt_exactly(shop: ShopUnderTest) -> None:
    assert shop.a.get("/order/search").status_code == 404
    assert shop.http.get("/api/index.html").status_code == 200
