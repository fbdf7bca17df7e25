"""Several shops, several ledgers, new versions, past orders: one document per order and ledger, whatever happens."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connections.models import Connection
from flows.models import Installation, PairVersion
from flows.services import InstallationRefused
from runs.imports import import_collect, import_create, import_start
from sandbox.common.server import running
from sandbox.nopcommerce.standin import NopCommerce
from tenants.clock import database_now
from tests.factories import links_lose
from tests.pairs.nopcommerce_kashflow.world import ledger_connection, shop_connection

pytestmark = pytest.mark.django_db


def test_two_shops_with_equal_order_numbers_feed_one_ledger(world, settings):
    with running(NopCommerce(store_id=2, store_name="Second shop")) as url:
        settings.ALLOWED_PRIVATE_TARGETS = [*settings.ALLOWED_PRIVATE_TARGETS, url.removeprefix("http://")]
        second = shop_connection(world.organisation, url, "C", name="Second shop")
        installation = world.join(shop=second, prefix="TWO-")
        here, there = world.order(), None
        while there != here:
            there = world.order(shop=url)
        world.poll()
        world.settle()
        assert world.run(there, installation=installation).state == "done"
        first, other = world.documents(here), world.documents(there, prefix="TWO-")
        assert (set(first), set(other)) == ({""}, {""})
        assert first[""]["invoice_number"] != other[""]["invoice_number"]
        installation.state = Installation.State.PAUSED
        installation.save()
        Connection.unscoped.filter(pk=second.pk).update(state=Connection.State.PAUSED)


def test_prefix_that_another_shop_of_the_ledger_uses_is_refused(world):
    with pytest.raises(InstallationRefused, match=r"NOP-.*Choose another prefix"):
        world.join(prefix="NOP-")


def test_one_shop_feeds_two_ledgers(world):
    other = ledger_connection(world.organisation, world.ledger, account="demo2", name="Second books")
    installation = world.join(ledger=other, prefix="NOP-", settings={"unknown_sku": "flag"})
    order = world.order()
    world.settle()
    assert world.run(order, installation=installation).state == "done"
    assert set(world.documents(order)) == {""}
    assert set(world.documents(order, account="demo2")) == {""}
    installation.state = Installation.State.PAUSED
    installation.save()


def test_new_version_of_the_pair_writes_nothing_again(world):
    order = world.order()
    world.settle()
    documents = world.documents(order)
    version = world.installation.pair_version
    world.installation.pair_version = PairVersion.objects.create(
        pair_key=version.pair_key,
        number=version.number + 1,
        title=version.title,
        document=version.document,
        digest="another",
        created_at=database_now(),
    )
    world.installation.save()
    world.news("order", order)
    world.settle()
    assert world.run(order).pair_version.number == version.number + 1
    assert world.run(order).state == "done"
    assert world.documents(order) == documents


def test_past_orders_are_previewed_imported_once_and_adopted(world):
    days = 20
    placed = database_now() - timedelta(days=days)
    past, by_hand = (world.order(created_at=placed.isoformat()) for _ in range(2))
    world.settle()
    assert "before the start date" in world.run(past).reason
    assert world.documents(past) == {} == world.documents(by_hand)
    first = _imported(world, placed)
    assert {first.outcome[str(order)] for order in (past, by_hand)} == {"would_write"}
    numbers = {order: world.invoice(order)["invoice_number"] for order in (past, by_hand)}
    again = _imported(world, placed)
    assert {again.outcome[str(order)] for order in (past, by_hand)} == {"nothing_to_do"}
    assert {order: world.invoice(order)["invoice_number"] for order in (past, by_hand)} == numbers


def test_invoice_made_by_hand_with_our_reference_is_adopted(world):
    """What another tool or a person wrote is recognised by reference, customer and total, and remembered."""
    from runs.models import RecordLink

    placed = database_now() - timedelta(days=40)
    order = world.order(created_at=placed.isoformat(), paid=True)
    world.settle()
    _imported(world, placed)
    number = world.invoice(order)["invoice_number"]
    # As if nobody had ever told us: the document stands, our memory of it does not.
    links_lose(RecordLink.unscoped.filter(record__record_id=str(order), record__record_type="order"))
    job = _imported(world, placed)
    assert job.outcome[str(order)] == "nothing_to_do", job.reasons
    assert world.invoice(order)["invoice_number"] == number
    [link] = RecordLink.unscoped.filter(record__record_id=str(order), operation="create_invoice")
    assert link.adopted and link.external_id == str(number)


class _Imported:
    def __init__(self, job):
        self.outcome = {row["record_id"]: row["outcome"] for row in job.rows}
        self.reasons = {row["record_id"]: [row["reason"], *row["planned"]] for row in job.rows}


def _imported(world, placed):
    job = import_create(
        installation=world.installation, first_day=placed.date(), last_day=placed.date(), at=database_now(), by=None
    )
    import_collect(job)
    seen = _Imported(job)
    import_start(job=job, at=database_now(), by=None)
    world.settle()
    return seen
