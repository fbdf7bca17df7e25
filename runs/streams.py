"""Streams under leases: which listener holds which, and what they deliver becomes news in the commit that moves on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from connections.models import Connection
from connections.pauses import connectors_paused
from connectors.base.errors import ConnectorError, Retryable
from connectors.base.triggers import Delivery
from connectors.registry import CONNECTORS
from runs.contention import tried_again
from runs.inbox import News, news_store
from runs.models import Listener, Run, StreamLease
from runs.plans import listeners_of
from tenants.clock import database_now

STREAM_LEASE_SECONDS = 15.0
RECONNECT_SECONDS = 1.0
LONGEST_RECONNECT_SECONDS = 300.0


@dataclass(frozen=True)
class HeldStream:
    """A stream this listener may read; what it stores counts only while ``fence`` is the row's."""

    lease_id: int
    fence: int
    connection_id: str
    connector: str
    trigger: str
    position: dict[str, Any] | None


def streams_prepare(side: Connection, record_types: set[str]) -> int:
    """Make sure each stream of the connection that tells of these kinds of record has its row."""
    made = 0
    for stream in CONNECTORS[side.connector].streams:
        if record_types & set(stream.record_types):
            _, created = StreamLease.unscoped.get_or_create(
                organisation_id=side.organisation_id,
                connection=side,
                trigger=stream.key,
                defaults={"due_at": database_now()},
            )
            made += created
    return made


# Sharing


def listener_beat(name: str) -> int:
    """Say that this listener is there; returns how many there are."""
    now = database_now()
    Listener.objects.update_or_create(name=name, defaults={"seen_at": now})
    gone = now - timedelta(seconds=STREAM_LEASE_SECONDS)
    Listener.objects.filter(seen_at__lt=gone).delete()
    return Listener.objects.count()


def fair_share(listeners: int) -> int:
    """How many streams one listener may hold."""
    return -(-_wanted().count() // max(1, listeners))


def streams_claim(name: str, *, limit: int) -> list[HeldStream]:
    """Take up to ``limit`` streams that nobody holds any more."""
    now = database_now()
    free = _wanted().filter(due_at__lte=now).exclude(lease_expires_at__gt=now)
    claimed = []
    for row in free.select_related("connection").order_by("due_at", "pk")[: max(0, limit)]:
        # Conditional: of all listeners that see it free, one gets it.
        expires = now + timedelta(seconds=STREAM_LEASE_SECONDS)
        if free.filter(pk=row.pk).update(holder=name, fence=F("fence") + 1, lease_expires_at=expires):
            row.refresh_from_db()
            claimed.append(_held(row))
    return claimed


def streams_renew(held: list[HeldStream]) -> set[int]:
    """Push the leases forward; returns the ids of those that are still held and still wanted."""
    mine = Q(pk__in=[])
    for stream in held:
        mine |= Q(pk=stream.lease_id, fence=stream.fence)
    rows = _wanted().filter(mine)
    rows.update(lease_expires_at=database_now() + timedelta(seconds=STREAM_LEASE_SECONDS))
    return set(rows.values_list("pk", flat=True))


def stream_release(stream: HeldStream, error: ConnectorError | None = None) -> None:
    """Give it back: to whoever is first, after a failure not before a pause."""
    row = StreamLease.unscoped.filter(pk=stream.lease_id, fence=stream.fence).first()
    if row is None:
        return
    if error is not None:
        row.failures += 1
        pause = min(LONGEST_RECONNECT_SECONDS, RECONNECT_SECONDS * 2 ** min(row.failures - 1, 10))
        wish = error.after_seconds if isinstance(error, Retryable) and error.after_seconds else 0.0
        row.due_at, row.latest_error = database_now() + timedelta(seconds=max(pause, wish)), error.customer_text
    # Conditional once more: a new holder must not lose its lease to us.
    StreamLease.unscoped.filter(pk=row.pk, fence=stream.fence).update(
        lease_expires_at=None, holder="", failures=row.failures, due_at=row.due_at, latest_error=row.latest_error
    )


def listener_leave(name: str) -> None:
    Listener.objects.filter(name=name).delete()


def _wanted() -> QuerySet[StreamLease]:
    working = StreamLease.unscoped.filter(connection__state=Connection.State.ACTIVE)
    return working.exclude(connection__connector__in=connectors_paused())


def _held(row: StreamLease) -> HeldStream:
    return HeldStream(
        lease_id=row.pk,
        fence=row.fence,
        connection_id=str(row.connection_id),
        connector=row.connection.connector,
        trigger=row.trigger,
        position=row.position,
    )


# Storing


@tried_again
def delivery_store(stream: HeldStream, delivery: Delivery) -> bool:
    """News and position in one commit; False when another listener has taken the stream over."""
    with transaction.atomic():
        rows = StreamLease.unscoped.select_for_update(of=("self",)).select_related("connection")
        row = rows.filter(pk=stream.lease_id, fence=stream.fence).first()
        if row is None:
            return False
        now = database_now()
        # One provider account may tell of several: only our own connection's is ours to read (rule C17).
        ours = [hint for hint in delivery.hints if not hint.account_id or hint.account_id == row.connection.account_id]
        for installation, record_types in listeners_of(row.connection):
            news = [News(hint.record_type, hint.record_id, hint.label) for hint in ours]
            told = [item for item in news if item.record_type in record_types]
            news_store(installation=installation, news=told, via=Run.Via.STREAM, at=now)
        if delivery.position is not None:
            row.position = delivery.position
        row.latest_ok_at, row.latest_error, row.failures = now, "", 0
        row.save(update_fields=["position", "latest_ok_at", "latest_error", "failures"])
    return True
