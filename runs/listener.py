"""One listener process: one event loop that holds its share of the streams open, under leases.

A stream that ends or fails is given back and taken again, by whichever listener has room. What a dead listener held is
free when its leases are over.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import aclosing

from django.conf import settings
from django.db import DatabaseError

from connectors.base.errors import ConnectorError, NeedsAttention, Retryable
from connectors.registry import CONNECTORS
from runs.clients import Clients
from runs.database import Database
from runs.streams import (
    HeldStream,
    delivery_store,
    fair_share,
    listener_beat,
    listener_leave,
    stream_release,
    streams_claim,
    streams_renew,
)

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
RENEW_SECONDS = 4.0
LEAVING_SECONDS = 5.0


class ListenerProcess:
    """``run(stop)`` returns when ``stop()`` is true and everything has been given back."""

    def __init__(self) -> None:
        self.name = f"{settings.HOST_NAME}:{os.getpid()}:{time.monotonic_ns() % 1_000_000_000}"
        self.held: dict[int, HeldStream] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self._renew_next = 0.0

    async def run(self, stop: Callable[[], bool]) -> None:
        self.database = Database()
        self.clients = Clients(self.database)
        try:
            while not stop():
                try:
                    await self._round()
                except DatabaseError:
                    log.exception("the streams could not be looked after; tries again")
                await asyncio.sleep(ROUND_SECONDS)
        finally:
            await self._drop(list(self.held))
            try:
                await self.database.run(listener_leave, self.name)
            except DatabaseError:
                log.exception("%s could not say good-bye", self.name)
            await self.clients.close()
            await self.database.close()

    async def _round(self) -> None:
        share = await self.database.run(fair_share, await self.database.run(listener_beat, self.name))
        if time.monotonic() >= self._renew_next and self.held:
            still = await self.database.run(streams_renew, list(self.held.values()))
            self._renew_next = time.monotonic() + RENEW_SECONDS
            await self._drop([lease_id for lease_id in self.held if lease_id not in still])
        await self._drop(list(self.held)[share:])  # another listener has come: it takes what we have too many
        for stream in await self.database.run(streams_claim, self.name, limit=share - len(self.held)):
            self.held[stream.lease_id] = stream
            self.tasks[stream.lease_id] = asyncio.create_task(self._listen(stream), name=f"stream {stream.lease_id}")

    async def _drop(self, lease_ids: list[int]) -> None:
        """Stop reading these; each task gives its stream back as it ends."""
        tasks = [self.tasks[lease_id] for lease_id in lease_ids if lease_id in self.tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVING_SECONDS)

    async def _listen(self, stream: HeldStream) -> None:
        error: ConnectorError | None = None
        try:
            await self._deliveries(stream)
        except NeedsAttention as refused:
            error = refused
            await self.clients.attention(stream.connection_id, refused)
        except ConnectorError as failed:
            error = failed
        except DatabaseError:
            log.exception("what stream %d delivered could not be stored; it is read again", stream.lease_id)
            error = Retryable("What was told could not be stored; it is read again.")
        except Exception as bug:
            log.exception("stream %d failed", stream.lease_id)
            error = Retryable(f"The stream failed on our side: {type(bug).__name__}.")
        finally:
            self.held.pop(stream.lease_id, None)
            self.tasks.pop(stream.lease_id, None)
            await asyncio.shield(self._give_back(stream, error))

    async def _give_back(self, stream: HeldStream, error: ConnectorError | None) -> None:
        try:
            await self.database.run(stream_release, stream, error)
        except DatabaseError:
            log.exception("stream %d could not be given back; its lease runs out", stream.lease_id)

    async def _deliveries(self, stream: HeldStream) -> None:
        opened = await self.clients.of(stream.connection_id)
        trigger = CONNECTORS[stream.connector].stream(stream.trigger)()
        context = opened.context(opened.account_id, {})
        async with aclosing(trigger.listen(context, stream.position)) as deliveries:
            async for delivery in deliveries:
                if not await self.database.run(delivery_store, stream, delivery):
                    return  # somebody else holds it: what this was is told to them, too
                if delivery.acknowledge is not None:
                    await delivery.acknowledge()
