"""The only place that opens what is sealed for a connection: credentials, webhook secret, renewed tokens."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from connections.errors import CredentialsMissing
from connections.models import Connection, RenewalLease, SealedCredentials
from connections.threads import in_database
from connectors.base.errors import Retryable
from tenants.audit import audit_record
from tenants.models import User
from tenants.sealing import seal_json

RENEWAL_LEASE_SECONDS = 60.0
# The provider gets this long to answer, so that a lease is never lost while its call may still succeed.
RENEWAL_CALL_SECONDS = 40.0
_WORKER_NOTE_SECONDS = 3600.0
_WORKER_NOTES_KEPT = 10_000

Renew = Callable[[Mapping[str, str]], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True)
class OpenedCredentials:
    """Opened values and the version they are; ``repr`` tells only the version."""

    values: Mapping[str, str]
    version: int

    def __repr__(self) -> str:
        return f"OpenedCredentials(version={self.version})"


def credentials_open(connection: Connection, *, purpose: str, actor: User | None = None) -> OpenedCredentials:
    """Open a connection's credentials for one named purpose and note that in the audit log.

    :param purpose: ``run``, ``test``, ``renewal``…; a worker's openings (no actor) are noted once an hour and purpose.
    :raises CredentialsMissing: none stored, or consent revoked.
    :raises BrokenSeal: changed in the database, copied from elsewhere, or their key is gone.
    """
    row = (
        SealedCredentials.objects.for_tenant(connection.organisation_id)
        .filter(connection=connection)
        .exclude(connection__state=Connection.State.REVOKED)
        .first()
    )
    if row is None:
        raise CredentialsMissing("This connection has no credentials: connect the account again.")
    opened = OpenedCredentials(json.loads(row.sealed_get("sealed")), row.version)
    if actor is not None or _worker_notes.is_due(connection.pk, purpose):
        audit_record(
            organisation=connection.organisation_id,
            action="credentials.opened",
            actor=actor,
            target=connection,
            details={"purpose": purpose},
        )
    return opened


class _WorkerNotes:
    """When this process last noted an opening, so that a busy worker does not flood the audit log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: OrderedDict[tuple[UUID, str], float] = OrderedDict()

    def is_due(self, connection_id: UUID, purpose: str) -> bool:
        now = time.monotonic()
        with self._lock:
            noted = self._noted.get((connection_id, purpose))
            if noted is not None and now - noted < _WORKER_NOTE_SECONDS:
                return False
            self._noted[connection_id, purpose] = now
            self._noted.move_to_end((connection_id, purpose))
            if len(self._noted) > _WORKER_NOTES_KEPT:
                self._noted.popitem(last=False)
            return True


_worker_notes = _WorkerNotes()


def _sealed(connection: Connection, values: Mapping[str, str]) -> bytes:
    purpose = SealedCredentials.sealed_columns["sealed"]
    return seal_json(connection.organisation_id, purpose, str(connection.pk), values)


@transaction.atomic
def credentials_store(connection: Connection, values: Mapping[str, str], *, at: datetime) -> None:
    """Seal and keep; whatever was there is replaced and its version counted up."""
    rows = SealedCredentials.objects.for_tenant(connection.organisation_id).filter(connection=connection)
    sealed = _sealed(connection, values)
    if not rows.update(sealed=sealed, version=F("version") + 1, updated_at=at):
        SealedCredentials.objects.create(
            organisation_id=connection.organisation_id, connection=connection, sealed=sealed, updated_at=at
        )


def credentials_renewed(
    connection: Connection, values: Mapping[str, str], *, used_version: int, at: datetime
) -> OpenedCredentials:
    """Keep tokens the provider has just renewed, before they are used (rule C19).

    :param used_version: the version that was handed to the provider. If it is no longer the stored one, somebody else
        was later with the provider, or a person typed new credentials: theirs stay and are returned.
    """
    changed = (
        SealedCredentials.objects.for_tenant(connection.organisation_id)
        .filter(connection=connection, version=used_version)
        .exclude(connection__state=Connection.State.REVOKED)
        .update(sealed=_sealed(connection, values), version=used_version + 1, updated_at=at)
    )
    if changed:
        return OpenedCredentials(dict(values), used_version + 1)
    return credentials_open(connection, purpose="renewal")


async def credentials_renew(
    connection: Connection, *, used_version: int, renew: Renew, wait_seconds: float = 30.0
) -> OpenedCredentials:
    """Renew tokens by one worker at a time; the others wait and get what it stored.

    :param used_version: the version the provider has just called expired.
    :param renew: asks the provider; receives the stored values, returns all values to store.
    :raises Retryable: another worker holds the lease for longer than ``wait_seconds``.
    """
    holder = secrets.token_hex(16)
    deadline = time.monotonic() + wait_seconds
    while not await in_database(_lease_take, connection, holder):
        opened = await in_database(credentials_open, connection, purpose="renewal")
        if opened.version != used_version:
            return opened
        if time.monotonic() > deadline:
            raise Retryable("The access is being renewed.", code="renewal_under_way", after_seconds=10, counts=False)
        await asyncio.sleep(random.uniform(0.1, 0.3))
    try:
        # Read again under the lease: the holder before us may have stored new ones.
        opened = await in_database(credentials_open, connection, purpose="renewal")
        if opened.version != used_version:
            return opened
        async with asyncio.timeout(RENEWAL_CALL_SECONDS):
            values = await renew(opened.values)
        return await in_database(
            credentials_renewed, connection, values, used_version=used_version, at=datetime.now(UTC)
        )
    finally:
        await in_database(_lease_give_back, connection, holder)


def _lease_take(connection: Connection, holder: str) -> bool:
    """By the database's clock; the row count tells who won."""
    RenewalLease.objects.get_or_create(
        connection_id=connection.pk, defaults={"holder": "", "expires_at": datetime.fromtimestamp(0, UTC)}
    )
    taken = RenewalLease.objects.filter(connection_id=connection.pk, expires_at__lt=Now()).update(
        holder=holder, expires_at=Now() + timedelta(seconds=RENEWAL_LEASE_SECONDS)
    )
    return taken == 1


def _lease_give_back(connection: Connection, holder: str) -> None:
    RenewalLease.objects.filter(connection_id=connection.pk, holder=holder).update(
        expires_at=datetime.fromtimestamp(0, UTC)
    )


def webhook_secret_open(connection: Connection) -> str:
    """The secret that signs this connection's hooks.

    :raises BrokenSeal: none kept, or not ours.
    """
    return connection.sealed_get("sealed_webhook_secret").decode()
