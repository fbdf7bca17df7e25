"""Telling a drain that there is work: a notification on PostgreSQL, a nudge task when no drain is alive.

A nudge may be lost or doubled without harm: the inbox table is the only queue, and the sweep starts a drain wherever
none is alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time

from django.db import connection, transaction

from runs.models import WorkerSlot
from runs.slots import slots_start

log = logging.getLogger(__name__)

CHANNEL = "causeway_inbox"
NUDGE_GAP_SECONDS = 0.01
IDLE_SECONDS = 1.0
IDLE_POLL_SECONDS = 0.2


def nudge_after_commit() -> None:
    """Commit first, then read the flags: a drain that is about to end clears its flag before its last look (C10)."""
    # Robust: the news is stored, so a broker that is away is no reason to refuse it; the sweep starts the drain later.
    transaction.on_commit(nudge, robust=True)


def nudge_soon() -> None:
    """The same for news that is committed already. In a web process a thread of its own tells, once for many."""
    if _nudger is not None:
        _nudger.ring()
        return
    try:
        nudge()
    except Exception:  # as above: the news is stored
        log.exception("a nudge failed; the sweep looks for itself")


class Nudger:
    """Tells for a whole web process. The first news is told at once, what follows within a moment together.

    A notification per webhook would cost a round trip each, and PostgreSQL lets only one commit with one happen at a
    time.
    """

    def __init__(self) -> None:
        self._rung = threading.Event()
        threading.Thread(target=self._run, name="nudger", daemon=True).start()

    def ring(self) -> None:
        self._rung.set()

    def _run(self) -> None:
        while True:
            self._rung.wait()
            self._rung.clear()
            try:
                nudge()
            except Exception:  # the database or the broker is away; news is stored and the sweep looks for itself
                log.exception("a nudge failed; the sweep looks for itself")
                connection.close()
            time.sleep(NUDGE_GAP_SECONDS)


_nudger: Nudger | None = None


def nudger_start() -> None:
    """For web processes, once, after they were forked."""
    global _nudger
    _nudger = _nudger or Nudger()


def nudge() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
    if not WorkerSlot.objects.filter(alive=True).exists():
        slots_start(only_one=True)


class Bell:
    """Wakes a drain's event loop: LISTEN on PostgreSQL, a short poll elsewhere.

    ``heard``: there may be news that nobody has claimed; whoever claims takes it back first.
    """

    def __init__(self) -> None:
        self.heard = True
        self._event = asyncio.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Bell:
        if connection.vendor == "postgresql":
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._listen, args=(loop,), name="bell", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=3)

    def ring(self) -> None:
        self._event.set()

    @property
    def idle_seconds(self) -> float:
        """After this long a look is due although nobody rang."""
        return IDLE_SECONDS if self._thread is not None else IDLE_POLL_SECONDS

    async def wait(self, seconds: float) -> None:
        """Until rung, or ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()

    def _hear(self) -> None:
        self.heard = True
        self._event.set()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        import psycopg

        parameters = connection.get_connection_params()
        # All of what the address says (TLS above all), without what is Django's own.
        drop = ("cursor_factory", "context", "prepare_threshold", "pool")
        keep = {key: value for key, value in parameters.items() if key not in drop and value not in (None, "")}
        while not self._stop.is_set():
            try:
                with psycopg.connect(**keep, autocommit=True) as listener:
                    listener.execute(f"LISTEN {CHANNEL}")
                    loop.call_soon_threadsafe(self._hear)  # what came before we listened
                    while not self._stop.is_set():
                        for _ in listener.notifies(timeout=1.0, stop_after=1):
                            loop.call_soon_threadsafe(self._hear)
            except psycopg.OperationalError:
                self._stop.wait(0.5)  # the database restarts; polling at the drain's own pace goes on meanwhile
            except RuntimeError:
                return  # the loop has closed
