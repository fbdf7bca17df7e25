"""Products by code, stock as an absolute value, and the names settings may use."""

from decimal import Decimal

import pytest

from connectors.base.errors import MappingFailed, OutcomeUnknown, Rejected

WRITE = ("AddOrUpdateSubProduct", "PUT /v2/products/{nominalCode}/{code}")


def product(**changes):
    return {
        "source_id": "",
        "sku": "MUG-9",
        "name": "Mug nine",
        "description": "A mug",
        "price": "8.33",
        "tax_rate": "20",
        "quantity": 12,
        "nominal": "100",
        **changes,
    }


async def test_reads_a_product_by_code(desk):
    found, row = await desk.run("get_product", {"code": "SKU-002"}), desk.product("SKU-002")
    assert (found.sku, found.name, found.nominal, found.currency) == ("SKU-002", row["name"], "100", "GBP")
    assert (found.price, found.quantity) == (Decimal(row["price"]), row["qty_in_stock"])
    assert found.source_id == str(row["id"]) and found.tax_rate == Decimal(row["vat_rate"])


async def test_missing_product_is_none(desk):
    assert await desk.run("get_product", {"code": "NO-SUCH"}) is None
    assert await desk.run("get_product", {"code": " "}) is None


async def test_lists_the_whole_catalogue(desk):
    listed = await desk.run("list_products", {})
    assert sorted(p.sku for p in listed.products) == sorted(row["code"] for row in desk.books()["products"])


async def test_whole_catalogue_is_one_call_on_soap(soap):
    await soap.run("list_products", {})
    assert soap.door.count("GetProductsWithSubProducts") == 1 and soap.door.count("GetSubProducts") == 0


async def test_creates_a_product_with_its_quantity(desk):
    made = await desk.run("upsert_product", product())
    row = desk.product("MUG-9")
    assert made.source_id == str(row["id"]) and (row["managed"], row["qty_in_stock"]) == (1, 12)
    assert (row["name"], Decimal(row["price"]), Decimal(row["vat_rate"])) == ("Mug nine", Decimal("8.33"), 20)


async def test_unmanaged_product_has_no_stock(desk):
    await desk.run("upsert_product", product(managed=False, quantity=None))
    assert desk.product("MUG-9")["managed"] == 0
    assert (await desk.run("get_product", {"code": "MUG-9"})).quantity is None


async def test_update_never_sets_a_quantity_or_blanks(desk):
    await desk.run("upsert_product", product())
    updated = await desk.run("upsert_product", product(price="9.99", quantity=500, description="", tax_rate=None))
    row = desk.product("MUG-9")
    assert (Decimal(row["price"]), row["qty_in_stock"], row["description"]) == (Decimal("9.99"), 12, "A mug")
    assert Decimal(row["vat_rate"]) == 20
    assert (updated.price, updated.quantity, updated.tax_rate) == (Decimal("9.99"), 12, 20)
    assert sum(row["code"] == "MUG-9" for row in desk.books()["products"]) == 1


async def test_update_keeps_what_we_know_nothing_of(desk):
    before = desk.product("SKU-001")
    await desk.run("upsert_product", product(sku="SKU-001"))
    after = desk.product("SKU-001")
    assert Decimal(after["wholesale_price"]) == Decimal(before["wholesale_price"])
    assert after["qty_in_stock"] == before["qty_in_stock"]
    assert after["name"] == "Mug nine" and after["id"] == before["id"]


async def test_nothing_is_written_when_nothing_changes(desk):
    await desk.run("upsert_product", product())
    sent = len(desk.door.sent)
    await desk.run("upsert_product", product())
    assert not {name for name, _ in desk.door.sent[sent:]} & set(WRITE)


async def test_product_needs_code_and_known_nominal(desk):
    with pytest.raises(MappingFailed):
        await desk.run("upsert_product", product(sku=""))
    with pytest.raises(Rejected) as refused:
        await desk.run("upsert_product", product(nominal="7"))
    assert refused.value.code == "unknown_nominal_code"


async def test_lost_answer_of_a_creation_makes_no_second_product(desk):
    create = desk.operation("AddOrUpdateSubProduct", "POST /v2/products")
    desk.faults({"kind": "cut_after", "operations": [create], "times": 1})
    with pytest.raises(OutcomeUnknown):
        await desk.run("upsert_product", product())
    await desk.run("upsert_product", product())
    assert sum(row["code"] == "MUG-9" for row in desk.books()["products"]) == 1


async def test_stock_is_set_to_the_absolute_value_and_only_that(desk):
    before = desk.product("SKU-003")
    await desk.run("set_stock", {"sku": "SKU-003", "quantity": 7})
    after = desk.product("SKU-003")
    changed = {name for name in after if _value(after[name]) != _value(before[name])}
    assert after["qty_in_stock"] == 7 and changed == {"qty_in_stock"}


def _value(member):
    """20 and 20.0000 are one rate."""
    try:
        return Decimal(member)
    except (ArithmeticError, TypeError, ValueError):
        return member


async def test_equal_stock_is_not_written(desk):
    await desk.run("set_stock", {"sku": "SKU-003", "quantity": desk.product("SKU-003")["qty_in_stock"]})
    assert desk.door.count(desk.operation(*WRITE)) == 0


async def test_stock_is_read_again_just_before(desk):
    """What a kept product said ten minutes ago must not decide."""
    await desk.run("set_stock", {"sku": "SKU-003", "quantity": 7})
    other = desk.context(desk.open())
    await desk.run("set_stock", {"sku": "SKU-003", "quantity": 9}, other)
    await desk.run("set_stock", {"sku": "SKU-003", "quantity": 7})
    assert desk.product("SKU-003")["qty_in_stock"] == 7


@pytest.mark.parametrize(("sku", "code"), [("NO-SUCH", "unknown_sku"), ("MUG-9", "stock_not_managed")])
async def test_stock_of_what_is_not_there_or_not_managed_is_refused(desk, sku, code):
    await desk.run("upsert_product", product(managed=False, quantity=None))
    with pytest.raises(Rejected) as refused:
        await desk.run("set_stock", {"sku": sku, "quantity": 1})
    assert refused.value.code == code and refused.value.cure


async def test_check_booking_is_content_with_what_exists(desk):
    names = {
        "nominals": ["100", "0"],
        "payment_methods": ["card"],
        "accounts": ["1221", "Current"],
        "tax_rates": ["20", "5.0", "0"],
        "currency": "EUR",
    }
    assert (await desk.run("check_booking", names)).problems == ()


async def test_check_booking_names_every_problem(desk):
    names = {
        "nominals": ["100", "998"],
        "payment_methods": ["Barter"],
        "accounts": ["Attic"],
        "tax_rates": ["17.5"],
        "currency": "JPY",
    }
    problems = (await desk.run("check_booking", names)).problems
    assert len(problems) == 5
    for word, problem in zip(["998", "Barter", "Attic", "17.5", "JPY"], problems, strict=True):
        assert word in problem
    assert "PayPal" in problems[1] and "Current (1210)" in problems[2]
