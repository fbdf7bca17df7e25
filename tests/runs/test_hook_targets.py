"""What a web process remembers of a webhook address never outlives a change of what it was made from."""

import pytest
from django.db import connection as database

from connections.models import Connection
from flows.models import Installation
from runs import hook_targets
from runs.models import InboxEvent
from tests.factories import ConnectionFactory
from tests.runs.conftest import install
from tests.runs.test_polls_and_doors import door, sign  # noqa: F401 - door is a fixture

pytestmark = pytest.mark.django_db(transaction=True)
BODY = b'[{"id": "7"}]'


def heard():
    return set(InboxEvent.unscoped.values_list("installation_id", flat=True))


def test_an_installation_switched_on_later_hears_the_next_delivery(organisation, installation, door):  # noqa: F811
    door(BODY)
    other = install(organisation, source=installation.source, target=ConnectionFactory(
        organisation=organisation, connector="fakebooks", account_id="other books", credentials={"k": "v"}
    ))  # fmt: skip
    assert door(BODY).status_code == 200
    assert heard() == {installation.pk, other.pk}


def test_a_kind_of_record_nobody_listened_to_is_heard_as_soon_as_somebody_does(installation, door, monkeypatch):  # noqa: F811
    """Nothing is stored for it at first, so no statement compares what is remembered."""
    door(BODY)
    monkeypatch.setattr(hook_targets, "listeners_of", lambda connection: [(installation, {"order", "product"})])
    Installation.unscoped.get(pk=installation.pk).save()
    assert door(b'[{"id": "TEA", "type": "product"}]').status_code == 200
    assert set(InboxEvent.unscoped.values_list("record__record_type", flat=True)) == {"order", "product"}


def test_one_that_was_replaced_hears_nothing_more(organisation, installation, door):  # noqa: F811
    door(BODY)
    InboxEvent.unscoped.all().delete()
    Installation.unscoped.filter(pk=installation.pk).update(state="removed")
    again = install(organisation, source=installation.source, target=installation.target)
    assert door(BODY).status_code == 200
    assert heard() == {again.pk}


def test_a_revoked_connection_takes_nothing_at_once(installation, door):  # noqa: F811
    assert door(BODY).status_code == 200
    InboxEvent.unscoped.all().delete()
    Connection.unscoped.filter(pk=installation.source_id).update(state="revoked", account_id="")
    assert door(BODY).status_code == 404
    assert heard() == set()


def test_a_new_secret_is_taken_and_the_old_one_is_not(installation, door):  # noqa: F811
    assert door(BODY).status_code == 200
    InboxEvent.unscoped.all().delete()
    connection = Connection.unscoped.get(pk=installation.source_id)
    connection.sealed_set("sealed_webhook_secret", b"a new secret")
    connection.save(update_fields=["sealed_webhook_secret"])
    assert door(BODY, signature=sign(BODY, "hook-secret")).status_code == 400
    assert heard() == set()
    assert door(BODY, signature=sign(BODY, "a new secret")).status_code == 200
    assert heard() == {installation.pk}


@pytest.mark.skipif(database.vendor != "postgresql", reason="only there one statement stores and compares")
def test_what_is_remembered_costs_one_statement(installation, door, monkeypatch):  # noqa: F811
    door(BODY)
    looked = []
    monkeypatch.setattr(hook_targets, "listeners_of", lambda connection: looked.append(connection) or [])
    assert door(BODY).status_code == 200
    assert looked == []
