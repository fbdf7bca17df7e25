"""Telling a drain that there is work: a notification on PostgreSQL, a nudge task when no drain is alive.

A nudge may be lost or doubled without harm: the inbox table is the only queue, and the sweep starts a drain wherever
none is alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from runs.models import WorkerSlot
from tenants.clock import database_now

CHANNEL = "causeway_inbox"
STALE_HEARTBEAT = timedelta(seconds=10)
RENUDGE_AFTER = timedelta(seconds=5)
IDLE_POLL_SECONDS = 0.2


def nudge_after_commit() -> None:
    """Commit first, then read the flags: a drain that is about to end clears its flag before its last look (C10)."""
    # Robust: the news is stored, so a broker that is away is no reason to refuse it; the sweep starts the drain later.
    transaction.on_commit(nudge, robust=True)


def nudge() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
    if not WorkerSlot.objects.filter(alive=True).exists():
        slots_start(only_one=True)


def slots_start(*, only_one: bool = False) -> int:
    """Queue a drain task for each slot that has no living drain; returns how many were queued."""
    from django_q.tasks import async_task

    now = database_now()
    dead = Q(alive=False) | Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=now - STALE_HEARTBEAT)
    unnudged = Q(nudged_at__isnull=True) | Q(nudged_at__lt=now - RENUDGE_AFTER)
    started = 0
    for number in WorkerSlot.objects.filter(dead, unnudged).order_by("number").values_list("number", flat=True):
        # Conditional: of all processes that see the slot empty, one queues the task.
        if WorkerSlot.objects.filter(dead, unnudged, number=number).update(nudged_at=now):
            async_task("runs.tasks.drain", number, q_options={"task_name": f"drain {number}"})
            started += 1
            if only_one:
                break
    return started


def slots_prepare() -> None:
    """One slot per queue worker of this installation; slots beyond are left to other hosts."""
    WorkerSlot.objects.bulk_create(
        [WorkerSlot(number=number) for number in range(settings.QUEUE_WORKERS)], ignore_conflicts=True
    )


class Bell:
    """Wakes a drain's event loop: LISTEN on PostgreSQL, a short poll elsewhere."""

    def __init__(self) -> None:
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

    async def wait(self, seconds: float) -> None:
        """Until rung, or ``seconds`` (at most the short poll where nobody can ring)."""
        limit = seconds if self._thread is not None else min(seconds, IDLE_POLL_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), limit)
        self._event.clear()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        import psycopg

        parameters = connection.get_connection_params()
        keep = {key: parameters[key] for key in ("dbname", "user", "password", "host", "port") if parameters.get(key)}
        while not self._stop.is_set():
            try:
                with psycopg.connect(**keep, autocommit=True) as listener:
                    listener.execute(f"LISTEN {CHANNEL}")
                    loop.call_soon_threadsafe(self._event.set)  # what came before we listened
                    while not self._stop.is_set():
                        for _ in listener.notifies(timeout=1.0, stop_after=1):
                            loop.call_soon_threadsafe(self._event.set)
            except psycopg.OperationalError:
                self._stop.wait(0.5)  # the database restarts; polling at the drain's own pace goes on meanwhile
            except RuntimeError:
                return  # the loop has closed
