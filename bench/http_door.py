"""What one call through the door costs, beside the same call of bare clients, in one process against one stub.

    python bench/http_door.py [--calls 6000] [--flight 100] [--rounds 5]

Four ways to the same answers (a read of 1 kB of JSON and a write of a small body, in turn): aiohttp alone, httpx over
the aiohttp transport as its documentation shows it, our door with a gate that lets all through, and our door behind the
real gate without trouble. Rounds alternate, the best of each counts. Microseconds are wall time of the calling process,
which has a processor to itself while the stub has another. Beside them, without any call, the gate alone (enter and
report), for a connection with a stated limit and tokens in hand. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from connectors.base.gate import OpenGate
from connectors.base.http import AddressPolicy, Effect, HttpPool

ORDER = json.dumps(
    {
        "id": "r1", "number": "r1", "currency": "EUR", "customer_id": "c1", "total": "118.97", "tax": "18.99",
        "line_items": [
            {"sku": f"SKU-{n}", "name": f"Article {n}", "qty": n + 1, "price": 19.99, "note": "x" * 120}
            for n in range(3)
        ],
        "shipping": {"street": "Unter den Linden 1", "zip": "10117", "city": "Berlin", "country": "DE"},
    }
).encode()  # fmt: skip
BODY = {
    "order_id": "r1",
    "customer": "acc-c1",
    "currency": "EUR",
    "lines": [{"sku": "SKU-1", "qty": 1, "net": "16.80"}],
}
Call = Callable[[int], Awaitable[Any]]


class _Stub(asyncio.Protocol):
    """Answers every request at once; a body must come with its length."""

    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(ORDER), ORDER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.held = transport, b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.held) < end + 4 + length:
                return
            self.held = self.held[end + 4 + length :]
            self.transport.write(self.answer)  # type: ignore[attr-defined]


def _serve(listener: socket.socket) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(_Stub, sock=listener)
        await server.serve_forever()

    uvloop.run(forever())


async def _aiohttp(stack: AsyncExitStack, base: str) -> Call:
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))

    async def call(number: int) -> Any:
        if number % 2:
            async with session.post(f"{base}/invoices", json=BODY) as reply:
                return json.loads(await reply.read())
        async with session.get(f"{base}/orders/{number}") as reply:
            return json.loads(await reply.read())

    return call


async def _httpx(stack: AsyncExitStack, base: str) -> Call:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    transport = AiohttpTransport(client=session)
    client = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=30, transport=transport))

    async def call(number: int) -> Any:
        if number % 2:
            return (await client.post("/invoices", json=BODY)).json()
        return (await client.get(f"/orders/{number}")).json()

    return call


async def _door(stack: AsyncExitStack, base: str) -> Call:
    return _through(stack, base, OpenGate())


async def _gated(stack: AsyncExitStack, base: str) -> Call:
    return _through(stack, base, _real_gate())


def _through(stack: AsyncExitStack, base: str, gate: Any) -> Call:
    pool = HttpPool()
    stack.push_async_callback(pool.close)
    door = pool.door(gate, AddressPolicy(allow={"127.0.0.1"}))

    async def call(number: int) -> Any:
        if number % 2:
            reply = await door.call("POST", f"{base}/invoices", operation="make", effect=Effect.WRITE, json=BODY)
        else:
            reply = await door.call("GET", f"{base}/orders/{number}", operation="look", effect=Effect.READ)
        return reply.json()

    return call


def _real_gate(limit: Any = None) -> Any:
    """The gate of a connection without trouble; the database behind it is left out, it is asked once a second."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import uuid

    import django

    django.setup()
    from connections import circuits, gate
    from connections.budget import Standing, grant

    circuits.troubles = list
    gate.block_take = lambda connection, bucket, declared, wanted: grant(Standing(0.0), declared, wanted)
    return gate.ConnectionGate(uuid.uuid4(), host="127.0.0.1", limit=limit, shared=gate.Board())


async def _gate_alone(times: int = 50_000) -> float:
    """:returns: microseconds for one ``enter`` and ``report``."""
    from connectors.base.gate import CallOutcome
    from connectors.base.manifest import RateLimit

    gate = _real_gate(RateLimit(calls=10_000_000, per_seconds=60, source="bench"))
    for _ in range(1000):
        await gate.enter("look")
    started = time.perf_counter()
    for _ in range(times):
        await gate.enter("look")
        await gate.report("look", CallOutcome.OK, {})
    return (time.perf_counter() - started) / times * 1e6


WAYS = {"aiohttp alone": _aiohttp, "httpx over aiohttp": _httpx, "our door": _door, "our door and gate": _gated}


async def _measure(way: Callable[..., Awaitable[Call]], base: str, calls: int, flight: int) -> tuple[float, float]:
    """:returns: microseconds per call, wall and processor."""
    async with AsyncExitStack() as stack:
        call = await way(stack, base)
        await asyncio.gather(*(call(n) for n in range(flight)))
        numbers = iter(range(calls))

        async def slot() -> None:
            for number in numbers:
                await call(number)

        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(slot() for _ in range(flight)))
        return (time.perf_counter() - wall) / calls * 1e6, (time.process_time() - cpu) / calls * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--flight", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    stub = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
    stub.start()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    try:
        for _ in range(given.rounds):
            for name, way in WAYS.items():
                found[name].append(uvloop.run(_measure(way, base, given.calls, given.flight)))
    finally:
        stub.terminate()
        stub.join()
    gate_us = min(uvloop.run(_gate_alone()) for _ in range(given.rounds))
    best = {name: (min(w for w, _ in rounds), min(c for _, c in rounds)) for name, rounds in found.items()}
    reference = best["httpx over aiohttp"]
    print(f"{'':20}  us/call  cpu us  to httpx over aiohttp")
    for name, (wall, cpu) in best.items():
        print(f"{name:20} {wall:8.1f} {cpu:7.1f}  {wall / reference[0]:.2f}  {'#' * round(wall / reference[0] * 20)}")
    print(f"{'gate alone':20} {gate_us:8.1f}")
    result = {name: {"us": round(w, 1), "cpu_us": round(c, 1)} for name, (w, c) in best.items()}
    print(json.dumps({**result, "gate alone": {"us": round(gate_us, 2)}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
