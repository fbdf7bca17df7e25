import pytest


def stock(kashflow, code="SKU-001"):
    return int(kashflow.soap("GetSubProductByCode", ProductCode=code).ok["QtyInStock"])


def sold(kashflow, quantity, code="SKU-001"):
    return kashflow.line(quantity, ProductID=kashflow.product(code)["id"])


def test_seeded_catalogue_hangs_under_sale_of_goods(kashflow):
    full = kashflow.soap("GetProductsWithSubProducts").ok
    goods = next(row for row in full if row["ProductCode"] == "100")
    assert len(goods["subProducts"]) == 40
    assert goods["ProductID"] == str(kashflow.nominal(100))
    assert len(kashflow.soap("GetSubProducts", NominalID=kashflow.nominal(100)).ok) == 40
    assert {row["Managed"] for row in goods["subProducts"]} == {"1"}


def test_stock_falls_on_insert_below_nothing_and_comes_back_on_delete(kashflow):
    before = stock(kashflow)
    number = kashflow.invoice(sold(kashflow, str(before + 5)))
    assert stock(kashflow) == -5
    kashflow.soap("DeleteInvoice", InvoiceNumber=number)
    assert stock(kashflow) == before


def test_stock_stays_away_when_the_account_does_not_restore(kashflow):
    kashflow.settings(restore_stock_on_delete=False)
    before = stock(kashflow)
    number = kashflow.invoice(sold(kashflow, "2"))
    kashflow.soap("DeleteInvoice", InvoiceNumber=number)
    assert stock(kashflow) == before - 2


def test_fractions_are_rounded_and_lines_and_updates_move_stock(kashflow):
    before = stock(kashflow)
    number = kashflow.invoice(sold(kashflow, "1.5"))
    assert stock(kashflow) == before - 2
    line = kashflow.soap("InsertInvoiceLineWithInvoiceNumber", InvoiceNumber=number, InvLine=sold(kashflow, "3")).ok
    assert stock(kashflow) == before - 5
    kashflow.soap("DeleteInvoiceLine", LineID=line, InvoiceNumber=number)
    assert stock(kashflow) == before - 2


def test_unmanaged_product_keeps_its_figure(kashflow):
    product = kashflow.soap("GetSubProductByCode", ProductCode="SKU-002").ok
    kashflow.soap("AddOrUpdateSubProduct", sp={**product, "Managed": "0"}).ok  # noqa: B018
    kashflow.invoice(sold(kashflow, "2", "SKU-002"))
    assert stock(kashflow, "SKU-002") == int(product["QtyInStock"])


def test_product_of_another_sales_type_is_refused(kashflow):
    with pytest.raises(AssertionError, match="does not belong"):
        kashflow.invoice({**sold(kashflow, "1"), "ChargeType": kashflow.nominal(101)})
    with pytest.raises(AssertionError, match="no product"):
        kashflow.invoice(kashflow.line(ProductID=5))


def test_zero_id_creates_and_another_overwrites_the_stock_too(kashflow):
    new = {"id": 0, "ParentID": kashflow.nominal(100), "Name": "New", "Code": "NEW-1", "Price": "9.99", "Managed": 1}
    product_id = kashflow.soap("AddOrUpdateSubProduct", sp=new).ok
    assert kashflow.soap("GetSubProductByID", ProductID=product_id).ok["QtyInStock"] == "0"
    kashflow.soap("AddOrUpdateSubProduct", sp={**new, "id": product_id, "QtyInStock": 7}).ok  # noqa: B018
    assert stock(kashflow, "new-1") == 7
    kashflow.soap("AddOrUpdateSubProduct", sp={**new, "id": product_id}).ok  # noqa: B018
    assert stock(kashflow, "NEW-1") == 0
    assert kashflow.soap("AddOrUpdateSubProduct", sp=new).status == "NO"
    assert kashflow.soap("AddOrUpdateSubProduct", sp={**new, "id": 5}).status == "NO"
    assert kashflow.soap("GetSubProductByCode", ProductCode="NONE").status == "NO"


def test_catalogue_can_be_loaded_per_account(kashflow, second):
    rows = [{"code": "A-1", "name": "Apple", "price": "1.99", "vat_rate": "0", "stock": 9}, {"code": "B-1"}]
    assert kashflow.http.put("/control/catalogue", json=rows).status_code == 200
    assert stock(kashflow, "A-1") == 9
    assert kashflow.soap("GetSubProductByCode", ProductCode="SKU-001").status == "NO"
    assert second.soap("GetSubProductByCode", ProductCode="SKU-001").status == "OK"
    kashflow.http.put("/control/catalogue", params={"account": "demo2"}, json=rows).raise_for_status()
    assert stock(second, "A-1") == 9
    for bad in ([{"name": "x"}], [{"code": "A"}, {"code": "a"}], [{"code": "A", "price": "dear"}], {}):
        assert kashflow.http.put("/control/catalogue", json=bad).status_code == 400


def test_nominals_are_added_and_their_ledger_adds_up(kashflow):
    kashflow.invoice()
    kashflow.invoice(kashflow.line("1", "-3", "-0.6"))
    ledger = kashflow.soap(
        "GetNominalLedger",
        StartDate="2026-03-01T00:00:00",
        EndDate="2026-03-31T00:00:00",
        NominalID=kashflow.nominal(100),
    ).ok
    assert [row["Value"] for row in ledger] == ["10.0000", "-3.0000"]
    goods = next(row for row in kashflow.soap("GetNominalCodes").ok if row["Code"] == "100")
    assert (goods["debit"], goods["credit"], goods["balance"]) == ("3.0000", "10.0000", "7.0000")
    new = {"name": "Extras", "code": 150, "classification": 1, "nomtype": 1}
    assert int(kashflow.soap("InsertNominalCode", **new).ok) == kashflow.nominal(150)
    assert kashflow.soap("InsertNominalCode", **new).status == "NO"
