"""The demo's checker finds what is wrong: every kind of difference, planted one at a time, is told."""

import copy

import pytest

from demo.nopcommerce_kashflow.checker import compare

ORDER = {
    "id": 7,
    "deleted": False,
    "created_on_utc": "2026-06-30T23:30:00+00:00",  # the first of July in London
    "placed_at": 1782862200.0,
    "paid_date_utc": "2026-06-30T23:30:00+00:00",
    "payment_status": "Paid",
    "order_status": "Processing",
    "payment_method_system_name": "Payments.PayPalCommerce",
    "refunded_amount": "0.0000",
    "billing_address": {"email": "Ada@example.test"},
    "truth": {
        "gross": "17.00",
        "tenders": {"gift_cards": "5.0000", "reward_points": "0.0000", "payment": "12.0000"},
        "by_rate": {"20": {"net": "10.0000", "vat": "2.0000"}, "0": {"net": "5.0000", "vat": "0.0000"}},
        "by_sku": {"SKU-001": {"quantity": 2, "net": "10.0000"}, "SKU-002": {"quantity": 1, "net": "5.0000"}},
    },
}


def _line(sku, quantity, rate, vat_rate, vat):
    net = format(quantity * float(rate), ".2f")
    return {
        "description": sku, "quantity": str(quantity), "rate": rate, "vat_rate": vat_rate, "vat_amount": vat,
        "net_amount": net, "product_code": sku,
    }  # fmt: skip


INVOICE = {
    "invoice_number": 1,
    "customer_reference": "NOP-7",
    "customer_id": 3,
    "invoice_date": "2026-07-01",
    "currency_code": "GBP",
    "gross_amount": "17.00",
    "due_amount": "0.00",
    "created_at": 1782862201.5,
    "lines": [_line("SKU-001", 2, "5.00", "20", "2.00"), _line("SKU-002", 1, "5.00", "0", "0.00")],
    "payments": [
        {"pay_amount": "12.00", "pay_method": 1, "pay_note": "CAP-1"},
        {"pay_amount": "5.00", "pay_method": 2, "pay_note": "card"},
    ],
}


def _world():
    shop = {"orders": [copy.deepcopy(ORDER)], "products": [
        {"sku": "SKU-001", "stock_quantity": 8, "deleted": False},
        {"sku": "SKU-002", "stock_quantity": 4, "deleted": False},
    ]}  # fmt: skip
    books = {
        "invoices": [copy.deepcopy(INVOICE)],
        "customers": [{"customer_id": 3, "email": "ada@example.test"}],
        "payment_methods": [{"method_id": 1, "method_name": "PayPal"}, {"method_id": 2, "method_name": "Gift card"}],
        "products": [
            {"code": "SKU-001", "qty_in_stock": 8, "managed": 1},
            {"code": "SKU-002", "qty_in_stock": 4, "managed": 1},
        ],
    }
    return shop, books


def _compared(shop, books):
    return compare(
        shop, {"accounts": {"demo": books}}, order_ids=[7], prefix="NOP-", account="demo", zone="Europe/London"
    )


def test_an_equal_invoice_is_equal():
    books = _compared(*_world())
    assert [verdict.problems for verdict in books.verdicts] == [[]]
    assert len(books.equal) == 1
    assert not books.missing and not books.duplicates and not books.stock_differences
    assert books.money_in == books.money_out
    assert books.document_seconds == [1.5]


PLANTED = {
    "gross": lambda i, b: i.update(gross_amount="17.01"),
    "net at 20": lambda i, b: i["lines"][0].update(net_amount="10.01"),
    "VAT at 20": lambda i, b: i["lines"][0].update(vat_amount="2.01"),
    "is off by": lambda i, b: i["lines"][0].update(vat_amount="2.02"),
    "nothing at 5": lambda i, b: i["lines"][1].update(vat_rate="5"),
    "SKU-001: quantity": lambda i, b: i["lines"][0].update(quantity="1"),
    "SKU-002: net": lambda i, b: i["lines"][1].update(net_amount="4.99"),
    "is not in the order": lambda i, b: i["lines"].append(_line("SKU-009", 1, "0.00", "0", "0.00")),
    "date": lambda i, b: i.update(invoice_date="2026-06-30"),
    "currency": lambda i, b: i.update(currency_code="EUR"),
    "customer": lambda i, b: b["customers"][0].update(email="bob@example.test"),
    "payments": lambda i, b: i["payments"].pop(),
    "payment method": lambda i, b: (
        i["payments"][0].update(pay_method=2)
        or b["payment_methods"].__setitem__(1, {"method_id": 2, "method_name": "Cash"})
    ),
    "rounding of": lambda i, b: i["lines"].append({**_line("Rounding", 1, "0.50", "-1", "0.00"), "product_code": ""}),
}


@pytest.mark.parametrize("told", PLANTED)
def test_a_planted_difference_is_told(told):
    shop, books = _world()
    PLANTED[told](books["invoices"][0], books)
    (verdict,) = _compared(shop, books).verdicts
    assert any(told in problem for problem in verdict.problems), verdict.problems


def test_a_missing_invoice_is_missing_and_an_unexpected_one_is_different():
    shop, books = _world()
    books["invoices"].clear()
    assert len(_compared(shop, books).missing) == 1
    shop, books = _world()
    shop["orders"][0].update(paid_date_utc=None, payment_status="Pending")
    result = _compared(shop, books)
    assert len(result.different) == 1 and not result.equal


@pytest.mark.parametrize(
    "double",
    [
        lambda b: b["invoices"].append(copy.deepcopy(INVOICE)),
        lambda b: b["customers"].append({"customer_id": 4, "email": "ADA@example.test"}),
        lambda b: b["invoices"][0]["payments"].append({"pay_amount": "0", "pay_method": 1, "pay_note": "CAP-1"}),
    ],
)
def test_a_double_is_told(double):
    shop, books = _world()
    double(books)
    assert _compared(shop, books).duplicates


def test_stock_that_differs_is_told_and_unpaid_orders_are_allowed_for():
    shop, books = _world()
    shop["products"][0]["stock_quantity"] = 7
    assert _compared(shop, books).stock_differences == {"SKU-001": (7, 8)}
    unpaid = copy.deepcopy(ORDER) | {"id": 8, "paid_date_utc": None, "payment_status": "Pending"}
    shop["orders"].append(unpaid)
    shop["products"][0]["stock_quantity"], shop["products"][1]["stock_quantity"] = 6, 3
    assert not _compared(shop, books).stock_differences


def test_a_cancelled_order_must_net_to_zero():
    shop, books = _world()
    shop["orders"][0]["order_status"] = "Cancelled"
    (verdict,) = _compared(shop, books).verdicts
    assert any("remain" in problem for problem in verdict.problems)


def test_a_refund_without_its_credit_note_is_told():
    shop, books = _world()
    shop["orders"][0]["refunded_amount"] = "2.0000"
    (verdict,) = _compared(shop, books).verdicts
    assert any("credited" in problem for problem in verdict.problems)
    assert any("money back" in problem for problem in verdict.problems)
