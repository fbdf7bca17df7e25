import pytest
from django.db import IntegrityError, transaction

from connections import services
from connections.credentials import credentials_open, webhook_secret_open
from connections.errors import (
    AccountTaken,
    CredentialsIncomplete,
    CredentialsMissing,
    OtherAccount,
    UnknownConnector,
    WrongState,
)
from connections.models import CircuitState, Connection, SealedCredentials
from connections.selectors import connection_by_hook, connection_get, connections_halted, connections_of
from connectors.base.errors import NeedsAttention, NotSent
from connectors.base.manifest import AccountFacts
from tenants.clock import database_now
from tenants.selectors import audit_of
from tests.connections.conftest import VALUES
from tests.factories import NOW, ConnectionFactory

State = Connection.State


@pytest.fixture
def fresh(tea_shop, organisation, owner):
    return services.connection_create(
        organisation=organisation, connector="tea_shop", name="Our shop", values=VALUES, at=NOW, by=owner
    )


def actions(organisation):
    return [entry.action for entry in audit_of(organisation).order_by("pk")]


class TestCreate:
    def test_secrets_are_sealed_and_the_rest_is_shown(self, fresh):
        assert fresh.settings == {"address": "https://tea.example/", "user": "ann", "edition": "a"}
        assert credentials_open(fresh, purpose="test").values == {"password": "planted-Secret-1"}
        row = SealedCredentials.unscoped.get(pk=fresh.pk)
        assert b"planted" not in bytes(row.sealed)

    def test_it_waits_for_its_test(self, fresh):
        assert (fresh.state, fresh.state_code) == (State.NEEDS_ATTENTION, "not_tested")

    def test_its_hook_is_128_random_bits_with_a_sealed_secret(self, fresh, tea_shop, other_organisation):
        other = services.connection_create(
            organisation=other_organisation, connector="tea_shop", name="", values=VALUES, at=NOW, by=None
        )
        assert len(bytes.fromhex(fresh.webhook_public_id)) == 16
        assert fresh.webhook_public_id != other.webhook_public_id
        assert webhook_secret_open(fresh) != webhook_secret_open(other)
        assert other.name == "Tea Shop"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("password", ""),
            ("user", "   "),
            ("address", "tea.example"),
            ("address", "ftp://tea.example"),
            ("address", "https://ann:pw@tea.example"),
            ("edition", "z"),
            ("pause", "soon"),
        ],
    )
    def test_the_wrong_field_is_named(self, tea_shop, organisation, field, value):
        with pytest.raises(CredentialsIncomplete) as refusal:
            services.connection_create(
                organisation=organisation,
                connector="tea_shop",
                name="x",
                values={**VALUES, field: value},
                at=NOW,
                by=None,
            )
        assert refusal.value.field == field
        assert not Connection.unscoped.exists()

    def test_an_unknown_connector_is_refused(self, organisation):
        with pytest.raises(UnknownConnector):
            services.connection_create(
                organisation=organisation, connector="nobody", name="x", values={}, at=NOW, by=None
            )


class TestTest:
    def test_it_switches_on_and_keeps_what_the_account_says(self, fresh, tea_shop, owner):
        services.connection_test(connection=fresh, at=NOW, by=owner)
        fresh.refresh_from_db()
        assert (fresh.state, fresh.account_id, fresh.currency) == (State.ACTIVE, "shop-77", "GBP")
        assert (fresh.facts, fresh.last_ok_at, fresh.checked_at) == ({"family": "A"}, NOW, NOW)
        assert tea_shop.views[0].credentials["password"] == "planted-Secret-1"
        assert tea_shop.views[0].credentials["user"] == "ann"
        assert "planted" not in repr(tea_shop.views[0])
        assert actions(fresh.organisation) == ["connection.created", "credentials.opened", "connection.tested"]

    def test_a_refusal_waits_for_the_owner(self, fresh, tea_shop):
        services.connection_test(connection=fresh, at=NOW)
        tea_shop.answer = NeedsAttention("The password is wrong.", code="bad_login")
        with pytest.raises(NeedsAttention):
            services.connection_test(connection=fresh, at=NOW)
        fresh.refresh_from_db()
        assert (fresh.state, fresh.state_code, fresh.last_error) == (
            State.NEEDS_ATTENTION,
            "bad_login",
            "The password is wrong.",
        )

    def test_silence_changes_no_state(self, fresh, tea_shop):
        services.connection_test(connection=fresh, at=NOW)
        tea_shop.answer = NotSent("The shop did not answer.")
        with pytest.raises(NotSent):
            services.connection_test(connection=fresh, at=NOW)
        fresh.refresh_from_db()
        assert (fresh.state, fresh.last_error) == (State.ACTIVE, "The shop did not answer.")

    def test_other_credentials_of_another_account_are_refused(self, fresh, tea_shop):
        services.connection_test(connection=fresh, at=NOW)
        tea_shop.answer = AccountFacts(account_id="shop-78", name="Tea Shop 78")
        with pytest.raises(OtherAccount):
            services.connection_test(connection=fresh, at=NOW)
        fresh.refresh_from_db()
        assert (fresh.state, fresh.account_id) == (State.NEEDS_ATTENTION, "shop-77")

    def test_it_closes_the_circuit(self, fresh):
        CircuitState.objects.create(
            key=f"connection:{fresh.pk}", opened_at=database_now(), open_until=database_now(), open_seconds=5
        )
        services.connection_test(connection=fresh, at=NOW)
        assert CircuitState.objects.get().open_until is None


class TestOneAccountOneTenant:
    @pytest.fixture
    def theirs(self, tea_shop, other_organisation):
        return ConnectionFactory(organisation=other_organisation, connector="tea_shop", account_id="shop-77")

    def test_another_tenants_account_is_refused(self, fresh, theirs):
        with pytest.raises(AccountTaken) as refusal:
            services.connection_test(connection=fresh, at=NOW)
        assert refusal.value.elsewhere
        assert theirs.organisation.name not in str(refusal.value)
        assert theirs.name not in str(refusal.value)
        fresh.refresh_from_db()
        assert (fresh.state, fresh.state_code, fresh.account_id) == (State.NEEDS_ATTENTION, "account_taken", "")

    def test_taking_over_revokes_the_other_and_both_can_read_it(self, fresh, theirs, owner):
        services.connection_test(connection=fresh, at=NOW, by=owner, take_over=True)
        theirs.refresh_from_db()
        fresh.refresh_from_db()
        assert (theirs.state, fresh.state) == (State.REVOKED, State.ACTIVE)
        assert "connection.taken_over" in actions(fresh.organisation)
        assert actions(theirs.organisation) == ["connection.revoked"]
        assert "owner@example.com" not in [entry.actor_label for entry in audit_of(theirs.organisation)]

    def test_twice_in_one_organisation_is_refused_even_with_take_over(self, fresh, tea_shop, organisation):
        ConnectionFactory(organisation=organisation, connector="tea_shop", account_id="shop-77", name="First")
        with pytest.raises(AccountTaken, match="First") as refusal:
            services.connection_test(connection=fresh, at=NOW, take_over=True)
        assert not refusal.value.elsewhere

    def test_the_database_refuses_a_second_one(self, theirs, organisation):
        with pytest.raises(IntegrityError), transaction.atomic():
            ConnectionFactory(organisation=organisation, connector="tea_shop", account_id="shop-77")

    def test_a_revoked_one_leaves_room(self, theirs, organisation):
        services.connection_revoke(connection=theirs, reason="left", at=NOW)
        ConnectionFactory(organisation=organisation, connector="tea_shop", account_id="shop-77")


class TestStates:
    @pytest.mark.parametrize(
        "wrong", [{"state": "sleeping"}, {"account_id": ""}, {"state": "needs_attention", "state_reason": ""}]
    )
    def test_the_database_knows_them(self, organisation, wrong):
        with pytest.raises(IntegrityError), transaction.atomic():
            ConnectionFactory(organisation=organisation, **wrong)

    def test_pause_and_resume(self, organisation, owner):
        connection = ConnectionFactory(organisation=organisation)
        services.connection_pause(connection=connection, reason="holiday", at=NOW, by=owner)
        services.connection_pause(connection=connection, reason="again", at=NOW, by=owner)
        assert (connection.state, connection.state_reason) == (State.PAUSED, "holiday")
        services.connection_resume(connection=connection, at=NOW, by=owner)
        assert (connection.state, connection.state_reason) == (State.ACTIVE, "")
        assert actions(organisation) == ["connection.paused", "connection.resumed"]
        with pytest.raises(WrongState):
            services.connection_resume(connection=connection, at=NOW)

    def test_an_untested_one_resumes_to_waiting(self, fresh):
        services.connection_pause(connection=fresh, reason="holiday", at=NOW)
        services.connection_resume(connection=fresh, at=NOW)
        assert (fresh.state, fresh.state_code) == (State.NEEDS_ATTENTION, "not_tested")

    def test_needs_attention_tells_the_moment_it_stops_once(self, organisation):
        connection = ConnectionFactory(organisation=organisation)
        assert services.connection_needs_attention(connection=connection, code="bad_login", reason="No.", at=NOW)
        assert not services.connection_needs_attention(connection=connection, code="gone", reason="Gone.", at=NOW)
        assert (connection.state, connection.state_code) == (State.NEEDS_ATTENTION, "gone")

    @pytest.mark.parametrize("state", [State.PAUSED, State.REVOKED])
    def test_a_late_failure_wakes_nothing(self, organisation, state):
        connection = ConnectionFactory(organisation=organisation, state=state)
        assert not services.connection_needs_attention(connection=connection, code="x", reason="No.", at=NOW)
        assert connection.state == state

    def test_revoking_destroys_the_credentials(self, fresh, owner):
        services.connection_revoke(connection=fresh, reason="left", at=NOW, by=owner)
        services.connection_revoke(connection=fresh, reason="again", at=NOW, by=owner)
        assert (fresh.state, fresh.state_reason, fresh.sealed_webhook_secret) == (State.REVOKED, "left", None)
        assert not SealedCredentials.unscoped.exists()
        with pytest.raises(CredentialsMissing):
            credentials_open(fresh, purpose="run")
        for deed in (
            lambda: services.connection_pause(connection=fresh, reason="x", at=NOW),
            lambda: services.connection_resume(connection=fresh, at=NOW),
            lambda: services.connection_test(connection=fresh, at=NOW),
            lambda: services.connection_replace_credentials(connection=fresh, values=VALUES, at=NOW, by=owner),
        ):
            with pytest.raises(WrongState):
                deed()


class TestReplace:
    def test_new_credentials_wait_for_their_test(self, fresh, tea_shop):
        services.connection_test(connection=fresh, at=NOW)
        new = {**VALUES, "password": "changed", "edition": "b"}
        services.connection_replace_credentials(connection=fresh, values=new, at=NOW, by=None)
        assert fresh.state == State.NEEDS_ATTENTION
        assert fresh.settings["edition"] == "b"
        opened = credentials_open(fresh, purpose="test")
        assert (opened.values["password"], opened.version) == ("changed", 2)
        services.connection_test(connection=fresh, at=NOW)
        fresh.refresh_from_db()
        assert fresh.state == State.ACTIVE

    def test_a_new_address_needs_the_password_again(self, fresh):
        with pytest.raises(CredentialsIncomplete):
            services.connection_replace_credentials(
                connection=fresh, values={**VALUES, "address": "https://evil.example", "password": ""}, at=NOW, by=None
            )
        fresh.refresh_from_db()
        assert fresh.settings["address"] == "https://tea.example/"


class TestHooks:
    def test_registering_tells_address_and_secret(self, fresh, tea_shop, settings):
        settings.BASE_URL = "https://causeway.example"
        assert services.connection_webhook_register(connection=fresh, at=NOW)
        assert fresh.webhook_registration_id == "hook-1"
        assert tea_shop.hooks == [
            (f"https://causeway.example/hooks/{fresh.webhook_public_id}", webhook_secret_open(fresh))
        ]

    def test_disconnecting_removes_it_there(self, fresh, tea_shop):
        services.connection_webhook_register(connection=fresh, at=NOW)
        assert services.connection_disconnect(connection=fresh, reason="left", at=NOW)
        assert tea_shop.hooks == []
        assert fresh.state == State.REVOKED

    def test_disconnecting_ends_also_when_nobody_answers(self, fresh, tea_shop):
        services.connection_webhook_register(connection=fresh, at=NOW)
        tea_shop.answer = NotSent("down")
        assert not services.connection_disconnect(connection=fresh, reason="left", at=NOW)
        assert fresh.state == State.REVOKED

    def test_a_hook_is_found_by_its_address_only(self, fresh):
        assert connection_by_hook(fresh.webhook_public_id) == fresh
        assert connection_by_hook("0" * 32) is None


class TestSelectors:
    def test_a_stranger_finds_nothing(self, organisation, other_organisation):
        connection = ConnectionFactory(organisation=organisation)
        assert connection_get(organisation, connection.pk) == connection
        assert list(connections_of(other_organisation)) == []
        with pytest.raises(Connection.DoesNotExist):
            connection_get(other_organisation, connection.pk)

    def test_halted_ones_say_why(self, organisation, django_assert_num_queries):
        closed, opened, paused = (ConnectionFactory(organisation=organisation) for _ in range(3))
        soon = database_now() + (NOW.replace(hour=10) - NOW)
        CircuitState.objects.create(key=f"connection:{opened.pk}", opened_at=soon, open_until=soon, open_seconds=5)
        CircuitState.objects.create(key=f"connection:{paused.pk}", paused_until=soon)
        with django_assert_num_queries(1):
            assert connections_halted([closed, opened, paused]) == {
                opened.pk: "circuit_open",
                paused.pk: "rate_pause",
            }
