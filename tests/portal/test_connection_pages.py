"""Connections: health in words, credentials typed anew, test, pause and resume."""

from django.urls import reverse

from connections.models import Connection, SealedCredentials
from connections.pauses import connector_pause
from connectors.base.errors import NeedsAttention
from connectors.base.manifest import AccountFacts
from tenants.clock import database_now


def url(name, connection, organisation):
    return reverse(f"connections:{name}", kwargs={"slug": organisation.slug, "connection_id": connection.pk})


def test_needs_attention_tells_what_to_do(books, organisation, owner, as_):
    connection = books.installation.target
    Connection.unscoped.filter(pk=connection.pk).update(
        state="needs_attention", state_code="password", state_reason="KashFlow refuses the password."
    )
    page = as_(owner).get(url("connection-detail", connection, organisation)).content.decode()
    assert "KashFlow refuses the password." in page and "type new credentials here" in page


def test_credentials_are_replaced_and_tested(books, organisation, owner, as_, monkeypatch):
    connection = books.installation.target
    facts = AccountFacts(account_id=connection.account_id, name="Our books", currency="GBP")
    monkeypatch.setattr("connections.services.provider_ask", lambda *_, **__: facts)
    answer = as_(owner).post(
        url("connection-credentials", connection, organisation),
        {"username": "ann", "password": "planted-Secret-1", "transport": "soap"},
        follow=True,
    )
    page = answer.content.decode()
    assert "It works. This is Our books." in page and "planted-Secret-1" not in page
    assert SealedCredentials.objects.for_tenant(organisation).filter(connection=connection).exists()


def test_missing_field_is_said_beside_it_and_secrets_are_not_echoed(books, organisation, owner, as_):
    connection = books.installation.target
    answer = as_(owner).post(
        url("connection-credentials", connection, organisation), {"username": "", "password": "planted-Secret-1"}
    )
    page = answer.content.decode()
    assert answer.status_code == 422 and 'id="e-username"' in page and "planted-Secret-1" not in page


def test_failed_test_is_explained(books, organisation, owner, as_, monkeypatch):
    def refuse(*_, **__):
        raise NeedsAttention("KashFlow refuses the password.", cure="Type it anew.")

    monkeypatch.setattr("connections.services.provider_ask", refuse)
    answer = as_(owner).post(url("connection-test", books.installation.target, organisation), follow=True)
    assert "KashFlow refuses the password. Type it anew." in answer.content.decode()


def test_pause_and_resume(books, organisation, owner, as_):
    connection = books.installation.source
    for to, state in (("pause", "paused"), ("resume", "active")):
        as_(owner).post(url("connection-switch", connection, organisation), {"to": to})
        connection.refresh_from_db()
        assert connection.state == state


def test_a_connector_that_is_paused_for_everybody_is_told_on_every_page(
    books, owner, stranger, as_, other_organisation
):
    connector_pause(connector="kashflow", notice="KashFlow loses payments.", at=database_now(), by=None)
    kwargs = {"slug": books.installation.organisation.slug}
    pages = [
        reverse("runs:pair-detail", kwargs={**kwargs, "installation_id": books.installation.pk}),
        reverse("connections:connection-detail", kwargs={**kwargs, "connection_id": books.installation.target_id}),
        reverse("runs:home", kwargs=kwargs),
    ]
    client = as_(owner)
    for page in pages:
        told = client.get(page).content.decode()
        assert "KashFlow is paused for everybody" in told and "KashFlow loses payments." in told, page
    elsewhere = as_(stranger).get(reverse("runs:home", kwargs={"slug": other_organisation.slug})).content.decode()
    assert "paused for everybody" not in elsewhere
