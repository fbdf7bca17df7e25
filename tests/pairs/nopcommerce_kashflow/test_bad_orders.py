"""Orders and settings that cannot be booked: what is said, and that each goes on once its cause is cured."""

from __future__ import annotations

from decimal import Decimal

import pytest
from zeep import Client

from connectors.base.records import Customer
from demo.http import call
from flows.engine.documents.customer import customer_code
from runs.cause_previews import cause_preview
from runs.models import StepBatch
from runs.preview import preview
from runs.replays import How, cause_replay, open_runs, runs_replay
from runs.steps import step_payload, steps_of_run
from tenants.clock import database_now
from tests.pairs.nopcommerce_kashflow.world import LEEDS

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _as_before(world):
    """Settings and faults of one test are gone before the next."""
    yield
    world.faults()
    world.faults(at=world.shop)
    world.ledger_set(deny_locked_before=None)
    world.shop_set(null_country=False)
    world.set()


def product(world, sku, **members):
    row = {"sku": sku, "name": f"Thing {sku}", "price": 12.0, "published": True, "tax_category_id": 1, **members}
    return call("POST", f"{world.shop}/control/products", row)["id"]


_CATALOGUE = {"code": "code", "name": "name", "price": "price", "vat_rate": "vat_rate", "stock": "qty_in_stock"}


def known_in_ledger(world, code):
    rows = [
        {name: str(row[column]) for name, column in _CATALOGUE.items()} | {"managed": bool(row["managed"])}
        for row in world.books()["products"]
    ]
    call(
        "PUT", f"{world.ledger}/control/catalogue", [*rows, {"code": code, "name": code, "vat_rate": "20", "stock": 5}]
    )


def replay(world, *orders):
    runs_replay(
        organisation=world.organisation, runs=[world.run(order) for order in orders], at=database_now(), by=None
    )
    world.settle()


def waiting(world, order, code, *words):
    """The run waits for a person under this code, and its text holds these words; returns it."""
    run = world.run(order)
    assert run.state in ("held", "dead"), f"{run.state}: {run.reason}"
    found = run.error if run.error.get("code") else run.error["items"][0]
    assert found["code"] == code, found
    told = f"{run.reason} {found.get('cure', '')}"
    for word in words:
        assert str(word) in told, told
    return run


def said_beside(run):
    """The exchanges kept beside the step that failed."""
    failed = next(step for step in steps_of_run(run) if step.error)
    return step_payload(StepBatch.unscoped.get(pk=failed.batch_id), failed.place)["exchanges"]


def foreseen(world, order):
    record = world.run(order).record
    (item,) = preview(world.installation, [(record.record_type, record.record_id)])
    return item.outcome, item.error and item.error["code"]


def done(world, order):
    run = world.run(order)
    assert run.state == "done", f"{run.state}: {run.reason}"
    return world.documents(order)


def test_unknown_sku_is_held_and_goes_on_once_the_product_is_there(world):
    product(world, "BAD-1")
    order = world.order(lines=[{"sku": "BAD-1", "quantity": 1}])
    other = world.order()
    world.settle()
    run = waiting(world, order, "unknown_sku", "BAD-1", "map the SKU")
    assert run.state == "held"
    assert world.documents(order) == {}
    assert set(done(world, other)) == {""}, "one bad record stops no other"
    assert foreseen(world, order) == ("held", "unknown_sku"), "the dry run asks the ledger, too"
    known_in_ledger(world, "BAD-1")
    assert foreseen(world, order) == ("would_write", None)
    replay(world, order)
    assert done(world, order)[""]["lines"][0]["product_code"] == "BAD-1"


def test_a_whole_cause_is_previewed_and_replayed(world):
    """Two orders that one product held, one of which a second unknown product will hold again."""
    product(world, "BAD-4")
    product(world, "BAD-5")
    cured = world.order(lines=[{"sku": "BAD-4", "quantity": 1}])
    again = world.order(lines=[{"sku": "BAD-4", "quantity": 1}, {"sku": "BAD-5", "quantity": 2}])
    world.settle()
    runs = [waiting(world, order, "unknown_sku", "BAD-4") for order in (cured, again)]
    (cause,) = {run.cause for run in runs}
    known_in_ledger(world, "BAD-4")
    seen = cause_preview(organisation=world.organisation, cause=cause, how=How(), at=database_now(), by=None)
    outcomes = {row["run"]: row for row in seen.rows}
    assert [outcomes[run.pk]["outcome"] for run in runs] == ["would_write", "held"]
    invoice = next(planned for planned in outcomes[runs[0].pk]["planned"] if planned["name"].startswith("NOP-"))
    assert Decimal(invoice["amount"]) > 0 and "BAD-5" in outcomes[runs[1].pk]["reason"]
    assert world.documents(cured) == {}, "a preview writes nothing"
    count = open_runs(world.organisation, cause=cause).count()
    cause_replay(organisation=world.organisation, cause=cause, count=count, at=database_now(), by=None)
    world.settle()
    assert set(done(world, cured)) == {""}
    assert waiting(world, again, "unknown_sku", "BAD-5").cause == cause
    known_in_ledger(world, "BAD-5")
    runs_replay(
        organisation=world.organisation, runs=[world.run(again)], at=database_now(), by=None, how=How(resume=True)
    )
    world.settle()
    assert len(done(world, again)[""]["lines"]) >= 2


def test_unknown_sku_can_be_invoiced_with_a_flagged_line(world):
    world.set(unknown_sku="flag")
    product(world, "BAD-2")
    order = world.order(lines=[{"sku": "BAD-2", "quantity": 1}, {"sku": "SKU-001", "quantity": 1}])
    world.settle()
    lines = done(world, order)[""]["lines"]
    assert [(line["product_code"], line["description"][:13]) for line in lines[:2]] == [
        ("", "[UNKNOWN SKU]"), ("SKU-001", lines[1]["description"][:13]),
    ]  # fmt: skip


def test_article_without_a_sku_is_held_by_its_name_and_can_be_mapped(world):
    nameless = next(p for p in call("GET", f"{world.shop}/control/state")["products"] if not p["sku"])
    order = world.order(lines=[{"product_id": nameless["id"], "quantity": 1}])
    world.settle()
    waiting(world, order, "unknown_sku", f"NOP-P{nameless['id']}")
    world.set(sku_table={f"NOP-P{nameless['id']}": "SKU-005"})
    replay(world, order)
    assert done(world, order)[""]["lines"][0]["product_code"] == "SKU-005"


def test_product_deleted_after_the_sale_is_still_invoiced(world):
    number = product(world, "BAD-3")
    known_in_ledger(world, "BAD-3")
    order = world.order(lines=[{"sku": "BAD-3", "quantity": 1}], paid=False)
    world.settle()
    call("PATCH", f"{world.shop}/control/products/{number}", {"deleted": True})
    world.act(order, "pay")
    world.settle()
    assert "BAD-3" in done(world, order)[""]["lines"][0]["product_code"]


def test_gift_card_that_is_sold_is_a_liability_without_stock(world):
    order = world.order(lines=[{"sku": "GIFT-25", "quantity": 1}], shipping={"method": "None", "price": "0"})
    world.settle()
    [line] = done(world, order)[""]["lines"]
    assert (line["nominal_code"], line["product_code"], Decimal(line["vat_amount"])) == (107, "", 0)


def test_unknown_payment_method_leaves_the_invoice_and_holds_the_payment(world):
    world.shop_set(payment_methods=["Payments.PayPalCommerce", "Payments.CheckMoneyOrder", "Payments.Barter"])
    order = world.order(payment_method="Payments.Barter")
    world.settle()
    waiting(world, order, "payment_method", "Payments.Barter", "payment methods")
    assert world.invoice(order)["payments"] == []
    world.set(default_payment_method="Bank", default_payment_account="Current")
    replay(world, order)
    assert len(done(world, order)[""]["payments"]) == 1


def test_payment_the_ledger_learns_of_elsewhere_is_not_recorded(world):
    world.set(
        payment_methods={"Payments.PayPalCommerce": {"method": "PayPal", "account": "PayPal clearing", "post": False}}
    )
    order = world.order()
    world.settle()
    assert done(world, order)[""]["payments"] == []


def test_payment_account_the_ledger_does_not_have_is_named(world):
    world.set(payment_methods={"Payments.PayPalCommerce": {"method": "PayPal", "account": "Piggy bank", "post": True}})
    order = world.order()
    world.settle()
    run = world.run(order)
    assert run.state in ("held", "dead") and "Piggy bank" in run.reason, run.reason
    assert world.invoice(order)["payments"] == []
    world.set()
    replay(world, order)
    assert len(done(world, order)[""]["payments"]) == 1


def test_payment_without_its_invoice_is_held_until_the_invoice_is_known(world):
    """The invoice flow is left out by a rule of the customer's own, so there is nothing to link the payment with."""
    world.set(invoice_when_default="paid", extra_rules=[
        {"check": "order.gross < 40", "otherwise": "skip", "message": "Too large for us."}
    ])  # fmt: skip
    order = world.order()
    world.settle()
    waiting(world, order, "payment_without_invoice", str(order), "invoice")
    world.set()
    replay(world, order)
    assert len(done(world, order)[""]["payments"]) == 1


def test_order_whose_figures_do_not_add_up_is_held_with_the_arithmetic(world):
    world.shop_set(update_totals_on_edit=False)
    order = world.order(paid=False)
    world.act(order, "edit", lines=[{"sku": "SKU-001", "quantity": 3}])
    world.shop_set(update_totals_on_edit=True)
    world.act(order, "pay")
    world.settle()
    run = waiting(world, order, "source_arithmetic", order, "add up", "Recalculate")
    assert set(run.error["details"]) >= {"gross", "total", "tax_total"}
    assert world.documents(order) == {}
    world.act(order, "edit", lines=[{"sku": "SKU-001", "quantity": 4}])
    world.settle()
    documents = done(world, order)
    assert Decimal(documents[""]["gross_amount"]) == Decimal(world.shop_order(order)["truth"]["gross"])


def test_vat_rate_outside_the_settings_is_held_and_named(world):
    world.set(vat_rates=["5", "0"])
    order = world.order()
    world.settle()
    run = world.run(order)
    assert run.state in ("held", "dead") and "20" in run.reason, run.reason
    world.set()
    replay(world, order)
    assert set(done(world, order)) == {""}


def test_locked_period_says_so_and_is_written_once_it_is_open(world):
    world.ledger_set(deny_locked_before="2031-01-01")
    order = world.order()
    world.settle()
    run = world.run(order)
    assert run.state in ("held", "dead"), run.reason
    assert "lock" in run.reason.lower(), run.reason
    assert run.error["cure"], run.error
    refused = said_beside(run)[-1]
    assert "InsertInvoice" in refused["request_body"] and "lock" in refused["reply_body"].lower()
    assert "[redacted]" in refused["request_body"] and "-password" not in str(refused)
    world.ledger_set(deny_locked_before=None)
    replay(world, order)
    assert set(done(world, order)) == {""}


def test_address_without_a_country_is_invoiced(world):
    world.shop_set(null_country=True)
    order = world.order()
    world.settle()
    assert set(done(world, order)) == {""}


def test_customer_refused_as_a_duplicate_is_found_instead(world):
    """Somebody else made the customer between our look and our write: the refusal names the code, so it is read."""
    email = "double@example.test"
    first = world.order(customer={"email": email, "first_name": "A", "last_name": "B", "address": LEEDS})
    world.settle()
    known = world.invoice(first)["customer_id"]
    # Invisible by e-mail: the bookkeeper has changed it; the code stays taken.
    soap = Client(f"{world.ledger}/api/service.asmx?WSDL").service
    row = soap.GetCustomerByEmail("demo", "demo-password", email)["GetCustomerByEmailResult"]
    row.Email = "accounts@elsewhere.test"
    soap.UpdateCustomer("demo", "demo-password", row)
    assert row.Code == customer_code(Customer(email=email), "NOP")
    second = world.order(customer={"email": email, "first_name": "A", "last_name": "B", "address": LEEDS})
    world.settle()
    assert done(world, second)[""]["customer_id"] == known
    assert "accounts@elsewhere.test" in {row["email"] for row in world.books()["customers"]}


def test_customer_refused_for_another_reason_is_named_and_goes_on(world):
    world.faults({"kind": "refuse", "operations": ["InsertCustomer"], "text": "Customer name is not allowed"})
    order = world.order()
    world.settle()
    run = world.run(order)
    assert run.state in ("held", "dead") and "not allowed" in run.reason, run.reason
    world.faults()
    replay(world, order)
    assert set(done(world, order)) == {""}


def test_truncated_answer_of_the_shop_is_tried_again(world):
    world.faults({"kind": "truncated", "operations": ["GET /api/orders/{id}"], "times": 1}, at=world.shop)
    order = world.order()
    world.settle()
    assert set(done(world, order)) == {""}


def test_rate_limit_is_waited_for(world):
    world.faults({"kind": "rate_limit", "operations": ["InsertInvoice"], "times": 2, "retry_after": 1})
    order = world.order()
    world.settle()
    assert set(done(world, order)) == {""}


def test_reference_carries_the_prefix_and_lines_the_names_and_prices(world):
    order = world.order(lines=[{"sku": "SKU-001", "quantity": 3}])
    world.settle()
    invoice, truth = done(world, order)[""], world.shop_order(order)["truth"]
    assert invoice["customer_reference"] == f"NOP-{order}"
    assert Decimal(invoice["gross_amount"]) == Decimal(truth["gross"])
    lines = [line for line in invoice["lines"] if line["product_code"] == "SKU-001"]
    assert sum(Decimal(line["quantity"]) for line in lines) == 3
    net = sum(Decimal(line["net_amount"]) for line in lines)
    assert abs(net - Decimal(truth["by_sku"]["SKU-001"]["net"])) < Decimal("0.01")
    assert {line["description"] for line in lines} == {world.shop_product("SKU-001")["name"]}
