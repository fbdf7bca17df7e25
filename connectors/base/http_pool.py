"""The clients behind the door: httpx over aiohttp, with everything switched off that tenants must not share."""

from __future__ import annotations

import asyncio
import logging
import ssl

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from connectors.base.addresses import AddressPolicy, guarded_socket

# It writes every address with its query at INFO, keys and tokens included.
logging.getLogger("httpx").setLevel(logging.WARNING)


class _NoCookies(httpx.Cookies):
    """Keeps nothing: one client serves tenants that share a provider's host (rule C16)."""

    def extract_cookies(self, response: httpx.Response) -> None:
        return None


_NO_COOKIES = _NoCookies()


class _Client(httpx.AsyncClient):
    @property  # type: ignore[misc]  # not settable, on purpose
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES


class ClientPool:
    """One httpx client per address policy, of one event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tls: ssl.SSLContext | None = None
        self._clients: dict[AddressPolicy, httpx.AsyncClient] = {}

    def client(self, policy: AddressPolicy) -> httpx.AsyncClient:
        """:raises RuntimeError: called from another event loop than before."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("an HttpPool belongs to one event loop; make one per loop")
        client = self._clients.get(policy)
        if client is None:
            client = self._clients[policy] = self._open_client()
        return client

    async def close(self) -> None:
        """Close all connections. The pool may be used again afterwards, also on another loop."""
        clients, self._clients, self._loop = list(self._clients.values()), {}, None
        for client in clients:
            await client.aclose()

    def _open_client(self) -> httpx.AsyncClient:
        if self._tls is None:  # costs tens of milliseconds, so once for all policies
            self._tls = httpx.create_ssl_context(verify=True, trust_env=False)
        transport = AiohttpTransport(verify=self._tls, trust_env=False, client=_open_session(self._tls))
        return _Client(transport=transport, trust_env=False, follow_redirects=False)


def _open_session(tls: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
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
        trust_env=False,
        skip_auto_headers=("Content-Type", "User-Agent"),
    )
    # aiohttp repeats GET, PUT and DELETE by itself when a reused connection drops; some providers change state by GET
    # (rule C15). There is no public switch.
    session._retry_connection = False
    return session
