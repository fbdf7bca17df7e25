"""Whose a webhook address is, and who listens to it, remembered for a moment by each web process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from django.conf import settings

from connections.models import Connection
from connectors.base.triggers import Webhook
from connectors.registry import CONNECTORS
from flows.models import Installation
from runs.plans import listeners_of

MOST_REMEMBERED = 20_000


@dataclass(frozen=True)
class HookTarget:
    """A connection whose provider may call us: its secret is opened, its listeners are known."""

    connection: Connection
    webhook: Webhook
    secret: str
    listeners: tuple[tuple[Installation, frozenset[str]], ...]


class _Remembered:
    """Least recently used first out; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, HookTarget]] = OrderedDict()

    def get(self, public_id: str) -> HookTarget | None:
        with self._lock:
            read_at, target = self._known.get(public_id, (0.0, None))
            if target is None or time.monotonic() - read_at >= settings.HOOK_TARGET_SECONDS:
                return None
            self._known.move_to_end(public_id)
            return target

    def put(self, public_id: str, target: HookTarget, read_at: float) -> None:
        with self._lock:
            self._known[public_id] = (read_at, target)
            self._known.move_to_end(public_id)
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)


_remembered = _Remembered()


def hook_target(public_id: str) -> HookTarget | Connection | None:
    """:returns: the target; a connection that takes no calls (any more); None where the address is nobody's.

    A change of the connection, its secret or its installations is noticed after ``HOOK_TARGET_SECONDS``.
    """
    if (known := _remembered.get(public_id)) is not None:
        return known
    read_at = time.monotonic()
    rows = Connection.unscoped.select_related("organisation")
    connection = rows.filter(webhook_public_id=public_id).first()
    webhook = CONNECTORS[connection.connector].webhook if connection else None
    if connection is None or webhook is None or connection.state == Connection.State.REVOKED:
        return connection
    target = HookTarget(
        connection,
        webhook,
        connection.sealed_get("sealed_webhook_secret").decode(),
        tuple((installation, frozenset(types)) for installation, types in listeners_of(connection)),
    )
    _remembered.put(public_id, target, read_at)
    return target
