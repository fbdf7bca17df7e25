"""Database work asked for by code in an event loop: short, off the loop, no transaction left open across an await."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
R = TypeVar("R")

# Two: a slow statement must not delay the probe of a circuit. Each thread has a database connection while it works.
_THREADS = 2
_executors: dict[int, ThreadPoolExecutor] = {}


async def in_database(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run synchronous database code in a thread of ours; its database connection is given back afterwards."""

    def run() -> R:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.get_running_loop().run_in_executor(_executor(), run)


def _executor() -> ThreadPoolExecutor:
    # By process: the queue's cluster forks, and threads do not survive a fork.
    pid = os.getpid()
    if pid not in _executors:
        _executors.clear()
        _executors[pid] = ThreadPoolExecutor(_THREADS, thread_name_prefix="connections-db")
    return _executors[pid]
