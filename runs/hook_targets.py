"""Whose a webhook address is, and who listens to it, remembered by each web process on PostgreSQL.

What is remembered carries a stamp of everything it was made from, and news is stored only where the stamp still holds,
in the same statement: a revoked connection, a new secret or an installation switched on a moment ago count at once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from connections.models import Connection
from connectors.base.triggers import Webhook
from connectors.registry import CONNECTORS
from flows.models import Installation
from runs.inbox_statement import Listening, can_store_at_once, stamp_of
from runs.plans import listeners_of

MOST_REMEMBERED = 20_000
# Opened secrets of addresses that nobody calls any more do not stay for ever.
LONGEST_REMEMBERED_SECONDS = 300.0


@dataclass(frozen=True)
class HookTarget:
    """A connection whose provider may call us: its secret is opened, its listeners are known."""

    connection: Connection
    webhook: Webhook
    secret: str = field(repr=False)
    listeners: tuple[tuple[Installation, frozenset[str]], ...]
    listening: Listening | None


class _Remembered:
    """Least recently used first out; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, HookTarget]] = OrderedDict()

    def get(self, public_id: str) -> HookTarget | None:
        with self._lock:
            read_at, target = self._known.get(public_id, (0.0, None))
            if target is None or time.monotonic() - read_at >= LONGEST_REMEMBERED_SECONDS:
                return None
            self._known.move_to_end(public_id)
            return target

    def put(self, public_id: str, target: HookTarget) -> None:
        with self._lock:
            self._known[public_id] = (time.monotonic(), target)
            self._known.move_to_end(public_id)
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)


_remembered = _Remembered()


def hook_target(public_id: str, *, anew: bool = False) -> HookTarget | Connection | None:
    """:param anew: what is remembered has proved old.

    :returns: the target; a connection that takes no calls (any more); None where the address is nobody's.
    """
    if not anew and (known := _remembered.get(public_id)) is not None:
        return known
    rows = Connection.unscoped.select_related("organisation")
    connection = rows.filter(webhook_public_id=public_id).first()
    webhook = CONNECTORS[connection.connector].webhook if connection else None
    if connection is None or webhook is None or connection.state == Connection.State.REVOKED:
        return connection
    # The stamp first: what changes while we read makes it an old one, never the other way round.
    listening = Listening(connection.pk, stamp_of(connection.pk)) if can_store_at_once() else None
    connection = rows.filter(webhook_public_id=public_id).first()
    if connection is None or connection.state == Connection.State.REVOKED:
        return connection
    target = HookTarget(
        connection,
        webhook,
        connection.sealed_get("sealed_webhook_secret").decode(),
        tuple((installation, frozenset(types)) for installation, types in listeners_of(connection)),
        listening,
    )
    if listening is not None and target.listeners:  # without a listener nothing is stored and no stamp is looked at
        _remembered.put(public_id, target)
    return target
