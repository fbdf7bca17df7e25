"""Systems that are down, refuse us or answer nonsense: nothing is lost, and work goes on once they are well."""

from __future__ import annotations

import pytest

from connections import circuits
from connections.models import CircuitState, Connection
from connections.services import connection_replace_credentials, connection_test
from demo.http import call
from runs.models import InboxEvent
from tenants.clock import database_now

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _well_again(world):
    yield
    world.faults()
    world.faults(at=world.shop)
    world.ledger_set(password="login", ip_allow_list=False)
    CircuitState.objects.all().delete()


@pytest.fixture
def quick_circuits(monkeypatch):
    """Circuits open for a second instead of five, so that a test may wait for them."""
    monkeypatch.setattr(circuits, "FIRST_OPEN_SECONDS", 1.0)
    monkeypatch.setattr(circuits, "LONGEST_OPEN_SECONDS", 2.0)


def all_done(world, orders):
    return [(world.run(order).state, set(world.documents(order))) for order in orders] == [("done", {""})] * len(orders)


def renew(connection):
    connection_test(connection=connection, at=database_now(), by=None)
    connection.refresh_from_db()
    return connection


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "html_error", "status": 503, "text": "Down for maintenance"},
        {"kind": "cut_before"},
    ],
    ids=["503", "maintenance page", "connections cut"],
)
def test_ledger_that_is_down_is_waited_for(world, quick_circuits, fault):
    world.faults({**fault, "operations": ["*"]})
    orders = [world.order() for _ in range(6)]
    world.work(1.5)
    states = {world.run(order).state for order in orders}
    assert states == {"waiting"}
    assert CircuitState.objects.filter(open_until__isnull=False).exists(), "the circuit did not open"
    assert InboxEvent.unscoped.exclude(state="waiting").count() == 0
    tried = sum(world.calls().values())
    world.work(1.0)
    assert sum(world.calls().values()) - tried <= 3, "an open circuit lets nothing but probes through"
    world.faults()
    world.settle(soon=10, seconds=25)
    assert all_done(world, orders)


@pytest.mark.parametrize("status", [200, 503])
def test_shop_closed_for_maintenance_is_waited_for(world, quick_circuits, status):
    order = world.order()
    world.faults(
        {"kind": "html_error", "status": status, "text": "Store closed", "operations": ["GET *"]}, at=world.shop
    )
    world.work(1.0)
    run = world.run(order)
    assert run.state == "waiting", f"{run.state}: {run.reason}"
    world.faults(at=world.shop)
    world.settle(soon=10, seconds=25)
    assert all_done(world, [order])


def test_wrong_password_stops_the_connection_and_new_credentials_release_the_work(world):
    ledger = world.installation.target
    world.ledger_set(password="separate_api")
    orders = [world.order() for _ in range(3)]
    world.settle()
    ledger.refresh_from_db()
    assert ledger.state == Connection.State.NEEDS_ATTENTION
    assert "password" in ledger.state_reason.lower()
    assert InboxEvent.unscoped.filter(state__in=["held", "dead"]).count() == 0, "waiting is no fault of the orders"
    sent = sum(world.calls().values())
    world.settle()
    assert sum(world.calls().values()) == sent, "nothing is tried with a password that was refused"
    connection_replace_credentials(
        connection=ledger,
        values={"username": "demo", "password": "demo-api-password", "service_address": world.ledger},
        at=database_now(),
        by=None,
    )
    assert renew(ledger).state == Connection.State.ACTIVE
    world.settle()
    assert all_done(world, orders)
    world.ledger_set(password="login")
    connection_replace_credentials(
        connection=ledger,
        values={"username": "demo", "password": "demo-password", "service_address": world.ledger},
        at=database_now(),
        by=None,
    )
    assert renew(ledger).state == Connection.State.ACTIVE


def test_address_that_is_not_allowed_is_named_and_work_waits(world):
    ledger = world.installation.target
    world.ledger_set(ip_allow_list=True)
    order = world.order()
    world.settle()
    ledger.refresh_from_db()
    assert ledger.state == Connection.State.NEEDS_ATTENTION
    assert "address" in ledger.state_reason.lower(), ledger.state_reason
    world.ledger_set(ip_allow_list=False)
    assert renew(ledger).state == Connection.State.ACTIVE
    world.settle()
    assert all_done(world, [order])


def test_reconnecting_the_same_account_changes_nothing(world):
    order = world.order()
    world.settle()
    documents = world.documents(order)
    ledger = world.installation.target
    connection_replace_credentials(
        connection=ledger,
        values={"username": "demo", "password": "demo-password", "service_address": world.ledger},
        at=database_now(),
        by=None,
    )
    renew(ledger)
    call("POST", f"{world.ledger}/control/calls/reset")
    world.news("order", order)
    world.settle()
    assert world.documents(order) == documents
    assert not [name for name in world.calls() if name.startswith(("Insert", "Update"))]
