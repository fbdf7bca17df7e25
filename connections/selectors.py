"""Questions that pages, doors and the engine ask about connections."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from connections.circuits import CONNECTION
from connections.models import CircuitState, Connection
from tenants.models import Organisation


def connections_of(organisation: Organisation) -> QuerySet[Connection]:
    """Live ones, by name."""
    return Connection.objects.for_tenant(organisation).exclude(state=Connection.State.REVOKED).order_by("name")


def connection_get(organisation: Organisation, connection_id: UUID | str) -> Connection:
    """:raises Connection.DoesNotExist: not there or another tenant's; a page answers 404 to both alike."""
    return Connection.objects.for_tenant(organisation).get(pk=connection_id)


def connection_by_hook(public_id: str) -> Connection | None:
    """Whose hook was called, in any state: revoked and paused ones need their own answer (rule C17)."""
    return Connection.unscoped.select_related("organisation").filter(webhook_public_id=public_id).first()


def connections_halted(connections: Iterable[Connection]) -> dict[UUID, str]:
    """Which of these are not being called just now though they are active: ``circuit_open`` or ``rate_pause``."""
    by_key = {f"{CONNECTION}{connection.pk}": connection.pk for connection in connections}
    rows = CircuitState.objects.filter(key__in=by_key).annotate(present=Now())
    halted: dict[UUID, str] = {}
    for row in rows:
        if row.open_until is not None:
            halted[by_key[row.key]] = "circuit_open"
        elif row.paused_until is not None and row.paused_until > row.present:
            halted[by_key[row.key]] = "rate_pause"
    return halted
