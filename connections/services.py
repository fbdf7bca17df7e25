"""Every write about connections that a person or the engine asks for."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from connections.asking import provider_ask
from connections.catalogue import connector_of, typed_values
from connections.circuits import CONNECTION, circuit_close
from connections.credentials import credentials_store, webhook_secret_open
from connections.errors import AccountTaken, OtherAccount, WrongState
from connections.models import Connection, SealedCredentials
from connectors.base.errors import ConnectorError, NeedsAttention
from connectors.base.manifest import AccountFacts
from tenants.audit import audit_record
from tenants.models import Organisation, User

State = Connection.State
NOT_TESTED = "not_tested"
_NOT_TESTED_TEXT = "The connection has not been tested yet. Test it to switch it on."


@transaction.atomic
def connection_create(
    *, organisation: Organisation, connector: str, name: str, values: Mapping[str, str], at: datetime, by: User | None
) -> Connection:
    """Keep what a person typed; secrets are sealed at once. ``connection_test`` switches the connection on.

    :param values: by name of the connector's declared fields, secret ones included.
    :raises UnknownConnector: :raises CredentialsIncomplete: a field is wrong; ``field`` names it.
    """
    typed, hidden = typed_values(connector_of(connector), values)
    connection = Connection(
        organisation=organisation,
        connector=connector,
        name=name.strip() or connector_of(connector).name,
        settings=typed,
        state=State.NEEDS_ATTENTION,
        state_code=NOT_TESTED,
        state_reason=_NOT_TESTED_TEXT,
        state_changed_at=at,
        created_at=at,
    )
    connection.sealed_set("sealed_webhook_secret", secrets.token_urlsafe(32).encode())
    connection.save(force_insert=True)
    credentials_store(connection, hidden, at=at)
    _audit(connection, "connection.created", by, at, connector=connector, name=connection.name)
    return connection


@transaction.atomic
def connection_replace_credentials(
    *, connection: Connection, values: Mapping[str, str], at: datetime, by: User | None
) -> None:
    """Keep newly typed values; all of them are typed again, so that an old secret never travels to a new address.

    The connection waits for its test before it is used again.

    :raises CredentialsIncomplete: :raises WrongState: consent was withdrawn; connect the account anew.
    """
    if connection.state == State.REVOKED:
        raise WrongState("This connection was revoked. Connect the account anew.")
    typed, hidden = typed_values(connector_of(connection.connector), values)
    changed = sorted(name for name, value in typed.items() if connection.settings.get(name) != value)
    kept = {key: value for key, value in connection.settings.items() if key not in _declared(connection)}
    connection.settings = {**kept, **typed}
    connection.save(update_fields=["settings"])
    credentials_store(connection, hidden, at=at)
    _move(connection, [State.ACTIVE, State.NEEDS_ATTENTION], State.NEEDS_ATTENTION, NOT_TESTED, _NOT_TESTED_TEXT, at)
    _audit(connection, "connection.credentials_replaced", by, at, changed=changed)


def _declared(connection: Connection) -> set[str]:
    return {field.name for field in connector_of(connection.connector).fields}


def connection_test(
    *, connection: Connection, at: datetime, by: User | None = None, take_over: bool = False
) -> AccountFacts:
    """Ask the provider whether the credentials work and whose account they open; keep the answer.

    Talks to the provider, so it is called outside any transaction and outside an event loop.

    :param take_over: the account is connected by another organisation and its owner wants it here: that connection
        is revoked (rule C18). Needs credentials that work, like every test.
    :raises NeedsAttention: refused; the connection waits for its owner.
    :raises ConnectorError: no answer; the state stays as it was.
    :raises AccountTaken: :raises OtherAccount: :raises WrongState:
    """
    if connection.state == State.REVOKED:
        raise WrongState("This connection was revoked. Connect the account anew.")
    try:
        facts = provider_ask(connection, lambda client: client.check(), purpose="test", actor=by)
    except ConnectorError as error:
        _test_failed(connection, error, at=at, by=by)
        raise
    try:
        _test_passed(connection, facts, at=at, by=by, take_over=take_over)
    except (AccountTaken, OtherAccount) as error:
        connection_needs_attention(connection=connection, code=error.code, reason=str(error), at=at)
        raise
    circuit_close(f"{CONNECTION}{connection.pk}")
    return facts


@transaction.atomic
def _test_failed(connection: Connection, error: ConnectorError, *, at: datetime, by: User | None) -> None:
    Connection.unscoped.filter(pk=connection.pk).update(checked_at=at, last_error=error.customer_text, last_error_at=at)
    if isinstance(error, NeedsAttention):
        connection_needs_attention(connection=connection, code=error.code, reason=error.customer_text, at=at)
    _audit(connection, "connection.test_failed", by, at, code=error.code)
    connection.refresh_from_db()


def _test_passed(
    connection: Connection, facts: AccountFacts, *, at: datetime, by: User | None, take_over: bool
) -> None:
    if connection.account_id and connection.account_id != facts.account_id:
        raise OtherAccount(
            f"These credentials open {facts.name or facts.account_id}, but this connection stands for "
            f"{connection.account_name or connection.account_id}. Connect the other account separately."
        )
    try:
        with transaction.atomic():
            _make_room(connection, facts, at=at, by=by, take_over=take_over)
            _store_facts(connection, facts, at=at)
            _audit(connection, "connection.tested", by, at, account_id=facts.account_id)
    except IntegrityError as error:  # connected elsewhere at this very moment
        raise AccountTaken("This account is connected already.", elsewhere=True) from error


def _make_room(connection: Connection, facts: AccountFacts, *, at: datetime, by: User | None, take_over: bool) -> None:
    rivals = Connection.unscoped.live().filter(connector=connection.connector, account_id=facts.account_id)
    for rival in rivals.exclude(pk=connection.pk).select_for_update():
        elsewhere = rival.organisation_id != connection.organisation_id
        if not elsewhere:
            raise AccountTaken(f"This account is connected already, as {rival.name}.", elsewhere=False)
        if not take_over:
            raise AccountTaken(
                "This account is connected by another organisation. Take it over only if it is yours: "
                "their flows on it stop.",
                elsewhere=True,
            )
        connection_revoke(connection=rival, reason="Another organisation took this account over.", at=at, by=None)
        _audit(connection, "connection.taken_over", by, at, account_id=facts.account_id)


def _store_facts(connection: Connection, facts: AccountFacts, *, at: datetime) -> None:
    connection.refresh_from_db()
    connection.account_id = facts.account_id
    connection.account_name = facts.name[:200]
    connection.currency = facts.currency
    connection.time_zone = facts.time_zone
    connection.facts = dict(facts.details)
    connection.checked_at = connection.last_ok_at = at
    connection.last_error, connection.last_error_at = "", None
    if connection.state == State.NEEDS_ATTENTION:
        connection.state, connection.state_code, connection.state_reason = State.ACTIVE, "", ""
        connection.state_changed_at = at
    connection.save()


def connection_needs_attention(*, connection: Connection, code: str, reason: str, at: datetime) -> bool:
    """The provider refuses us, its owner must act. An untested or already waiting connection takes the newer reason.

    :returns: True when an active connection stopped just now (the moment to tell its owner, once).
    """
    with transaction.atomic():
        stopped = _move(connection, [State.ACTIVE], State.NEEDS_ATTENTION, code, reason, at)
        if stopped:
            _audit(connection, "connection.needs_attention", None, at, code=code)
        else:
            Connection.unscoped.filter(pk=connection.pk, state=State.NEEDS_ATTENTION).update(
                state_code=code, state_reason=reason
            )
        connection.refresh_from_db()
    return stopped


@transaction.atomic
def connection_pause(*, connection: Connection, reason: str, at: datetime, by: User | None = None) -> None:
    """:raises WrongState: revoked."""
    if _move(connection, [State.ACTIVE, State.NEEDS_ATTENTION], State.PAUSED, "paused", reason, at):
        _audit(connection, "connection.paused", by, at, reason=reason)
    elif connection.state != State.PAUSED:
        raise WrongState("Only a connection that is not revoked can be paused.")


@transaction.atomic
def connection_resume(*, connection: Connection, at: datetime, by: User | None = None) -> None:
    """Back to work; one that was never tested waits for its test. :raises WrongState: not paused."""
    if connection.account_id:
        moved = _move(connection, [State.PAUSED], State.ACTIVE, "", "", at)
    else:
        moved = _move(connection, [State.PAUSED], State.NEEDS_ATTENTION, NOT_TESTED, _NOT_TESTED_TEXT, at)
    if not moved:
        raise WrongState("Only a paused connection can be resumed.")
    _audit(connection, "connection.resumed", by, at)


@transaction.atomic
def connection_revoke(*, connection: Connection, reason: str, at: datetime, by: User | None = None) -> None:
    """Withdraw consent: the credentials are destroyed, the row stays for history. Twice does nothing more."""
    live = [State.ACTIVE, State.NEEDS_ATTENTION, State.PAUSED]
    if not _move(connection, live, State.REVOKED, "revoked", reason, at):
        return
    SealedCredentials.objects.for_tenant(connection.organisation_id).filter(connection=connection).delete()
    Connection.unscoped.filter(pk=connection.pk).update(sealed_webhook_secret=None)
    _audit(connection, "connection.revoked", by, at, reason=reason)
    connection.refresh_from_db()


def connection_disconnect(*, connection: Connection, reason: str, at: datetime, by: User | None = None) -> bool:
    """Remove our hook at the provider where that is still possible, then revoke. Talks to the provider.

    :returns: False when the provider could not be asked: it may go on calling a hook that answers it no longer.
    """
    asked = True
    webhook = connector_of(connection.connector).webhook
    if webhook is not None and connection.webhook_registration_id:
        registration = connection.webhook_registration_id
        try:
            provider_ask(
                connection, lambda client: webhook.unregister(client, registration), purpose="disconnect", actor=by
            )
        except ConnectorError:
            asked = False
    connection_revoke(connection=connection, reason=reason, at=at, by=by)
    return asked


def webhook_url(connection: Connection) -> str:
    return f"{settings.BASE_URL}/hooks/{connection.webhook_public_id}"


def connection_webhook_register(*, connection: Connection, at: datetime, by: User | None = None) -> bool:
    """Tell the provider where to call us. Talks to the provider.

    :returns: False where the connector has no hooks or the provider's edition offers none (it is polled then).
    :raises ConnectorError: asked and refused or not answered.
    """
    webhook = connector_of(connection.connector).webhook
    if webhook is None:
        return False
    secret, url = webhook_secret_open(connection), webhook_url(connection)
    registration = provider_ask(
        connection, lambda client: webhook.register(client, url, secret), purpose="webhook", actor=by
    )
    if not registration:
        return False
    with transaction.atomic():
        Connection.unscoped.filter(pk=connection.pk).update(webhook_registration_id=registration)
        _audit(connection, "connection.webhook_registered", by, at, registration_id=registration)
    connection.refresh_from_db()
    return True


def _move(
    connection: Connection,
    sources: list[Connection.State],
    target: Connection.State,
    code: str,
    reason: str,
    at: datetime,
) -> bool:
    """Change the state where it still is one of ``sources``; the row count decides between two movers."""
    moved = Connection.unscoped.filter(pk=connection.pk, state__in=sources).update(
        state=target, state_code=code[:64], state_reason=reason, state_changed_at=at
    )
    connection.refresh_from_db()
    return moved == 1


def _audit(connection: Connection, action: str, by: User | None, at: datetime, **details: object) -> None:
    audit_record(
        organisation=connection.organisation_id,
        action=action,
        actor=by,
        target=connection,
        details=dict(details),
        at=at,
    )
