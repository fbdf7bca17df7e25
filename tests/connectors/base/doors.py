"""Small helpers of these tests: a door to a local server, a gate that remembers, a loop per test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from connectors.base.gate import CallOutcome, OpenGate
from connectors.base.http import AddressPolicy, Effect, HttpDoor, HttpPool, Reply

LOCAL = AddressPolicy(allow={"127.0.0.0/8", "::1"})


def run(work: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


class Memory(OpenGate):
    def __init__(self) -> None:
        self.entered: list[str] = []
        self.reported: list[CallOutcome] = []

    async def enter(self, operation: str) -> None:
        self.entered.append(operation)

    async def report(self, operation: str, outcome: CallOutcome, headers: Mapping[str, str]) -> None:
        self.reported.append(outcome)


async def no_pause(seconds: float) -> None:
    assert 0.2 <= seconds <= 1.0


@asynccontextmanager
async def pool(**options: Any) -> AsyncIterator[HttpPool]:
    opened = HttpPool(pause=no_pause, **options)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def local_door(gate: Any = None, recorder: Callable[..., None] | None = None, **options: Any):
    async with pool(**options) as opened:
        yield opened.door(gate or OpenGate(), LOCAL, recorder)


async def get(door: HttpDoor, url: str, **more: Any) -> Reply:
    return await door.call("GET", url, operation="look", effect=Effect.READ, **more)


async def post(door: HttpDoor, url: str, **more: Any) -> Reply:
    return await door.call("POST", url, operation="make", effect=Effect.WRITE, **({"json": {"a": 1}} | more))
