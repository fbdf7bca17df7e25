"""Database work asked for by code in an event loop: short, off the loop, no transaction left open across an await."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from django.db import DatabaseError, connections

P = ParamSpec("P")
R = TypeVar("R")

# Two: a slow statement must not delay the probe of a circuit.
_THREADS = 2
# Django would look before every work, a round trip more for each.
_CHECK_SECONDS = 5.0
_LONGEST_GOODBYE_SECONDS = 5.0


async def in_database(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run synchronous database code in a thread of this loop's own.

    The thread keeps its database connection for the next work; one that failed, or is found broken or old every few
    seconds, is replaced before it. The connections are closed when the loop ends.
    """
    loop = asyncio.get_running_loop()
    threads = _of_loops.get(loop)
    if threads is None:
        threads = _of_loops[loop] = _Threads()
        await anext(threads.life)
    future: Future[R] = Future()
    threads.jobs.put(partial(_carry_out, future, partial(work, *args, **kwargs)))
    return await asyncio.wrap_future(future)


class _Threads:
    def __init__(self) -> None:
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.life = self._live()
        self._threads = [
            Thread(target=_serve, args=(self.jobs,), name=f"connections-db-{number}", daemon=True)
            for number in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    async def _live(self) -> AsyncGenerator[None, None]:
        """A loop ends its asynchronous generators before it closes: the one hook it offers."""
        try:
            yield
        finally:
            _of_loops.pop(asyncio.get_running_loop(), None)
            for _ in self._threads:
                self.jobs.put(None)
            for thread in self._threads:
                thread.join(_LONGEST_GOODBYE_SECONDS)


# By loop, because a loop does not survive a fork either: a child of the queue's cluster starts threads of its own.
_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Threads] = WeakKeyDictionary()


def _serve(jobs: SimpleQueue[Callable[[], None] | None]) -> None:
    checked_at = time.monotonic()
    while (job := jobs.get()) is not None:
        due = time.monotonic() - checked_at >= _CHECK_SECONDS
        checked_at = time.monotonic() if due else checked_at
        for database in connections.all(initialized_only=True):
            if due or database.errors_occurred:
                with suppress(DatabaseError):
                    database.close_if_unusable_or_obsolete()
        job()
    connections.close_all()


def _carry_out(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # handed to whoever asked
        future.set_exception(error)
    else:
        future.set_result(result)
