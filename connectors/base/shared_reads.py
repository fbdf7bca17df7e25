"""One read for many who ask at once, without anybody being told less than was true when they asked."""

from __future__ import annotations

import asyncio
import contextvars
import copy
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from connectors.base.errors import ConnectorError


class SharedReads:
    """``await reads(key, load)``: what ``load`` returns, called at most twice however many ask at once.

    An answer may be older than its reading took. So whoever asks while a read is under way waits for the next one,
    which begins when that has ended and serves all who have come by then: a read serves only those who asked before it
    began. What a read raises, all whom it serves are told, of our own news each a copy. A caller that is cancelled
    disturbs nobody.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}
        self._next: dict[Hashable, asyncio.Task[Any]] = {}

    async def __call__(self, key: Hashable, load: Callable[[], Awaitable[Any]], *, join_under_way: bool = False) -> Any:
        """:param join_under_way: an answer that was true a moment before is good enough."""
        reading = self._under_way.get(key) if join_under_way else None
        if reading is None:
            reading = self._next.get(key)
        if reading is None:
            # In a context of its own: whose lease, turn or recording it was that asked first is nothing to the others.
            loop = asyncio.get_running_loop()
            reading = self._next[key] = loop.create_task(self._read(key, load), context=contextvars.Context())
            reading.add_done_callback(_heard)
        try:
            return await asyncio.shield(reading)
        except ConnectorError as error:
            raise _own_copy(error) from error

    async def _read(self, key: Hashable, load: Callable[[], Awaitable[Any]]) -> Any:
        earlier = self._under_way.get(key)
        if earlier is not None:
            await asyncio.wait({earlier})
        self._under_way[key] = self._next.pop(key)
        try:
            return await load()
        finally:
            del self._under_way[key]


def _own_copy(error: ConnectorError) -> ConnectorError:
    """Each caller adds to what it was told, where in its own work it happened; the others must not read that."""
    own = copy.copy(error)
    own.details = dict(error.details)
    return own


def _heard(reading: asyncio.Task[Any]) -> None:
    """Where all who asked were cancelled, nobody is left to hear of a failure."""
    if not reading.cancelled():
        reading.exception()
