"""The kill matrix's rows: every write operation of every connector, how to bring it about, and what must then be there.

The names are compared with the connectors' own registry by a test: an operation without a row fails it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chaos.ledger import Ledger
from chaos.world import ACCOUNT, PREFIX, World
from demo.http import call

OFFLINE, CARD = "Payments.CheckMoneyOrder", "Payments.Manual"
KNOWN = "known@example.test"
SETTINGS = {
    "status_after_invoice": "processing",
    "note_on_order": True,
    "customers_direction": "both",
    "products_direction": "shop_to_ledger",
    "prices_direction": "ledger_to_shop",
    "take_back_payments": "remove",
}

FIRST_PRICED, FIRST_STOCKED, FIRST_HARNESSED = 20, 30, 36
"""SKUs of which nothing is ordered, so that nothing but a case changes them."""


@dataclass(frozen=True)
class Picture:
    """Both outside systems as they are."""

    shop: dict[str, Any]
    ledger: dict[str, Any]

    def documents(self, reference: str) -> list[dict[str, Any]]:
        return [row for row in self.ledger["invoices"] if row["customer_reference"] == reference]

    def document(self, order: int) -> dict[str, Any]:
        found: dict[str, Any] = self.documents(f"{PREFIX}{order}")[0]
        return found

    def order(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = next(row for row in self.shop["orders"] if row["id"] == number)
        return found

    def shop_product(self, sku: str) -> dict[str, Any]:
        found: dict[str, Any] = next(row for row in self.shop["products"] if row["sku"] == sku)
        return found

    def ledger_product(self, code: str) -> dict[str, Any]:
        found: dict[str, Any] = next(row for row in self.ledger["products"] if row["code"] == code)
        return found


def picture(world: World) -> Picture:
    shop, ledger = world.state()
    return Picture(shop, ledger["accounts"][ACCOUNT])


@dataclass(frozen=True)
class Case:
    """``prepare`` makes something to work on, at rest; ``trigger`` brings the write about; ``wrong`` says what is not
    as it should be, ``""`` when the effect is there exactly once. ``remote``: the call by which the effect happens."""

    connector: str
    operation: str
    remote: str
    prepare: Callable[[World, int], Any]
    trigger: Callable[[World, Any], Any]
    wrong: Callable[[Picture, Any], str]
    real_flow: bool = True


def exactly_once(number: int, what: str) -> str:
    return "" if number == 1 else f"lost: no {what}" if number == 0 else f"doubled: {what} × {number}"


def _spec(email: str, *, paid: bool, first: str = "Ann", last: str = "Palmer") -> dict[str, Any]:
    return {
        "customer": {"guest": True, "email": email, "first_name": first, "last_name": last},
        "lines": [{"sku": "SKU-001", "quantity": 1}],
        "payment_method": CARD if paid else OFFLINE,
        "paid": paid,
    }


def _nothing(world: World, number: int) -> int:
    return number


def _unpaid(world: World, number: int) -> int:
    return world.place(_spec(KNOWN, paid=False))


def _paid(world: World, number: int) -> int:
    return world.place(_spec(KNOWN, paid=True))


# Orders' life: the pair's own flows


def _place_new_person(world: World, number: int) -> int:
    return world.place(_spec(f"new{number}@example.test", paid=True))


def _customer_wrong(now: Picture, order: int) -> str:
    email = now.order(order)["billing_address"]["email"]
    return exactly_once(sum(row["email"] == email for row in now.ledger["customers"]), "customer")


def _invoice_wrong(now: Picture, order: int) -> str:
    return exactly_once(len(now.documents(f"{PREFIX}{order}")), "invoice")


def _pay(world: World, order: int) -> int:
    world.act(order, "pay")
    return order


def _payment_wrong(now: Picture, order: int) -> str:
    return exactly_once(len(now.document(order)["payments"]), "payment")


def _cancel(world: World, order: int) -> int:
    world.act(order, "cancel")
    return order


def _set_off_wrong(now: Picture, order: int) -> str:
    credits = now.documents(f"{PREFIX}{order}-CR1")
    if len(credits) != 1:
        return exactly_once(len(credits), "credit note")
    due = [Decimal(row["due_amount"]) for row in (now.document(order), credits[0])]
    return "" if not any(due) else f"lost: open amounts {due}"


def _take_back(world: World, order: int) -> int:
    if order in world.orders:
        world.orders.remove(order)  # from here on the books should say nothing of it
    world.manage("take_back", "--installation", str(world.installation), "--order", str(order), "--yes")
    return order


def _deleted_wrong(now: Picture, order: int) -> str:
    left = [row for row in now.ledger["invoices"] if row["customer_reference"].startswith(f"{PREFIX}{order}")]
    exact = [row for row in left if row["customer_reference"].partition("-CR")[0] == f"{PREFIX}{order}"]
    return "" if not exact else f"lost: {len(exact)} documents are still there"


def _status_wrong(now: Picture, order: int) -> str:
    status = now.order(order)["order_status"]
    return "" if status == "Processing" else f"lost: its status is {status}"


def _note_wrong(now: Picture, order: int) -> str:
    return exactly_once(sum(f"[{PREFIX}{order}]" in (text or "") for text in now.order(order)["notes"]), "note")


# Products, stock and customers: the pair's own flows


def _shop_product_new(world: World, number: int) -> str:
    sku = f"CHAOS-{number}"
    body = {"name": f"Made while dying {number}", "sku": sku, "price": 12, "stock_quantity": 5}
    call("POST", f"{world.shop_url}/control/products", {**body, "published": True})
    return sku


def _product_wrong(now: Picture, sku: str) -> str:
    return exactly_once(sum(row["code"] == sku for row in now.ledger["products"]), "product")


def _price_change(world: World, number: int) -> tuple[str, str]:
    sku, price = f"SKU-{FIRST_PRICED + number % 10:03d}", f"{10 + number}.00"
    Ledger(world.ledger_url).price_set(sku, price)
    return sku, price


def _price_wrong(now: Picture, token: tuple[str, str]) -> str:
    sku, price = token
    wanted = Decimal(price) * (1 + Decimal(now.ledger_product(sku)["vat_rate"]) / 100)
    shown = Decimal(now.shop_product(sku)["price"])
    return "" if abs(shown - wanted) < Decimal("0.01") else f"lost: {sku} costs {shown}, not {wanted}"


def _stock_change(world: World, number: int) -> tuple[str, int]:
    sku, quantity = f"SKU-{FIRST_STOCKED + number % 6:03d}", 2000 + number
    Ledger(world.ledger_url).stock_set(sku, quantity)
    return sku, quantity


def _stock_wrong(now: Picture, token: tuple[str, int]) -> str:
    sku, quantity = token
    shown = now.shop_product(sku)["stock_quantity"]
    return "" if shown == quantity else f"lost: {sku} has {shown}, not {quantity}"


def _ledger_customer_new(world: World, number: int) -> str:
    email = f"books{number}@example.test"
    Ledger(world.ledger_url).customer_add(f"BOOK{number}", email, f"Nora Books{number}")
    return email


def _shop_customer_wrong(now: Picture, email: str) -> str:
    return exactly_once(sum((row["email"] or "").lower() == email for row in now.shop["customers"]), "customer")


# Writes of no prebuilt flow: the harness pair


def _harness_stock(world: World, number: int) -> tuple[str, int]:
    sku = f"SKU-{FIRST_HARNESSED + number % 5:03d}"
    order = world.place(_spec(KNOWN, paid=True, first=sku, last="HarnessStock"))
    return sku, 1000 + order


def _ledger_stock_wrong(now: Picture, token: tuple[str, int]) -> str:
    sku, quantity = token
    found = now.ledger_product(sku)["qty_in_stock"]
    return "" if found == quantity else f"lost: {sku} has {found}, not {quantity}"


def _harness_note(world: World, invoiced: int) -> tuple[int, int]:
    number = picture(world).document(invoiced)["invoice_number"]
    return invoiced, world.place(_spec(KNOWN, paid=True, first=str(number), last="HarnessNote"))


def _invoice_note_wrong(now: Picture, token: tuple[int, int]) -> str:
    invoiced, order = token
    texts = [note["notes"] for note in now.document(invoiced)["notes"]]
    return exactly_once(sum(text == f"Noted for order {order}" for text in texts), "note")


CASES = (
    Case("kashflow", "add_invoice_note", "InsertInvoiceNote", _paid, _harness_note, _invoice_note_wrong, False),
    Case("kashflow", "apply_credit_note", "applyCreditNoteToInvoice", _unpaid, _cancel, _set_off_wrong),
    Case("kashflow", "create_invoice", "InsertInvoice", _nothing, _paid, _invoice_wrong),
    Case("kashflow", "delete_invoice", "DeleteInvoice", _unpaid, _take_back, _deleted_wrong),
    Case("kashflow", "delete_payment", "DeleteInvoicePayment", _paid, _take_back, _deleted_wrong),
    Case("kashflow", "ensure_customer", "InsertCustomer", _nothing, _place_new_person, _customer_wrong),
    Case("kashflow", "record_payment", "InsertInvoicePayment", _unpaid, _pay, _payment_wrong),
    Case("kashflow", "set_stock", "AddOrUpdateSubProduct", _nothing, _harness_stock, _ledger_stock_wrong, False),
    Case("kashflow", "upsert_product", "AddOrUpdateSubProduct", _nothing, _shop_product_new, _product_wrong),
    Case("nopcommerce", "add_order_note", "POST */OrderNote/Create", _nothing, _paid, _note_wrong),
    Case("nopcommerce", "set_order_status", "PUT */Order/Update", _nothing, _unpaid, _status_wrong),
    Case("nopcommerce", "set_stock", "POST */Product/AdjustInventory*", _nothing, _stock_change, _stock_wrong),
    Case(
        "nopcommerce", "upsert_customer", "POST */Customer/Create", _nothing, _ledger_customer_new, _shop_customer_wrong
    ),
    Case("nopcommerce", "upsert_product", "PUT */Product/Update", _nothing, _price_change, _price_wrong),
)
