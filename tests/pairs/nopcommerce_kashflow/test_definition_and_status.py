"""What is refused before it can run, and the one write to the shop's orders."""

from __future__ import annotations

import copy

import pytest

from flows import services
from flows.prebuilt import prebuilt_pair
from flows.services import InstallationRefused, pair_publish
from tenants.clock import database_now

pytestmark = pytest.mark.django_db


def test_definition_with_faults_is_refused_with_all_of_them_and_their_places(world, monkeypatch):
    document = copy.deepcopy(prebuilt_pair("nopcommerce-kashflow"))
    steps = next(flow for flow in document["flows"] if flow["key"] == "order-to-invoice")["steps"]
    steps[0]["when"] = "order.gross >"
    steps[1]["rules"][0]["check"] = "ordr != None"
    steps[2]["links"]["operation"] = "create_invoicee"
    monkeypatch.setattr(services, "prebuilt_pair", lambda key: document)
    with pytest.raises(InstallationRefused) as refused:
        pair_publish(pair_key="nopcommerce-kashflow", at=database_now())
    told = "\n".join(refused.value.problems)
    assert "order-to-invoice.steps[0].when" in told
    assert "ordr" in told and "create_invoicee" in told


def test_status_and_note_go_back_to_the_order_where_asked(world):
    quiet = world.order()
    world.settle()
    assert not [note for note in world.shop_order(quiet)["notes"] if "Invoice" in note]
    world.set(status_after_invoice="complete")
    order = world.order()
    world.settle()
    world.set()
    assert world.run(order).state == "done", world.run(order).reason
    assert world.shop_order(order)["order_status"] == "Complete"


def test_currency_the_ledger_lacks_is_held_and_named(world):
    connection = world.installation.source
    connection.settings = {**connection.settings, "currency": "SEK"}
    connection.save(update_fields=["settings"])
    order = world.order()
    world.settle()
    run = world.run(order)
    connection.settings = {**connection.settings, "currency": "GBP"}
    connection.save(update_fields=["settings"])
    assert run.state in ("held", "dead") and "SEK" in run.reason and run.error["cure"], run.reason
    assert world.documents(order) == {}


def test_malformed_formula_of_a_customers_own_rule_is_refused_by_name(world):
    with pytest.raises(InstallationRefused, match=r"Your own rules: Rule 1: this cannot be read.*'order.gross <'"):
        world.set(extra_rules=[{"check": "order.gross <", "otherwise": "hold", "message": "too large"}])
    world.installation.refresh_from_db()
    assert "extra_rules" not in world.installation.settings
