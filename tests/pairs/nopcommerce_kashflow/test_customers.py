"""N2, N5, N6: customers, from the shop to the ledger and back."""

from __future__ import annotations

import pytest
from zeep import Client

from demo.http import call
from runs.models import Run
from runs.steps import steps_of_run
from tests.pairs.nopcommerce_kashflow.world import LEEDS

pytestmark = pytest.mark.django_db

BOTH = {"customers_direction": "both"}


@pytest.fixture(scope="module")
def world(worlds):
    with worlds(settings=BOTH) as made:
        made.settle()
        yield made


def register(world, email, **members):
    spec = {"email": email, "first_name": "Ada", "last_name": "Palmer", "phone": "0113 496 0001", "address": LEEDS}
    return call("POST", f"{world.shop}/control/customers", {**spec, **members})["id"]


def change(world, customer_id, **members):
    call("PATCH", f"{world.shop}/control/customers/{customer_id}", members)


def ledger_changes(world):
    return sum(count for name, count in world.calls().items() if name in ("InsertCustomer", "UpdateCustomer"))


def edit_in_ledger(world, email, **fields):
    """As a bookkeeper does in KashFlow's own pages; over the stand-in's SOAP service."""
    soap = Client(f"{world.ledger}/api/service.asmx?WSDL").service
    row = soap.GetCustomerByEmail("demo", "demo-password", email)["GetCustomerByEmailResult"]
    for name, value in fields.items():
        setattr(row, name, value)
    assert soap.UpdateCustomer("demo", "demo-password", row)["Status"] == "OK"


def add_in_ledger(world, **fields):
    """A customer typed into KashFlow; what is not named is as with a customer that is there already."""
    register(world, "pattern@example.test")
    world.settle()
    soap = Client(f"{world.ledger}/api/service.asmx?WSDL").service
    row = soap.GetCustomerByEmail("demo", "demo-password", "pattern@example.test")["GetCustomerByEmailResult"]
    for name, value in {"CustomerID": 0, **fields}.items():
        setattr(row, name, value)
    assert soap.InsertCustomer("demo", "demo-password", row)["Status"] == "OK"


def test_registered_customer_is_known_in_the_ledger_before_the_first_order(world):
    register(world, "new@example.test", address={**LEEDS, "zip_postal_code": "ls14ap", "city": "  Leeds "})
    world.settle()
    row = world.ledger_customer("new@example.test")
    assert (row["name"], row["telephone"]) == ("Ada Palmer", "0113 496 0001")
    assert (row["address1"], row["address3"], row["postcode"], row["country_code"]) == (
        "12 Mill Lane", "Leeds", "LS1 4AP", "GB",
    )  # fmt: skip


def test_changed_phone_and_address_replace_what_we_wrote(world):
    number = register(world, "moves@example.test")
    world.settle()
    moved = {"address1": "7 Quay Street", "city": "Bristol", "zip_postal_code": "BS1 4DJ"}
    change(world, number, phone="0117 496 0002", address={**moved, "phone_number": "0117 496 0002"})
    world.settle()
    row = world.ledger_customer("moves@example.test")
    assert (row["telephone"], row["address1"], row["address3"], row["postcode"]) == (
        "0117 496 0002", "7 Quay Street", "Bristol", "BS1 4DJ",
    )  # fmt: skip


def test_changed_and_changed_back_is_carried_over_both_times(world):
    number = register(world, "back@example.test")
    world.settle()
    for phone in ("0117 496 0003", "0113 496 0001"):
        change(world, number, phone=phone, address={"phone_number": phone})
        world.settle()
        assert world.ledger_customer("back@example.test")["telephone"] == phone


def test_unchanged_customer_costs_no_call_to_the_ledger(world):
    number = register(world, "same@example.test")
    world.settle()
    world.calls_forget()
    change(world, number, admin_comment="asked about delivery")
    world.settle()
    assert world.run(number, "customer").state == "done"
    assert world.calls() == {}


def test_one_change_is_one_update(world):
    number = register(world, "once@example.test")
    world.settle()
    world.calls_forget()
    change(world, number, phone="0117 496 0009", address={"phone_number": "0117 496 0009"})
    world.settle()
    world.news("customer", number)
    world.settle()
    assert ledger_changes(world) == 1


def test_field_a_person_edited_in_the_ledger_stays_and_is_shown(world):
    number = register(world, "edited@example.test")
    world.settle()
    edit_in_ledger(world, "edited@example.test", Telephone="01632 960999 (mobile, prefers calls)")
    change(world, number, phone="0117 496 0004", address={"address1": "1 New Road", "phone_number": "0117 496 0004"})
    world.settle()
    row = world.ledger_customer("edited@example.test")
    assert row["telephone"] == "01632 960999 (mobile, prefers calls)"
    assert row["address1"] == "1 New Road"
    steps = {step.path: step for step in steps_of_run(world.run(number, "customer"))}
    step = steps["customer-to-ledger.customer"]
    assert "phone" in step.note


def test_nothing_is_blanked_when_the_shop_forgets_it(world):
    number = register(world, "blank@example.test")
    world.settle()
    change(world, number, phone="", address={"phone_number": ""})
    world.settle()
    assert world.ledger_customer("blank@example.test")["telephone"] == "0113 496 0001"


def test_changed_email_stays_one_customer(world):
    number = register(world, "old-name@example.test")
    world.settle()
    before = world.ledger_customer("old-name@example.test")
    change(world, number, email="new-name@example.test", address={"email": "new-name@example.test"})
    world.settle()
    after = world.ledger_customer("new-name@example.test")
    assert after["customer_id"] == before["customer_id"]


def test_order_and_customer_record_meet_in_one_ledger_customer(world):
    number = register(world, "orders@example.test")
    world.settle()
    order = world.order(customer={"id": number})
    world.settle()
    assert world.invoice(order)["customer_id"] == world.ledger_customer("orders@example.test")["customer_id"]


def test_newer_order_brings_the_new_address_and_an_imported_older_one_does_not(world):
    person = {"first_name": "Rohan", "last_name": "Mehta", "guest": True, "email": "guest@example.test"}
    older = world.order(customer={**person, "address": {**LEEDS, "address1": "1 Old Road"}})
    world.settle()
    newer = world.order(customer={**person, "address": {**LEEDS, "address1": "2 New Road"}})
    world.settle()
    assert world.ledger_customer("guest@example.test")["address1"] == "2 New Road"
    oldest = world.order(
        customer={**person, "address": {**LEEDS, "address1": "0 Oldest Road"}}, created_at="2026-01-10T10:00:00Z"
    )
    world.news("order", oldest, via=Run.Via.IMPORT)
    world.settle()
    customers = {world.invoice(order)["customer_id"] for order in (older, newer, oldest)}
    assert len(customers) == 1
    assert world.ledger_customer("guest@example.test")["address1"] == "2 New Road"


def test_customer_made_in_the_ledger_is_known_in_the_shop(world):
    connection = world.installation.source
    connection.settings = {**connection.settings, "create_customers": "true"}
    connection.save(update_fields=["settings"])
    add_in_ledger(world, Code="LTD1", Name="Wharf Trading Ltd", Email="buyer@wharf.test")
    world.poll()
    world.settle()
    shop = call("GET", f"{world.shop}/control/state")["customers"]
    assert len([row for row in shop if row["email"] == "buyer@wharf.test"]) == 1


def test_customer_that_came_from_the_shop_is_not_sent_back(world):
    register(world, "round@example.test")
    world.settle()
    world.poll()
    world.settle()
    code = world.ledger_customer("round@example.test")["code"]
    run = world.run(code, "ledger_customer")
    assert (run.state, run.reason) == ("skipped", "Customer Ada Palmer came from the shop.")
