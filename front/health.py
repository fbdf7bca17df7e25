"""``/healthz``: this process is up. ``/readyz``: it can serve, because what it needs answers; reasons as JSON.

Neither names a host, a user or an error's text: anybody may ask.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime

from django.conf import settings
from django.core.cache import caches
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse

from runs.gauges import drains_by_state
from tenants.clock import database_now

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 1.0
DECIDING = ("database", "cache")


class NotReadyError(Exception):
    """Why, in words for anybody."""


def healthz(request: HttpRequest) -> HttpResponse:
    """Asks nothing but this process."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers, is migrated and the cache works, else 503.

    What is told of but decides nothing ("degraded"): Redis, whose part the database takes over, and the drains: pages
    and webhooks work without them, and work waits safely. To take such a process out would make a small trouble large.
    """
    checks = _readiness.look()
    ready = all(checks[name] == "ok" for name in DECIDING)
    status = "not ready" if not ready else "ok" if set(checks.values()) == {"ok"} else "degraded"
    return JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)


class _Readiness:
    """Asks in a thread of its own: a database that accepts but does not answer must not hold this process's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._checks: dict[str, str] = {}
        self._asking: dict[str, Future[None]] = {}
        self._thread: ThreadPoolExecutor | None = None

    def look(self) -> dict[str, str]:
        with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS:
                self._checks = self._ask_all()
                self._looked_at = time.monotonic()
            return self._checks

    def _ask_all(self) -> dict[str, str]:
        questions: dict[str, Callable[[], None]] = {"database": _database, "cache": _cache}
        if hasattr(caches["default"], "ask"):
            questions["redis"] = caches["default"].ask
        if settings.QUEUE_WORKERS > 0:
            questions["drains"] = _drains
        deadline = time.monotonic() + PATIENCE_SECONDS
        for name, question in questions.items():
            if name not in self._asking or self._asking[name].done():
                self._asking[name] = self._threads().submit(_asked, question)
        return {name: self._answer(name, deadline) for name in questions}

    def _answer(self, name: str, deadline: float) -> str:
        try:
            self._asking[name].result(max(0.01, deadline - time.monotonic()))
        except NotReadyError as reason:
            return str(reason)
        except NotInTime:
            return f"no answer within {PATIENCE_SECONDS:.0f} s"
        except Exception as error:
            return f"not reachable ({type(error).__name__})"
        return "ok"

    def _threads(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=4, thread_name_prefix="readiness")
        return self._thread


def _asked(question: Callable[[], None]) -> None:
    try:
        question()
    finally:
        connections.close_all()


def _database() -> None:
    """:raises NotReadyError: a migration of this version is missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        applied = set(cursor.fetchall())
    if missing := _wanted() - applied:
        raise NotReadyError(f"{len(missing)} migrations are missing")


_wanted_migrations: set[tuple[str, str]] = set()


def _wanted() -> set[tuple[str, str]]:
    """The latest migration of each app, as this version's files say; read once."""
    if not _wanted_migrations:
        _wanted_migrations.update(MigrationLoader(None).graph.leaf_nodes())
    return _wanted_migrations


def _cache() -> None:
    caches["default"].get("readiness")


def _drains() -> None:
    """:raises NotReadyError: none lives."""
    if not drains_by_state(database_now())["alive"]:
        raise NotReadyError("no drain lives: work waits")


_readiness = _Readiness()
