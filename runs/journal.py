"""The journal: what attempts did, committed in groups across all events in flight in this process.

The writing itself is ``runs.flush``; here is who waits for it and what a failure means (rule C4).
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TypeVar

from flows.engine.ports import LeaseLost
from runs.database import Database
from runs.entries import Ending, Entry
from runs.flush import entries_store, entries_write
from telemetry import tracing
from telemetry.metrics import FLUSH_ENTRIES, FLUSH_SECONDS

__all__ = ["Ending", "Entry", "GroupCommit", "entries_store", "entries_write"]

log = logging.getLogger(__name__)
T = TypeVar("T")


class GroupCommit:
    """Collects entries and commits them together. A failed flush loses this worker's right to act (rule C4)."""

    MOST_PER_FLUSH = 500

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: list[Entry] = []
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="group-commit")
        self.broken = False

    async def commit(self, entry: Entry) -> None:
        """Durable when it returns. :raises LeaseLost: fenced out, or the flush failed."""
        if self.broken:
            raise LeaseLost("an earlier flush failed; this worker starts no further effect")
        entry.flushed = asyncio.get_running_loop().create_future()
        self._pending.append(entry)
        self._ready.set()
        await entry.flushed

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._pending:
                batch, self._pending = self._pending[: self.MOST_PER_FLUSH], self._pending[self.MOST_PER_FLUSH :]
                await self._flush(batch)

    async def _flush(self, batch: list[Entry]) -> None:
        started = time.monotonic()
        try:
            with tracing.span("flush", links=[entry.trace for entry in batch]):
                fenced = await self._database.run(entries_store, batch)
        except Exception as error:
            FLUSH_SECONDS.see(time.monotonic() - started, "failed")
            log.exception("a flush of %d entries failed; this drain ends", len(batch))
            self.broken = True
            for entry in [*batch, *self._pending]:
                _resolve(entry, LeaseLost(f"the journal could not be written: {error}"))
            self._pending = []
            return
        FLUSH_SECONDS.see(time.monotonic() - started, "ok")
        FLUSH_ENTRIES.see(len(batch), "ok")
        for entry in batch:
            _resolve(entry, LeaseLost("another worker holds this event") if id(entry) in fenced else None)


def _resolve(entry: Entry, error: BaseException | None) -> None:
    if entry.flushed is None or entry.flushed.done():
        return
    if error is None:
        entry.flushed.set_result(None)
    else:
        entry.flushed.set_exception(error)
