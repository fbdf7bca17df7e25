"""The one thread in which a drain talks to the database, so that its event loop never waits for a query."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections, connection

T = TypeVar("T")

# A connection that rested longer is looked at before it is used again.
IDLE_CONNECTION_SECONDS = 5.0


class Database:
    """The one thread in which a drain talks to the database, so that its event loop never waits for a query."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="drain-db")
        self._used_at = 0.0

    async def run(self, function: Callable[..., T], *args: Any, **named: Any) -> T:
        def call() -> T:
            self._look_after_connection()
            return function(*args, **named)

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _look_after_connection(self) -> None:
        """Asking before every call whether the database is still there would cost a round trip each time."""
        now = time.monotonic()
        if connection.errors_occurred or now - self._used_at > IDLE_CONNECTION_SECONDS:
            close_old_connections()
        self._used_at = now

    async def close(self) -> None:
        from django.db import connections

        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown()
