"""Ask a provider one question from synchronous code: pages, commands and the operators' console."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from connections.clients import client_for
from connections.models import Connection
from connectors.base.errors import Retryable
from connectors.base.gate import OpenGate
from connectors.base.http import HttpPool
from tenants.models import User

Answer = TypeVar("Answer")
LONGEST_ASK_SECONDS = 60.0


def provider_ask(
    connection: Connection,
    question: Callable[[Any], Awaitable[Answer]],
    *,
    purpose: str,
    actor: User | None = None,
    seconds: float = LONGEST_ASK_SECONDS,
) -> Answer:
    """Open a client for this one question; the gate is left aside, because a person wants to know now.

    :param question: given the connector's client.
    :raises ConnectorError: what the client raises; Retryable when it takes longer than ``seconds``.
    """
    pool = HttpPool()
    client = client_for(connection, pool=pool, gate=OpenGate(), purpose=purpose, actor=actor)

    async def ask() -> Answer:
        try:
            async with asyncio.timeout(seconds):
                return await question(client)
        except TimeoutError as error:
            raise Retryable("The other system did not answer in time.", code="no_answer_in_time") from error
        finally:
            await pool.close()

    return asyncio.run(ask())
