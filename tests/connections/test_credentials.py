import asyncio

import pytest

from connections import credentials
from connections.clients import client_for
from connections.credentials import credentials_open, credentials_renew, credentials_renewed, credentials_store
from connections.models import RenewalLease, SealedCredentials
from connections.services import connection_revoke
from connectors.base.errors import Retryable
from connectors.base.http import HttpPool
from tenants.clock import database_now
from tenants.sealing import BrokenSeal
from tenants.selectors import audit_of
from tests.factories import NOW, ConnectionFactory


@pytest.fixture
def connection(organisation):
    return ConnectionFactory(organisation=organisation, credentials={"token": "old"})


@pytest.fixture
def shared(transactional_db):
    """Visible to other threads."""
    return ConnectionFactory(credentials={"token": "old", "refresh": "r0"})


def test_opening_by_a_person_is_noted_every_time(connection, operator):
    credentials_open(connection, purpose="test", actor=operator)
    credentials_open(connection, purpose="test", actor=operator)
    entries = list(audit_of(connection.organisation))
    assert [(entry.action, entry.actor_label, entry.details) for entry in entries] == [
        ("credentials.opened", "operator@example.com", {"purpose": "test"})
    ] * 2


def test_opening_by_a_worker_is_noted_once_an_hour(connection, monkeypatch):
    monkeypatch.setattr(credentials, "_worker_notes", credentials._WorkerNotes())
    for _ in range(3):
        credentials_open(connection, purpose="run")
    assert audit_of(connection.organisation).count() == 1


def test_credentials_of_another_connection_do_not_open(connection, other_organisation):
    other = ConnectionFactory(organisation=other_organisation, credentials={"token": "theirs"})
    stolen = SealedCredentials.unscoped.get(pk=other.pk).sealed
    SealedCredentials.unscoped.filter(pk=connection.pk).update(sealed=stolen)
    with pytest.raises(BrokenSeal):
        credentials_open(connection, purpose="run")


def test_opened_credentials_do_not_print_themselves(connection):
    assert "old" not in repr(credentials_open(connection, purpose="run"))


def test_renewed_tokens_are_stored_as_the_next_version(connection):
    opened = credentials_renewed(connection, {"token": "new"}, used_version=1, at=NOW)
    assert (opened.values, opened.version) == ({"token": "new"}, 2)
    assert credentials_open(connection, purpose="run").values == {"token": "new"}


def test_a_late_renewal_does_not_undo_what_a_person_typed(connection):
    credentials_store(connection, {"token": "typed"}, at=NOW)
    opened = credentials_renewed(connection, {"token": "late"}, used_version=1, at=NOW)
    assert (opened.values, opened.version) == ({"token": "typed"}, 2)


def test_nothing_is_renewed_after_revoking(connection):
    connection_revoke(connection=connection, reason="left", at=NOW)
    with pytest.raises(credentials.CredentialsMissing):
        credentials_renewed(connection, {"token": "late"}, used_version=1, at=NOW)


def test_ten_renewals_at_once_ask_the_provider_once(shared):
    asked = []

    async def renew(values):
        asked.append(dict(values))
        await asyncio.sleep(0.2)
        return {"token": "new", "refresh": "r1"}

    async def all_at_once():
        return await asyncio.gather(*(credentials_renew(shared, used_version=1, renew=renew) for _ in range(10)))

    results = asyncio.run(all_at_once())
    assert asked == [{"token": "old", "refresh": "r0"}]
    assert {result.values["token"] for result in results} == {"new"}
    assert {result.version for result in results} == {2}


def test_a_failed_renewal_gives_the_lease_back(shared):
    async def refused(values):
        raise Retryable("no")

    async def works(values):
        return {"token": "new"}

    with pytest.raises(Retryable):
        asyncio.run(credentials_renew(shared, used_version=1, renew=refused))
    assert asyncio.run(credentials_renew(shared, used_version=1, renew=works, wait_seconds=0)).version == 2


def test_a_dead_holder_is_waited_for_only_so_long(shared):
    RenewalLease.objects.create(
        connection=shared, holder="dead", expires_at=database_now().replace(year=database_now().year + 1)
    )
    with pytest.raises(Retryable) as news:
        asyncio.run(credentials_renew(shared, used_version=1, renew=None, wait_seconds=0.1))
    assert (news.value.code, news.value.counts) == ("renewal_under_way", False)


def test_a_client_stores_what_it_renewed_and_follows_its_own_version(shared, tea_shop):
    shared.connector = "tea_shop"
    client_for(shared, pool=HttpPool())
    save = tea_shop.views[0].save_credentials

    async def renew_twice():
        await save({"token": "second"})
        return await save({"token": "third"})

    assert asyncio.run(renew_twice()) == {"token": "third"}
    opened = credentials_open(shared, purpose="run")
    assert (opened.values, opened.version) == ({"token": "third"}, 3)
