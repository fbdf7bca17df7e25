"""Open clients of one process: one per connection, with the account facts remembered for a while.

A client is dropped when its connection's credentials or settings change, so a new password is used at the next call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from connections.clients import client_for
from connections.models import Connection
from connections.services import connection_needs_attention
from connectors.base.errors import NeedsAttention
from connectors.base.http import HttpPool
from connectors.base.shared_reads import SharedReads
from runs.database import Database
from runs.host import OpenClient
from tenants.clock import database_now

RECHECK_SECONDS = 2.0


class Clients:
    """``await clients.of(connection_id)``; close with the drain."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool = HttpPool()
        self._open: dict[str, tuple[OpenClient, tuple[Any, ...], float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, connection_id: str) -> OpenClient:
        held = self._open.get(connection_id)
        if held is not None and time.monotonic() - held[2] < RECHECK_SECONDS:
            return held[0]
        async with self._locks.setdefault(connection_id, asyncio.Lock()):
            return await self._refreshed(connection_id)

    async def _refreshed(self, connection_id: str) -> OpenClient:
        held = self._open.get(connection_id)
        if held is not None and time.monotonic() - held[2] < RECHECK_SECONDS:
            return held[0]
        stamp = await self._database.run(_stamp, connection_id)
        opened = (
            held[0] if held is not None and held[1] == stamp else await self._database.run(self._load, connection_id)
        )
        self._open[connection_id] = (opened, stamp, time.monotonic())
        return opened

    def _load(self, connection_id: str) -> OpenClient:
        connection = Connection.unscoped.get(pk=connection_id)
        return OpenClient(
            client=client_for(connection, pool=self._pool),
            remembered=Remembered(),
            settings=dict(connection.settings),
            account_id=connection.account_id,
        )

    async def attention(self, connection_id: str, error: NeedsAttention) -> None:
        """Stop using the connection until a person has looked; its events wait where they are."""
        await self._database.run(_attention, connection_id, error)

    async def close(self) -> None:
        await self._pool.close()


def _stamp(connection_id: str) -> tuple[Any, ...]:
    row = Connection.unscoped.values_list(
        "settings", "account_id", "sealed_credentials__version", "sealed_credentials__updated_at"
    ).get(pk=connection_id)
    return (repr(row[0]), *row[1:])


def _attention(connection_id: str, error: NeedsAttention) -> None:
    connection_needs_attention(
        connection=Connection.unscoped.get(pk=connection_id),
        code=error.code,
        reason=error.customer_text,
        at=database_now(),
    )


class Remembered:
    """Slow-moving account facts with a time to live, counted from when their reading began.

    One loader at a time per key. ``ttl`` 0 forces a fresh read, begun after it was asked for.
    """

    def __init__(self) -> None:
        self._values: dict[str, tuple[float, Any]] = {}
        self._reads = SharedReads()

    async def __call__(self, key: str, ttl_seconds: float, loader: Callable[[], Awaitable[Any]]) -> Any:
        value = self._values.get(key)
        if value is not None and time.monotonic() - value[0] < ttl_seconds:
            return value[1]

        async def load() -> Any:
            began = time.monotonic()
            loaded = await loader()
            self._values[key] = (began, loaded)
            return loaded

        return await self._reads(key, load, join_under_way=ttl_seconds > 0)
