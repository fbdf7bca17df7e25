"""The operators' console shows everything but secrets, for every model any room has registered."""

import base64

import pytest
from django.conf import settings as django_settings
from django.contrib import admin
from django.urls import reverse

from connections import services
from connections.circuits import circuit_open
from connections.credentials import webhook_secret_open
from connections.models import CircuitState, Connection, ConnectorPause, RateBudget, RenewalLease, SealedCredentials
from connections.pauses import connector_pause
from connectors.base.errors import NeedsAttention
from tenants.keys import data_key_newest
from tenants.models import DataKey
from tenants.roles import Role
from tenants.services import member_invite
from tests.connections.conftest import VALUES
from tests.factories import NOW

OUR_ROOMS = ("tenants", "connections", "flows", "runs")


def our_admins():
    return [model for model in admin.site._registry if model._meta.app_label in OUR_ROOMS]


@pytest.fixture
def console(client, operator):
    client.force_login(operator)
    return client


@pytest.fixture
def connection(tea_shop, organisation, owner):
    return services.connection_create(
        organisation=organisation, connector="tea_shop", name="Our shop", values=VALUES, at=NOW, by=owner
    )


def spellings(secret: bytes):
    """How bytes might come onto a page."""
    return [
        repr(secret)[2:-1],
        secret.hex(),
        base64.b64encode(secret).decode(),
        base64.urlsafe_b64encode(secret).decode(),
    ]


@pytest.fixture
def planted(connection, organisation, owner):
    """One row of every model of these rooms, and every secret in them."""
    invitation, token = member_invite(
        organisation=organisation, email="new@example.com", role=Role.VIEWER, by=owner, at=NOW
    )
    connector_pause(connector="kashflow", notice="It loses payments.", at=NOW, by=None)
    RenewalLease.objects.create(connection=connection, holder="", expires_at=NOW)
    RateBudget.objects.create(connection=connection, full_at=NOW)
    circuit_open(f"connection:{connection.pk}", failures=5, jitter=1, why="silent")
    connection.refresh_from_db()
    data_key = DataKey.objects.for_tenant(organisation).first()
    secrets = [VALUES["password"], webhook_secret_open(connection), token, owner.password, connection.webhook_public_id]
    secrets += [invitation.token_hash, *(entry.partition(":")[2] for entry in django_settings.MASTER_KEYS)]
    for value in (
        data_key_newest(organisation.pk).key,
        bytes(data_key.wrapped),
        bytes(connection.sealed_webhook_secret),
        bytes(SealedCredentials.unscoped.get(pk=connection.pk).sealed),
    ):
        secrets += spellings(value)
    return secrets


def pages_of(model):
    app, name = model._meta.app_label, model._meta.model_name
    yield reverse(f"admin:{app}_{name}_changelist") + "?q=shop"
    for row in model._default_manager.all():
        yield reverse(f"admin:{app}_{name}_change", args=[row.pk])
        yield reverse(f"admin:{app}_{name}_history", args=[row.pk])


def test_every_model_of_these_rooms_has_a_desk():
    from django.apps import apps

    ours = [model for label in ("tenants", "connections") for model in apps.get_app_config(label).get_models()]
    assert {model for model in ours if not model._meta.auto_created} <= set(our_admins())


def test_no_page_shows_a_secret(console, planted):
    seen = 0
    for model in our_admins():
        for page in pages_of(model):
            answer = console.get(page, follow=True)
            assert answer.status_code == 200, page
            text = answer.content.decode()
            assert [secret for secret in planted if secret in text] == [], page
            seen += 1
    assert seen > 2 * 11  # a list and at least one row of every model here


def test_the_walk_would_see_a_secret_that_is_shown(console, connection):
    page = console.get(reverse("admin:connections_connection_change", args=[connection.pk]))
    assert VALUES["user"] in page.content.decode()


@pytest.mark.parametrize("model", our_admins(), ids=lambda model: model._meta.label)
def test_nothing_is_removed_by_hand_but_accounts(console, model, operator, rf):
    request = rf.get("/")
    request.user = operator
    desk = admin.site._registry[model]
    if model._meta.app_label in ("tenants", "connections") and model._meta.model_name != "user":
        # A pause is begun there; it is no row of a tenant.
        assert desk.has_add_permission(request) is (model is ConnectorPause)
        assert not desk.has_delete_permission(request)
        assert "delete_selected" not in desk.get_actions(request)


def test_a_typed_change_is_not_taken(console, connection):
    page = reverse("admin:connections_connection_change", args=[connection.pk])
    console.post(page, {"name": "Renamed", "state": "active", "settings": "{}"})
    connection.refresh_from_db()
    assert (connection.name, connection.state) == ("Our shop", "needs_attention")


@pytest.mark.parametrize(
    "said", ["Our sh", "Mill Lane", "mill-lane-teas", "owner@example.com", "shop-77", "Tea Shop 77"]
)
def test_a_connection_is_found_by_what_the_customer_says(console, connection, said):
    services.connection_test(connection=connection, at=NOW)
    page = console.get(reverse("admin:connections_connection_changelist"), {"q": said})
    assert str(connection.pk) in page.content.decode()


def act(console, connection, action):
    page = reverse("admin:connections_connection_changelist")
    answer = console.post(page, {"action": action, "_selected_action": [str(connection.pk)]}, follow=True)
    connection.refresh_from_db()
    return answer.content.decode()


def test_actions_pause_resume_and_test(console, connection, operator):
    assert "works" in act(console, connection, "test")
    assert connection.state == Connection.State.ACTIVE
    act(console, connection, "pause")
    assert connection.state == Connection.State.PAUSED
    act(console, connection, "resume")
    assert connection.state == Connection.State.ACTIVE
    assert "Only a paused connection" in act(console, connection, "resume")


def test_a_failed_test_is_told(console, connection, tea_shop):
    tea_shop.answer = NeedsAttention("The password is wrong.")
    assert "The password is wrong." in act(console, connection, "test")


def test_a_circuit_can_be_closed(console, planted):
    page = reverse("admin:connections_circuitstate_changelist")
    console.post(page, {"action": "close", "_selected_action": [CircuitState.objects.get().pk]})
    assert CircuitState.objects.get().open_until is None


def test_organisations_are_suspended_and_resumed(console, organisation):
    page = reverse("admin:tenants_organisation_changelist")
    console.post(page, {"action": "suspend", "_selected_action": [organisation.pk]})
    organisation.refresh_from_db()
    assert organisation.suspended_at
    console.post(page, {"action": "resume", "_selected_action": [organisation.pk]})
    organisation.refresh_from_db()
    assert organisation.suspended_at is None


def test_an_operator_account_can_be_made(console):
    page = reverse("admin:tenants_user_add")
    answer = console.post(
        page,
        {
            "email": "New.Person@example.com",
            "usable_password": "true",
            "password1": "a long enough passphrase",
            "password2": "a long enough passphrase",
        },
        follow=True,
    )
    assert "new.person@example.com" in answer.content.decode()


def test_customers_have_no_desk(client, owner):
    client.force_login(owner)
    assert client.get(reverse("admin:connections_connection_changelist")).status_code == 302
