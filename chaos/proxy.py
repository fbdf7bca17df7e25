"""A TCP proxy that can be told to misbehave, for connections that exist and for new ones."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading

MODES = ("pass", "refuse", "reset", "blackhole", "half_close")
"""refuse: nobody listens, what exists is closed. reset: RST for everything. blackhole: taken in, nothing comes of it.
half_close: the request gets through, of the answer comes nothing but the end."""

_PIECE = 65536


class Proxy:
    """``with Proxy(...) as proxy``: listens on ``proxy.address``; ``set_mode`` at any time, from any thread."""

    def __init__(self, target: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._target, self._host, self.port = target, host, port
        self.mode = "pass"
        self._loop = asyncio.new_event_loop()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter | None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._wait(self._listen())
        return self

    def __exit__(self, *exc: object) -> None:
        self._wait(self._close_all(abort=True))
        self._wait(self._deafen())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    def set_mode(self, mode: str) -> None:
        assert mode in MODES, mode
        self._wait(self._change(mode))

    def _wait(self, work: asyncio.coroutines.Coroutine) -> None:  # type: ignore[name-defined]
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _change(self, mode: str) -> None:
        before, self.mode = self.mode, mode
        if mode == "refuse":
            await self._deafen()
        elif before == "refuse":
            await self._listen()
        if mode in ("refuse", "reset"):
            await self._close_all(abort=mode == "reset")
        elif before == "blackhole":
            await self._close_all(abort=True)  # what was swallowed is gone; both ends must notice

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _close_all(self, *, abort: bool) -> None:
        for pair in list(self._pairs):
            for writer in pair:
                if writer is not None:
                    _abort(writer) if abort else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "reset":
            _abort(writer)
            return
        onward: asyncio.StreamWriter | None = None
        pair = (writer, onward)
        try:
            while self.mode == "blackhole":  # noqa: ASYNC110 - set from another thread; connected as far as can be told
                await asyncio.sleep(0.05)
            back, onward = await asyncio.open_connection(*self._target)
            pair = (writer, onward)
            self._pairs.add(pair)
            await asyncio.gather(self._pump(reader, onward, answer=False), self._pump(back, writer, answer=True))
        except OSError:
            pass
        finally:
            self._pairs.discard(pair)
            for each in pair:
                if each is not None:
                    with contextlib.suppress(OSError):
                        each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while piece := await reader.read(_PIECE):
                if self.mode == "blackhole":
                    continue
                if answer and self.mode == "half_close":
                    break
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()
        if answer:
            writer.close()


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
