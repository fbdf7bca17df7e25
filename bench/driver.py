"""Sends prepared webhooks as fast as the door takes them, or at a steady rate. A process of its own, kept light.

Reads one JSON object (a line) from standard input, says ``ready`` and begins at the next line, so that whoever starts
it can make two things begin together. Writes one JSON object to standard output.

Input: ``host``, ``port``, ``path``, ``headers`` (of all requests), ``bodies`` (``[id, body, {headers}]`` each),
``connections``, ``rate`` per second (0: as fast as the door takes them). Output: ``sent`` and ``answered`` (epoch
seconds by id), ``waited`` (seconds from the moment a request was due to its answer, by id), ``statuses`` (counts),
``began``, ``ended``, ``cpu_seconds``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

import uvloop


class Results:
    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.answered: dict[str, float] = {}
        self.waited: dict[str, float] = {}
        self.statuses: Counter[str] = Counter()


class Connection(asyncio.Protocol):
    """One kept-alive connection: the next request goes out when the answer of the one before is complete."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[str] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, request: bytes) -> asyncio.Future[str]:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0 or self._answer is None:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        if at < 0:  # chunked: complete when the last chunk is there
            if not self._buffer.endswith(b"0\r\n\r\n"):
                return
        elif len(self._buffer) < head_end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return
        status, self._buffer = head[9:12].decode(), b""
        answer, self._answer = self._answer, None
        if not answer.done():
            answer.set_result(status)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the door closed the connection before it answered"))


def requests_of(job: dict[str, Any]) -> list[tuple[str, bytes]]:
    """The bytes of every request, made before anything is measured."""
    made = []
    for key, body, headers in job["bodies"]:
        content = body.encode()
        lines = [
            f"POST {job['path']} HTTP/1.1",
            f"Host: {job['host']}:{job['port']}",
            f"Content-Length: {len(content)}",
            *(f"{name}: {value}" for name, value in {**job.get("headers", {}), **headers}.items()),
        ]
        made.append((key, "\r\n".join(lines).encode() + b"\r\n\r\n" + content))
    return made


async def drive(job: dict[str, Any]) -> dict[str, Any]:
    requests, results, loop = job["requests"], Results(), asyncio.get_running_loop()
    rate, place = float(job.get("rate") or 0), iter(range(len(requests)))
    began = 0.0

    async def lane() -> None:
        _, connection = await loop.create_connection(Connection, job["host"], job["port"])
        await ready.wait()
        for number in place:
            key, request = requests[number]
            due = began + number / rate if rate else time.perf_counter()
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            results.sent[key] = time.time()
            try:
                status = await connection.send(request)
            except ConnectionError:
                status = "lost"
                _, connection = await loop.create_connection(Connection, job["host"], job["port"])
            results.statuses[status] += 1
            results.answered[key] = time.time()
            results.waited[key] = time.perf_counter() - due
        connection._transport.close()

    ready = asyncio.Event()
    lanes = [asyncio.create_task(lane()) for _ in range(min(int(job["connections"]), len(requests)))]
    await asyncio.sleep(0.05)  # all connected
    began_at, began, cpu = time.time(), time.perf_counter(), time.process_time()
    ready.set()
    await asyncio.gather(*lanes)
    return {
        "sent": results.sent,
        "answered": results.answered,
        "waited": results.waited,
        "statuses": dict(results.statuses),
        "began": began_at,
        "ended": time.time(),
        "cpu_seconds": time.process_time() - cpu,
    }


def main() -> None:
    job = json.loads(sys.stdin.readline())
    job["requests"] = requests_of(job)
    print("ready", flush=True)
    sys.stdin.readline()
    json.dump(uvloop.run(drive(job)), sys.stdout)


if __name__ == "__main__":
    main()
