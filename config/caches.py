"""The cache of a grown installation: Redis, and while Redis is away the table that serves one machine.

Nobody must be kept from logging in by a cache that is away, and nobody must get rid of the log-in limits by it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache

log = logging.getLogger(__name__)

STORED = "stored"  # the alias of the table
ASK_AGAIN_SECONDS = 2.0
SOCKET_SECONDS = 1.0

_away_until = 0.0


def _redis_first(name: str) -> Callable[..., Any]:
    def method(self: RedisElseDatabase, *args: Any, **named: Any) -> Any:
        if time.monotonic() >= _away_until:
            try:
                return getattr(super(RedisElseDatabase, self), name)(*args, **named)
            except self.away as error:
                _note_away(error)
        return getattr(caches[STORED], name)(*args, **named)

    return method


def _note_away(error: Exception) -> None:
    """Asked again only after a moment: each try may cost a second of somebody's page."""
    global _away_until
    _away_until = time.monotonic() + ASK_AGAIN_SECONDS
    log.warning("Redis does not answer (%s); the cache is in the database meanwhile", type(error).__name__)


class RedisElseDatabase(RedisCache):
    """Counts made while Redis was away stay in the table; those made before are found again in Redis."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        from redis import exceptions

        super().__init__(server, params)
        self.away = (
            exceptions.ConnectionError,
            exceptions.TimeoutError,
            exceptions.ReadOnlyError,
            exceptions.OutOfMemoryError,
        )
        self._options = {
            "socket_connect_timeout": SOCKET_SECONDS,
            "socket_timeout": SOCKET_SECONDS,
            "retry": _no_repeats(),
            **params.get("OPTIONS", {}),
        }

    add = _redis_first("add")
    get = _redis_first("get")
    set = _redis_first("set")
    touch = _redis_first("touch")
    delete = _redis_first("delete")
    has_key = _redis_first("has_key")
    incr = _redis_first("incr")
    get_many = _redis_first("get_many")
    set_many = _redis_first("set_many")
    delete_many = _redis_first("delete_many")
    clear = _redis_first("clear")

    def ask(self) -> None:
        """:raises Exception: Redis does not answer."""
        self._cache.get_client().ping()


def _no_repeats() -> Any:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Retry(NoBackoff(), 0)
