"""A connector's client for a connection: opened credentials, the gate, and the one door to the outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings

from connections.catalogue import connector_of
from connections.credentials import OpenedCredentials, credentials_open, credentials_renewed
from connections.gate import ConnectionGate
from connections.models import Connection
from connections.pause_gate import PausableGate
from connections.threads import in_database
from connectors.base.gate import Gate
from connectors.base.http import AddressPolicy, Exchange, HttpPool
from connectors.base.manifest import Client, ConnectionView, Connector
from tenants.models import User

Recorder = Callable[[Exchange], None]


def address_policy() -> AddressPolicy:
    """Public addresses, and what ``ALLOWED_PRIVATE_TARGETS`` adds (sandbox, self-hosted shops)."""
    return _policy(tuple(settings.ALLOWED_PRIVATE_TARGETS))


@lru_cache(maxsize=8)
def _policy(allow: tuple[str, ...]) -> AddressPolicy:
    return AddressPolicy(allow=allow)


def client_for(
    connection: Connection,
    *,
    pool: HttpPool,
    recorder: Recorder | None = None,
    gate: Gate | None = None,
    purpose: str = "run",
    actor: User | None = None,
) -> Client:
    """Open the connector's client. Reads the database: call it from a thread, keep the client for the process.

    :param gate: default: this connection's circuit, throttle and rate budget. A pause for everybody comes before it.
    :raises CredentialsMissing: nothing to log in with.
    """
    connector = connector_of(connection.connector)
    view = connection_view(connector, connection, credentials_open(connection, purpose=purpose, actor=actor))
    if gate is None:
        gate = ConnectionGate(
            connection.pk,
            host=connector.host_of(view),
            limit=connector.limit,
            operation_limits=connector.operation_limits,
            limit_headers=connector.limit_headers,
        )
    gate = PausableGate(gate, connector.key)
    return connector.open_client(pool.door(gate, address_policy(), recorder, connector.key), view)


async def client_open(connection_id: str, *, pool: HttpPool, recorder: Recorder | None = None) -> Client:
    """The same from inside an event loop.

    :raises Connection.DoesNotExist: no such connection.
    """

    def load() -> Client:
        return client_for(Connection.unscoped.get(pk=connection_id), pool=pool, recorder=recorder)

    return await in_database(load)


def connection_view(connector: Connector, connection: Connection, opened: OpenedCredentials) -> ConnectionView:
    """What the client may know. Declared fields are among the credentials whether they are secret or not."""
    typed = {
        field.name: str(connection.settings[field.name])
        for field in connector.fields
        if field.name in connection.settings
    }
    return ConnectionView(
        connection_id=str(connection.pk),
        credentials={**typed, **opened.values},
        settings=dict(connection.settings),
        save_credentials=_Saver(connection, opened.version),
    )


class _Saver:
    """Stores what a client has renewed; knows the version it started from and follows its own renewals."""

    def __init__(self, connection: Connection, version: int) -> None:
        self._connection = connection
        self._version = version

    async def __call__(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """:returns: the values now in force, which are another worker's where that one was later."""
        opened = await in_database(
            credentials_renewed, self._connection, values, used_version=self._version, at=datetime.now(UTC)
        )
        self._version = opened.version
        return opened.values
