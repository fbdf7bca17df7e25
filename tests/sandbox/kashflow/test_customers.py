import time


def test_code_is_unique_whatever_its_case(kashflow):
    kashflow.customer(Code="Shop1")
    again = kashflow.soap("InsertCustomer", custr={"Code": "SHOP1", "Name": "Other"})
    assert (again.status, again.detail, again.result) == ("NO", "Customer Code is not unique", "0")


def test_empty_code_is_made_up_of_four_letters_and_two_digits(kashflow):
    kashflow.customer(Name="Steve Jones")
    kashflow.customer(Name="Steve Smith")
    kashflow.customer(Name="Al")
    assert [row["code"] for row in kashflow.state()["customers"]] == ["STEV01", "STEV02", "ALXX01"]


def test_email_not_found_is_a_refusal_with_the_exact_text(kashflow):
    answer = kashflow.soap("GetCustomerByEmail", CustomerEmail="no@example.test")
    assert (answer.status, answer.detail) == ("NO", "There is no customer with that email address")
    assert answer.result is None
    kashflow.customer(Email="")
    assert kashflow.soap("GetCustomerByEmail", CustomerEmail="").status == "NO"


def test_several_with_one_email_give_the_lowest_id(kashflow):
    kashflow.customer(Email="x@example.test")
    first = kashflow.customer(Email="other@example.test, JO@example.test")
    kashflow.customer(Email="jo@example.test")
    found = kashflow.soap("GetCustomerByEmail", CustomerEmail="jo@Example.test").ok
    assert int(found["CustomerID"]) == first


def test_update_overwrites_everything_and_bumps_updated(kashflow):
    customer_id = kashflow.customer(Code="A", Email="a@example.test", Notes="keep?")
    before = kashflow.soap("GetCustomerByID", CustomerID=customer_id).ok
    time.sleep(1.1)  # Updated has whole seconds
    kashflow.soap("UpdateCustomer", custr={"CustomerID": customer_id, "Code": "A", "Name": "New"}).ok  # noqa: B018
    after = kashflow.soap("GetCustomerByID", CustomerID=customer_id).ok
    assert (after["Name"], after["Notes"], after["Email"]) == ("New", "", "")
    assert after["Created"] == before["Created"]
    assert after["Updated"] > before["Updated"]
    since = kashflow.soap("GetCustomersModifiedSince", ModifiedSince=after["Updated"]).ok
    assert [row["Name"] for row in since] == ["New"]


def test_update_to_a_code_of_another_is_refused(kashflow):
    kashflow.customer(Code="A")
    other = kashflow.customer(Code="B")
    answer = kashflow.soap("UpdateCustomer", custr={"CustomerID": other, "Code": "a"})
    assert answer.detail == "Customer Code is not unique"


def test_modified_since_is_inclusive_and_leaves_out_older(kashflow):
    kashflow.customer()
    updated = kashflow.soap("GetCustomers").ok[0]["Updated"]
    assert len(kashflow.soap("GetCustomersModifiedSince", ModifiedSince=updated).ok) == 1
    assert kashflow.soap("GetCustomersModifiedSince", ModifiedSince="2099-01-01T00:00:00").ok == ""


def test_lookups_by_text_and_postcode(kashflow):
    kashflow.customer(Code="T", ExtraText3="shop-7", Postcode="ab1 2CD")
    assert kashflow.soap("SearchCustomerByCustText", SearchVal="shop-7").ok["Code"] == "T"
    assert kashflow.soap("SearchCustomerByCustText", SearchVal="shop-8").status == "NO"
    assert [row["Code"] for row in kashflow.soap("GetCustomersByPostcode", Postcode="AB12CD").ok] == ["T"]


def test_delete_says_zero_for_a_customer_with_invoices(kashflow):
    busy, idle = kashflow.customer(), kashflow.customer()
    kashflow.invoice(customer=busy)
    assert kashflow.soap("DeleteCustomer", CustomerID=busy).ok == "0"
    assert kashflow.soap("DeleteCustomer", CustomerID=idle).ok == "1"
    assert kashflow.soap("GetCustomerByID", CustomerID=idle).status == "NO"


def test_balance_currency_and_vat_number(kashflow):
    customer = kashflow.customer(Code="C")
    number = kashflow.invoice(customer=customer)
    kashflow.pay(number, "5.00").ok  # noqa: B018
    balance = kashflow.soap("GetCustomerBalance", CustomerCode="C").ok
    assert (balance["Value"], balance["Balance"]) == ("5.0000", "7.0000")
    assert kashflow.soap("SetCustomerCurrency", CurrencyCode="EUR", CustomerCode="C").ok == "1"
    assert kashflow.soap("GetCustomerCurrency", CustomerCode="C").ok == "EUR"
    assert kashflow.soap("SetCustomerCurrency", CurrencyCode="XXX", CustomerCode="C").status == "NO"
    assert kashflow.soap("SetCustomerVATNumber", CustVATNumber="GB1", CustomerCode="C").ok == "1"
    assert kashflow.soap("GetCustomerVATNumber", CustomerCode="C").ok == "GB1"
    assert len(kashflow.soap("GetCustomerSources").ok) == 4
