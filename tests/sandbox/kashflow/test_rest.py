"""The REST transport: signing in, lists, codes, and the same books as SOAP."""

import uuid

import pytest


def begin(kashflow, password="demo-password", user="demo"):
    return kashflow.http.post("/v2/sessiontoken", json={"UserName": user, "Password": password})


def finish(kashflow, begun, word):
    asked = [
        {"Position": entry["Position"], "Value": word[entry["Position"] - 1]} for entry in begun["MemorableWordList"]
    ]
    body = {"TemporaryToken": begun["TemporaryToken"], "MemorableWordList": asked}
    return kashflow.http.put("/v2/sessiontoken", json=body)


def names(answer):
    return answer.status_code, answer.json()["Error"]


def line(**members):
    given = {"Description": "Blue mug", "Quantity": 2, "Rate": 8.33, "VATLevel": 20, "VATAmount": 3.33}
    return {**given, "NominalCode": 100, **members}


def customer(kashflow, **members):
    answer = kashflow.rest("POST", "/customers", json={"Code": "C1", "Name": "Jo Example", **members})
    assert answer.status_code == 201, answer.text
    return answer.json()


def invoice(kashflow, *lines, **members):
    if not kashflow.state()["customers"]:
        customer(kashflow)
    given = {"CustomerCode": "C1", "IssuedDate": "2026-03-04 00:00:00", "CustomerReference": "SHOP-1001", **members}
    return kashflow.rest("POST", "/invoices", json={**given, "LineItems": list(lines or (line(),))})


# Signing in


def test_two_steps_give_a_guid_session(kashflow):
    begun = begin(kashflow)
    assert begun.status_code == 201
    positions = [entry["Position"] for entry in begun.json()["MemorableWordList"]]
    assert len(set(positions)) == 3 and all(1 <= position <= len("lighthouse") for position in positions)
    done = finish(kashflow, begun.json(), "LightHouse")
    assert done.status_code == 200
    assert uuid.UUID(done.json()["SessionToken"])
    assert begin(kashflow).json()["TemporaryToken"] != begun.json()["TemporaryToken"]


def test_positions_differ_from_time_to_time(kashflow):
    asked = {tuple(e["Position"] for e in begin(kashflow).json()["MemorableWordList"]) for _ in range(12)}
    assert len(asked) > 1


def test_wrong_password_and_wrong_characters_are_invalid_credentials(kashflow):
    assert names(begin(kashflow, "wrong")) == (400, "InvalidCredentials")
    assert names(begin(kashflow, user="nobody")) == (400, "InvalidCredentials")
    assert names(finish(kashflow, begin(kashflow).json(), "xxxxxxxxxx")) == (400, "InvalidCredentials")


def test_temporary_token_works_once_and_not_for_long(kashflow):
    begun = begin(kashflow).json()
    assert finish(kashflow, begun, "lighthouse").status_code == 200
    assert names(finish(kashflow, begun, "lighthouse")) == (400, "InvalidCredentials")
    late = begin(kashflow).json()
    kashflow.settings(clock_ahead_seconds=301)
    assert names(finish(kashflow, late, "lighthouse")) == (400, "InvalidCredentials")


def test_account_locks_after_wrong_tries_and_says_so(kashflow):
    for _ in range(3):
        begin(kashflow, "wrong")
    answer = begin(kashflow)
    assert answer.status_code == 401
    assert answer.json() == {
        "Error": "AccountLocked",
        "Message": "User account is locked, please contact administrator.",
    }


def test_session_dies_of_idleness_and_of_logout(kashflow):
    invalid = {"Error": "InvalidSessionToken", "Message": "Session token provided is invalid."}
    kashflow.sign_in()
    kashflow.settings(clock_ahead_seconds=59 * 60)
    assert kashflow.rest("GET", "/currencies").status_code == 200
    kashflow.settings(clock_ahead_seconds=118 * 60)
    assert kashflow.rest("GET", "/currencies").status_code == 200
    kashflow.settings(clock_ahead_seconds=178 * 60)
    answer = kashflow.rest("GET", "/currencies")
    assert (answer.status_code, answer.json()) == (401, invalid)
    kashflow.sign_in()
    assert kashflow.http.delete(f"/v2/sessiontoken/{kashflow.token}").status_code == 204
    assert kashflow.rest("GET", "/currencies").json() == invalid
    assert kashflow.http.get("/v2/currencies").json() == invalid


# Lists


def test_lists_come_in_an_envelope_with_absolute_neighbours(kashflow):
    first = kashflow.rest("GET", "/products").json()
    assert len(first["Data"]) == 10
    meta = first["MetaData"]
    assert (meta["TotalRecords"], meta["PreviousPageUrl"]) == (40, None)
    assert meta["NextPageUrl"].startswith(f"{kashflow.url}/v2/products?")
    codes, page = [row["Code"] for row in first["Data"]], meta["NextPageUrl"]
    while page:
        answer = kashflow.rest("GET", page).json()
        codes, page = codes + [row["Code"] for row in answer["Data"]], answer["MetaData"]["NextPageUrl"]
    assert codes == [f"SKU-{number:03d}" for number in range(1, 41)]
    latest = kashflow.rest("GET", meta["LastPageUrl"]).json()
    assert (len(latest["Data"]), latest["MetaData"]["NextPageUrl"]) == (10, None)
    before = kashflow.rest("GET", latest["MetaData"]["PreviousPageUrl"]).json()
    assert before["Data"][0]["Code"] == "SKU-021"


def test_page_sizes_defaults_and_the_most_there_is(kashflow):
    rows = [{"code": f"P{number:03d}"} for number in range(120)]
    kashflow.http.put("/control/catalogue", json=rows).raise_for_status()
    assert len(kashflow.rest("GET", "/products/list", params={"perpage": 1000}).json()["Data"]) == 100
    for _ in range(51):
        invoice(kashflow)
    assert len(kashflow.rest("GET", "/invoices").json()["Data"]) == 50
    answer = kashflow.rest("GET", "/invoices", params={"perpage": 20, "page": 3, "order": "desc", "sortby": "Number"})
    assert [row["Number"] for row in answer.json()["Data"]] == list(range(11, 0, -1))
    assert kashflow.rest("GET", "/invoices", params={"page": 0}).status_code == 400


def test_rows_of_a_list_are_summaries(kashflow):
    invoice(kashflow)
    row = kashflow.rest("GET", "/invoices").json()["Data"][0]
    assert (row["LineItems"], row["PaymentLines"], row["Currency"]) == (None, None, None)
    assert len(kashflow.rest("GET", "/invoices/1").json()["LineItems"]) == 1


def test_some_resources_are_bare_arrays(kashflow):
    for path in ("/nominals", "/bankaccounts", "/currencies", "/vat/settings/vatrates", "/paymentmethods/invoice"):
        assert isinstance(kashflow.rest("GET", path).json(), list), path


def test_invoices_are_filtered(kashflow):
    invoice(kashflow)
    customer(kashflow, Code="C2", Name="Other")
    invoice(kashflow, CustomerCode="C2", CustomerReference="X-2", IssuedDate="2026-05-01 00:00:00")

    def found(**params):
        return [row["Number"] for row in kashflow.rest("GET", "/invoices", params=params).json()["Data"]]

    assert found(customercode="c2") == [2]
    assert found(searchtext="shop-1001") == [1]
    assert found(issuedatefrom="2026-03-05") == [2]
    assert found(issuedateto="2026-03-04 23:59:59") == [1]
    assert found(statusfilter="Paid") == []


# Customers


def test_create_read_rename_delete_a_customer(kashflow):
    made = kashflow.rest("POST", "/customers", json={"Code": "C1", "Name": "Jo", "Contacts": [{"Email": "jo@e.test"}]})
    assert (made.status_code, made.headers["Location"]) == (201, "/v2/customers/C1")
    assert kashflow.soap("GetCustomerByEmail", CustomerEmail="jo@e.test").ok["Code"] == "C1"
    body = {"Name": "Joan", "CustomerKey": "shop:7"}
    assert kashflow.rest("PUT", "/customers/C1", json=body).status_code == 200
    read = kashflow.rest("GET", "/customers/c1").json()
    assert (read["Name"], read["CustomerKey"], read["Contacts"][0]["Email"]) == ("Joan", "shop:7", "jo@e.test")
    assert kashflow.rest("PUT", "/customers/C1", json={"Code": "C9"}).status_code == 201
    assert kashflow.rest("DELETE", "/customers/C9").status_code == 204
    assert kashflow.rest("GET", "/customers/C9").status_code == 404


def test_duplicate_code_is_a_400_unless_a_new_one_may_be_made(kashflow):
    customer(kashflow)
    body = {"Code": "c1", "Name": "Jo Example"}
    again = kashflow.rest("POST", "/customers", json=body)
    assert again.status_code == 400
    assert set(again.json()) == {"Error", "Message"}
    assert customer(kashflow, **body, CreateCustomerCodeIfDuplicate=True)["Code"] == "JOEX01"


def test_names_are_needed_or_made_and_codes_suggested(kashflow):
    assert kashflow.rest("POST", "/customers", json={"Code": "X"}).status_code == 400
    assert customer(kashflow, Name=None, CreateCustomerNameIfEmptyOrNull=True)["Name"] == "Customer"
    assert kashflow.rest("POST", "/customers/suggestedcode", json={"Name": "Steve"}).json() == "STEV01"
    found = kashflow.rest("GET", "/customers/search", params={"searchBy": "code", "searchText": "c1"}).json()
    assert [row["value"] for row in found] == ["Customer (C1)"]


# Invoices and payments


def test_invoice_with_its_payment_in_one_call(kashflow):
    payment = {
        "Date": "2026-03-04 00:00:00",
        "Amount": 19.99,
        "Method": kashflow.method(),
        "AccountId": kashflow.bank(),
    }
    made = invoice(kashflow, PaymentLines=[payment])
    assert (made.status_code, made.headers["Location"]) == (201, "/v2/invoices/1")
    body = made.json()
    assert (body["Status"], body["NetAmount"], body["VATAmount"], body["GrossAmount"]) == ("Paid", 16.66, 3.33, 19.99)
    seen = kashflow.get(1)
    assert (seen["Paid"], seen["NetAmount"], seen["CustomerReference"]) == ("1", "16.6600", "SHOP-1001")
    posted = [a for a in kashflow.http.get("/control/arrivals").json() if a["operation"] == "POST /v2/invoices"]
    assert [(a["reference"], a["status"]) for a in posted] == [("SHOP-1001", 201)]


def test_a_bad_payment_leaves_no_invoice_behind(kashflow):
    answer = invoice(kashflow, PaymentLines=[{"Amount": 1, "Method": 7, "AccountId": kashflow.bank()}])
    assert answer.status_code == 400
    assert kashflow.state()["invoices"] == []


@pytest.mark.parametrize("wrong", [{"NominalCode": 12345}, {"ProductCode": "NONE"}, {"VATLevel": 17.5}])
def test_codes_and_vat_levels_are_validated(kashflow, wrong):
    answer = invoice(kashflow, line(**wrong))
    assert answer.status_code == 400
    assert set(answer.json()) == {"Error", "Message"}


def test_unknown_customer_is_refused(kashflow):
    assert invoice(kashflow, CustomerCode="NONE").status_code == 404
    assert kashflow.rest("POST", "/invoices", json={"LineItems": [line()]}).status_code == 400


def test_exempt_lines_show_so_on_both_sides(kashflow):
    invoice(kashflow, line(VATExempt=True, VATAmount=0))
    assert kashflow.get(1)["Lines"][0]["VatRate"] == "-1.0000"
    assert kashflow.rest("GET", "/invoices/1").json()["LineItems"][0]["VATExempt"] is True


def test_status_follows_payments(kashflow):
    def status():
        return kashflow.rest("GET", "/invoices/1").json()["Status"]

    invoice(kashflow, DueDate="2099-01-01 00:00:00")
    seen = [status()]
    for amount in ("10", "9.99", "1"):
        kashflow.pay(1, amount).ok  # noqa: B018
        seen.append(status())
    assert seen == ["Unpaid", "Unpaid", "Paid", "Overpaid"]
    kashflow.rest("PUT", "/invoices/1", json={"PaymentLines": [], "DueDate": "2026-03-05"})
    assert status() == "Overdue"
    assert kashflow.get(1)["AmountPaid"] == "0.0000"


def test_product_line_lowers_stock_and_delete_restores_it(kashflow):
    before = kashflow.product()["qty_in_stock"]
    invoice(kashflow, line(ProductCode="sku-001"))
    assert kashflow.rest("GET", "/products/100/SKU-001").json()["QuantityInStock"] == before - 2
    assert kashflow.rest("DELETE", "/invoices/1").status_code == 204
    assert kashflow.rest("GET", "/products/100/SKU-001").json()["QuantityInStock"] == before
    assert kashflow.rest("GET", "/invoices/1").status_code == 404


def test_update_rewrites_lines_and_a_new_number_is_a_rename(kashflow):
    invoice(kashflow)
    changed = kashflow.rest("PUT", "/invoices/1", json={"LineItems": [line(Rate=1, VATAmount=0.4)]})
    assert (changed.status_code, changed.json()["NetAmount"]) == (200, 2.0)
    assert kashflow.rest("PUT", "/invoices/1", json={"Number": 77}).status_code == 201
    assert kashflow.rest("GET", "/invoices/77").status_code == 200
    assert kashflow.rest("GET", "/nextavailableinvoicenumber").json() == 78


def test_bulk_payments_are_all_or_nothing(kashflow):
    invoice(kashflow), invoice(kashflow)
    body = {"Date": "2026-03-05", "Comment": "payout", "AccountId": kashflow.bank(), "Method": kashflow.method()}
    both = [{"ObjectNumber": 1, "Amount": 19.99}, {"ObjectNumber": 2, "Amount": 19.99}]
    bad = kashflow.rest("POST", "/invoices/bulk/payments", json={**body, "PaymentItems": [*both, {"ObjectNumber": 9}]})
    assert bad.status_code == 404
    assert kashflow.get(1)["AmountPaid"] == "0.0000"
    kashflow.rest("POST", "/invoices/bulk/payments", json={**body, "PaymentItems": both}).raise_for_status()
    assert [kashflow.get(number)["Paid"] for number in (1, 2)] == ["1", "1"]


def test_invoice_limit_shows_and_refuses(kashflow):
    invoice(kashflow)
    kashflow.settings(invoice_limit_reached=True)
    assert kashflow.rest("GET", "/invoices").json()["MetaData"]["InvoiceLimitReached"] is True
    assert names(invoice(kashflow)) == (400, "InvoiceLimitReached")


@pytest.mark.parametrize(
    ("style", "shown"),
    [
        ("twelve", "2026-03-04 12:00:00"),
        ("twelve_offset", "2026-03-04 12:00:00 +05:30"),
        ("iso", "2026-03-04T00:00:00"),
    ],
)
def test_dates_have_three_odd_renderings(kashflow, style, shown):
    kashflow.settings(rest_dates=style)
    assert invoice(kashflow).json()["IssuedDate"] == shown


# Products, nominals, bank


def test_product_is_made_changed_renamed_and_deleted(kashflow):
    made = kashflow.rest("POST", "/products", json={"NominalCode": 100, "Code": "N-1", "Name": "New", "Price": 9.99})
    assert (made.status_code, made.headers["Location"]) == (201, "/v2/products/100/N-1")
    assert kashflow.rest("PUT", "/products/100/N-1", json={"QuantityInStock": 4}).json()["QuantityInStock"] == 4
    assert kashflow.soap("GetSubProductByCode", ProductCode="N-1").ok["Price"] == "9.9900"
    assert kashflow.rest("PUT", "/products/100/N-1", json={"Code": "N-2"}).status_code == 201
    assert kashflow.rest("DELETE", "/products/100/N-2").status_code == 204
    assert kashflow.rest("GET", "/products/100/N-2").status_code == 404


def test_nominal_creation_can_be_repeated(kashflow):
    body = {"Code": 150, "Name": "Extras", "CreateWhenNotPresent": True}
    made = kashflow.rest("POST", "/nominals", json=body)
    again = kashflow.rest("POST", "/nominals", json=body)
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json()["Id"] == again.json()["Id"]
    assert kashflow.rest("GET", f"/nominals/Id/{made.json()['Id']}").json()["Code"] == 150
    assert kashflow.rest("POST", "/nominals", json={"Code": 150, "Name": "x"}).status_code == 400


def test_bank_transactions_and_payments_are_listed_together(kashflow):
    account = kashflow.bank()
    invoice(kashflow)
    kashflow.pay(1, "19.99").ok  # noqa: B018
    fee = {"Date": "2026-03-05", "MoneyType": 310, "PaidOut": 1.5, "Comment": "fee"}
    made = kashflow.rest("POST", f"/bankaccounts/{account}/transactions", json=fee)
    assert made.status_code == 201
    listed = kashflow.rest("GET", f"/bankaccounts/{account}/transactions").json()
    assert [(row["TransactionType"], row["PaidIn"], row["PaidOut"]) for row in listed["Data"]] == [
        (1, 19.99, 0),
        (0, 0, 1.5),
    ]
    assert listed["MetaData"]["ClosingBalance"] == 18.49
    path = f"/bankaccounts/{account}/transactions/{made.json()['Id']}"
    assert kashflow.rest("PUT", path, json={**fee, "PaidOut": 2}).json()["PaidOut"] == 2
    assert kashflow.rest("DELETE", path).status_code == 204


def test_transactionlist_turns_rows_into_payments_and_deletes_them_partially(kashflow):
    account = kashflow.bank()
    invoice(kashflow)
    row = {"Date": "2026-03-05", "MoneyType": 9990, "PaidIn": 19.99}
    ids = [kashflow.rest("POST", f"/bankaccounts/{account}/transactions", json=row).json()["Id"] for _ in range(3)]
    entries = [
        {"Id": ids[0], "InvoiceNumber": 1, "Method": kashflow.method()},
        {"Id": ids[1], "InvoiceNumber": 99, "Method": kashflow.method()},
    ]
    path = f"/bankaccounts/{account}/transactionlist"
    answer = kashflow.rest("PUT", path, json={"Transactions": entries})
    assert answer.status_code == 200
    assert [failed["Id"] for failed in answer.json()["FailedTransactions"]] == [ids[1]]
    assert kashflow.get(1)["Paid"] == "1"
    assert [kept["id"] for kept in kashflow.state()["bank_transactions"]] == ids[1:]
    partly = kashflow.rest("DELETE", path, json=None, content=f"[{ids[1]}, 5]")
    assert (partly.status_code, partly.json()["FailedTransactions"]) == (200, [5])
    assert kashflow.rest("DELETE", path, content=f"[{ids[2]}]").status_code == 204
    assert kashflow.rest("DELETE", "/bankaccounts/5/transactionlist", content="[]").status_code == 404


def test_allowed_addresses_are_kept_for_soap(kashflow):
    kashflow.settings(ip_allow_list=True)
    made = kashflow.rest("POST", "/api/settings/ipaddress", json={"Address": "127.0.0.1", "Comment": "shop"}).json()
    assert kashflow.soap("GetCompanyDetails").ok
    assert kashflow.rest("DELETE", f"/api/settings/ipaddress/{made['Id']}").status_code == 204
    assert kashflow.soap("GetCompanyDetails").status == "NO"


def test_unknown_paths_and_verbs_have_the_same_shape(kashflow):
    assert names(kashflow.http.get("/v2/moons")) == (404, "NotFound")
    assert names(kashflow.http.delete("/v2/currencies")) == (405, "MethodNotAllowed")
    assert names(kashflow.rest("POST", "/customers", content="{")) == (400, "InvalidRequest")
