"""The transports behind the door: httpx over aiohttp, with everything switched off that tenants must not share."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from connectors.base.addresses import AddressPolicy, current_dial, guarded_socket
from connectors.base.sending import before_sending

# It writes every address with its query at INFO, keys and tokens included.
logging.getLogger("httpx").setLevel(logging.WARNING)

# Beyond any call: time-outs are kept as given, not rounded up to whole seconds as aiohttp does for long ones.
_EXACT_SECONDS = 1e9


class DoorTransport(AiohttpTransport):
    """httpx over aiohttp for the calls of the door, and only what they need: it costs half of the general one.

    The request's ``extensions`` name the ``address`` as aiohttp is to read it, its deadline (``seconds``) and the part
    of it for a connection (``connect_seconds``). Errors are aiohttp's own, which say more than httpx's names for them.
    """

    client: aiohttp.ClientSession

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = request.extensions
        connect = asked["connect_seconds"]
        answer = await self.client.request(
            request.method,
            asked["address"],
            headers=request.headers,
            data=b"".join(request.stream) or None,  # type: ignore[arg-type]
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=asked["seconds"], connect=connect, sock_connect=connect, ceil_threshold=_EXACT_SECONDS
            ),
        )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=Body(answer), request=request)


class Body(httpx.AsyncByteStream):
    """What follows the head of an answer; the call's deadline holds for it, too."""

    # A decoder works a whole piece before anybody can look at the size: a thousandfold of this may be in memory.
    PIECE_BYTES = 16 * 1024

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._answer.content.iter_chunked(self.PIECE_BYTES):
            yield piece

    async def read(self, largest: int) -> bytes | None:
        """All of it at once; None when it is larger than ``largest``."""
        content = self._answer.content
        pieces: list[bytes] = []
        while piece := await content.readany():
            pieces.append(piece)
            largest -= len(piece)
            if largest < 0:
                return None
        return b"".join(pieces)

    def end(self, *, whole: bool) -> None:
        """Give the connection back; one whose answer was not read to its end is closed."""
        if whole:
            self._answer.release()
        else:
            self._answer.close()

    async def aclose(self) -> None:
        self.end(whole=False)


class _AskingRequest(aiohttp.ClientRequest):
    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        ask = before_sending.get()
        if ask is not None:
            ask()
        return await super().send(conn)


class _PlacingConnector(aiohttp.TCPConnector):
    async def _create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Called once the pool has room; a time-out does not tell whether it did."""
        if (dial := current_dial.get(None)) is not None:
            dial.has_place = True
        return await super()._create_connection(*args, **kwargs)


class ClientPool:
    """One transport per address policy, of one event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tls: ssl.SSLContext | None = None
        self._transports: dict[AddressPolicy, DoorTransport] = {}

    def transport(self, policy: AddressPolicy) -> DoorTransport:
        """:raises RuntimeError: called from another event loop than before."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise RuntimeError("an HttpPool belongs to one event loop; make one per loop")
            self._loop = loop
        transport = self._transports.get(policy)
        if transport is None:
            transport = self._transports[policy] = self._open()
        return transport

    async def close(self) -> None:
        """Close all connections. The pool may be used again afterwards, also on another loop."""
        transports, self._transports, self._loop = list(self._transports.values()), {}, None
        for transport in transports:
            await transport.aclose()

    def _open(self) -> DoorTransport:
        if self._tls is None:  # costs tens of milliseconds, so once for all policies
            self._tls = httpx.create_ssl_context(verify=True, trust_env=False)
        return DoorTransport(verify=self._tls, trust_env=False, client=_open_session(self._tls))


def _open_session(tls: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = _PlacingConnector(
        ssl=tls,
        socket_factory=guarded_socket,
        limit=1024,
        limit_per_host=128,  # one slow provider cannot use up the connections of all
        # Shorter than what common servers keep (5 s): a write on a connection just being closed is an unknown outcome.
        keepalive_timeout=4.0,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_AskingRequest,
        auto_decompress=False,  # the door knows which codings it asked for, and how large an answer may become
        trust_env=False,
        skip_auto_headers=("Content-Type", "User-Agent"),
    )
    # aiohttp repeats GET, PUT and DELETE by itself when a reused connection drops; some providers change state by GET
    # (rule C15). There is no public switch.
    session._retry_connection = False
    return session
