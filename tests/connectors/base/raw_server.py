"""A server on bare sockets that misbehaves on purpose and counts what reached it. Bytes only: it shares no code."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n" + b'{"ok":true}'


@dataclass
class Arrival:
    connection: int
    head: str
    body: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        pairs = (line.split(": ", 1) for line in self.head.split("\r\n")[1:] if ": " in line)
        return {name.lower(): value for name, value in pairs}

    @property
    def target(self) -> str:
        return self.head.split(" ")[1]


Fault = Callable[["RawServer", socket.socket], Awaitable[None]]


@dataclass
class RawServer:
    """``answers`` are sent in turn, the last one for ever; once ``fault`` is set, requests meet it instead."""

    answers: list[bytes] = field(default_factory=lambda: [OK])
    fault: Fault | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    connections: int = 0

    async def __aenter__(self) -> RawServer:
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(256)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.open: set[socket.socket] = set()
        self.tasks = {asyncio.create_task(self._accept())}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def shut(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for connection in self.open:
            connection.close()
        self.listener.close()

    async def close_idle(self) -> None:
        """End every connection and wait until the client has noticed (and closed its side)."""
        for connection in self.open:
            connection.shutdown(socket.SHUT_WR)
        await until(lambda: not self.open)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _accept(self) -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(self.listener)
            self.connections += 1
            self.open.add(connection)
            self.tasks.add(asyncio.create_task(self._serve(connection, self.connections)))

    async def _serve(self, connection: socket.socket, number: int) -> None:
        connection.setblocking(False)
        with contextlib.suppress(ConnectionError, OSError):
            if self.fault is cut_at_once:
                return self._drop(connection)
            while await self._one(connection, number):
                pass
        return self._drop(connection)

    async def _one(self, connection: socket.socket, number: int) -> bool:
        loop = asyncio.get_running_loop()
        await wait_readable(connection)
        if self.fault is cut_unread and connection.recv(1, socket.MSG_PEEK):
            self.arrivals.append(Arrival(number, ""))
            return False
        arrival = await self._read(connection, number)
        if arrival is None:
            return False
        self.arrivals.append(arrival)
        if self.fault is not None:
            await self.fault(self, connection)
            return False
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await loop.sock_sendall(connection, answer)
        return True

    async def _read(self, connection: socket.socket, number: int) -> Arrival | None:
        loop = asyncio.get_running_loop()
        data = b""
        while b"\r\n\r\n" not in data:
            piece = await loop.sock_recv(connection, 65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        arrival = Arrival(number, head.decode("latin-1"))
        while len(body) < int(arrival.headers.get("content-length", "0")):
            body += await loop.sock_recv(connection, 65536)
        arrival.body = body
        return arrival

    def _drop(self, connection: socket.socket) -> None:
        self.open.discard(connection)
        connection.close()


async def until(happened: Callable[[], object]) -> None:
    """Poll, bounded by the test's own deadline."""
    while not happened():  # noqa: ASYNC110 - what is waited for is the client's doing, there is no event to await
        await asyncio.sleep(0.005)


async def wait_readable(connection: socket.socket) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)


async def cut_at_once(server: RawServer, connection: socket.socket) -> None:
    """On a new connection: closed before anything is read. On one in use: closed after reading."""


async def cut_unread(server: RawServer, connection: socket.socket) -> None:
    """The request lies unread in the buffer when the connection is closed."""


async def cut_after_reading(server: RawServer, connection: socket.socket) -> None:
    return None


async def reset(server: RawServer, connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def hang(server: RawServer, connection: socket.socket) -> None:
    await asyncio.sleep(3600)


def sends(data: bytes) -> Fault:
    async def fault(server: RawServer, connection: socket.socket) -> None:
        await asyncio.get_running_loop().sock_sendall(connection, data)

    return fault


async def trickle(server: RawServer, connection: socket.socket) -> None:
    """A byte now and then: never silent for long enough to be called hanging."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await loop.sock_sendall(connection, b".")
        await asyncio.sleep(0.02)


half_head = sends(b"HTTP/1.1 200 OK\r\nConten")
half_answer = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
truncated_chunks = sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n50\r\n0123")
garbage = sends(b"HELLO, WHO IS THERE?\r\n\r\n")


def answer(status: str, body: bytes = b"", *lines: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines])
    return head.encode() + b"\r\n\r\n" + body
