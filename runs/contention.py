"""Short transactions that met another one: tried again, because nothing of them has happened."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 4
# Deadlock detected, serialization failure (PostgreSQL); everything else is news.
_PASSING = {"40P01", "40001"}


def tried_again(work: Callable[P, R]) -> Callable[P, R]:
    """Repeat ``work`` when the database chose it as the victim of a deadlock.

    Inside somebody else's transaction nothing is repeated here: only the whole of it can be.
    """

    @functools.wraps(work)
    def run(*args: P.args, **named: P.kwargs) -> R:
        for attempt in range(1, TRIES + 1):
            try:
                return work(*args, **named)
            except OperationalError as error:
                if connection.in_atomic_block or attempt == TRIES or not _is_passing(error):
                    raise
                time.sleep(random.uniform(0.01, 0.05) * attempt)
        raise AssertionError("unreachable")

    return run


def _is_passing(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in _PASSING
