"""The one door to the outside: every call of every connector goes through ``HttpDoor.call``.

Addresses checked where the connection is made (addresses.py), time-outs always set, answers capped, cookies off,
nothing repeated that could be an effect, failures named by what happens next (http_failures.py), secrets removed from
what is recorded (redaction.py). httpx and aiohttp are imported by this module and http_failures.py only.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode

import aiohttp
import httpx
import yarl
from httpx_aiohttp import AiohttpTransport

from connectors.base import exact_json
from connectors.base.addresses import PUBLIC_ONLY, AddressPolicy, Dial, PlainHttp, current_dial, guarded_socket
from connectors.base.errors import ConnectorError, NeedsAttention, NotSent, OutcomeUnknown, RateLimited, Retryable
from connectors.base.errors import Rejected as Rejected
from connectors.base.gate import CallOutcome, Gate
from connectors.base.http_failures import address_refused, failure_for
from connectors.base.redaction import redact_body, redact_headers, redact_url
from connectors.base.reply import Effect, Reply, facts, raise_for_status, rate_limited, unreadable

__all__ = [
    "PUBLIC_ONLY",
    "AddressPolicy",
    "Effect",
    "Exchange",
    "HttpDoor",
    "HttpPool",
    "PlainHttp",
    "Reply",
    "raise_for_status",
]

log = logging.getLogger(__name__)

LARGEST_REPLY_BYTES = 20 * 1024 * 1024
CONNECT_SECONDS = 10.0  # for DNS, connecting, TLS and the wait for a free connection, at most half of the call's time
REPEATS_OF_A_READ = 2
REDIRECTS_OF_A_READ = 3
_PAUSE_SECONDS = (0.2, 1.0)
_PASSING_TROUBLE = (502, 503, 504)
# Stacked codings multiply: a few kilobytes of twice-compressed zeros unpack to gigabytes between two size checks.
_CODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
_OWN_HEADERS = {"user-agent": "Causeway/1.0", "accept": "*/*", "accept-encoding": "gzip, deflate"}
# A header that may follow a redirect to another host; all others may carry a secret.
_HARMLESS_HEADERS = ("accept", "accept-language", "user-agent")


@dataclass(frozen=True)
class Exchange:
    """One attempt as it may be shown: secrets removed, bodies cut at 8 kB. ``status`` is None without an answer."""

    operation: str
    effect: Effect
    method: str
    url: str
    status: int | None
    seconds: float
    request_headers: Mapping[str, str]
    request_body: str
    reply_headers: Mapping[str, str]
    reply_body: str
    request_id: str
    error: str


Recorder = Callable[[Exchange], None]


@dataclass(frozen=True)
class _Outgoing:
    """One request, ready to be sent as often as its effect permits."""

    method: str
    url: httpx.URL
    headers: dict[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    operation: str
    effect: Effect


class HttpPool:
    """The connections of one process and event loop, shared by all tenants; made at the first call, closed at the end.

    Calls under different address policies share no connection: one opened where private addresses are allowed must
    never serve a tenant for whom they are not.
    """

    def __init__(
        self,
        *,
        largest_reply_bytes: int = LARGEST_REPLY_BYTES,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.largest_reply_bytes = largest_reply_bytes
        self.pause = pause
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tls: ssl.SSLContext | None = None
        self._clients: dict[AddressPolicy, httpx.AsyncClient] = {}

    def door(
        self, gate: Gate, allow_private: AddressPolicy = PUBLIC_ONLY, recorder: Recorder | None = None
    ) -> HttpDoor:
        """A connection's own way out; cheap, holds no resources.

        :param recorder: told every attempt, redacted; what it raises is logged and changes nothing.
        """
        return HttpDoor(self, gate, allow_private, recorder)

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
        return httpx.AsyncClient(
            transport=transport, cookies=_NoCookies(), trust_env=False, follow_redirects=False, headers=_OWN_HEADERS
        )


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


class _NoCookies(CookieJar):
    """Keeps nothing: one client serves tenants that share a provider's host (rule C16)."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        return None


class HttpDoor:
    """One connection's calls: its gate, its address policy, its recorder, over the shared pool."""

    def __init__(self, pool: HttpPool, gate: Gate, policy: AddressPolicy, recorder: Recorder | None) -> None:
        self._pool = pool
        self._gate = gate
        self._policy = policy
        self._recorder = recorder

    async def call(
        self,
        method: str,
        url: str,
        *,
        operation: str,
        effect: Effect,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        timeout_seconds: float = 30.0,
    ) -> Reply:
        """Send one request; whatever status comes back is returned, except 429.

        A read is repeated at most twice, on a transport failure or passing trouble at the provider, while its time
        lasts, and follows up to three redirects. A write is sent once and never redirected.

        :param operation: stable name for budgets, journals and metrics, e.g. ``get_order``.
        :param json: written with exact decimals (no floats); ``form``: url-encoded; ``content``: as it is.
        :param timeout_seconds: for the whole call, repeats and pauses included.
        :raises NotSent: nothing left us: refused, DNS, TLS, connect time-out, or the gate is closed.
        :raises NeedsAttention: the address is not one we may or can call.
        :raises RateLimited: 429.
        :raises OutcomeUnknown: a write was sent and has no complete answer.
        :raises Retryable: a read has no complete answer.
        :raises Rejected: the answer to a read is larger than 20 MB.
        """
        outgoing = self._outgoing(method, url, operation, effect, headers, params, content, json, form)
        deadline = time.monotonic() + timeout_seconds
        repeats = REPEATS_OF_A_READ if effect is Effect.READ else 0
        redirects = REDIRECTS_OF_A_READ if effect is Effect.READ else 0
        while True:
            pause = random.uniform(*_PAUSE_SECONDS)
            may_repeat = repeats > 0 and time.monotonic() + pause < deadline
            await self._gate.enter(operation)
            try:
                reply = await self._attempt(outgoing, deadline)
            except RateLimited:
                raise
            except Retryable:
                if not may_repeat:
                    raise
            else:
                onward = _redirected(outgoing, reply) if redirects else None
                if onward is not None:
                    outgoing, redirects = onward, redirects - 1
                    continue
                if not may_repeat or not _is_passing(reply):
                    return reply
            repeats -= 1
            await self._pool.pause(pause)

    def _outgoing(
        self,
        method: str,
        url: str,
        operation: str,
        effect: Effect,
        headers: Mapping[str, str] | None,
        params: Mapping[str, Any] | None,
        content: bytes | None,
        json: Any,
        form: Mapping[str, Any] | None,
    ) -> _Outgoing:
        merged = {name.lower(): value for name, value in (headers or {}).items()}
        if "cookie" in merged:
            raise ValueError("cookies are off: connections are shared by tenants")
        body, content_type = _body(content, json, form)
        if content_type:
            merged.setdefault("content-type", content_type)
        address = _checked_url(url, self._policy)
        if params:
            address = address.copy_merge_params(dict(params))
        return _Outgoing(method.upper(), address, merged, body, operation, effect)

    async def _attempt(self, outgoing: _Outgoing, deadline: float) -> Reply:
        """One request on the wire, told to gate and recorder.

        A cancelled attempt is told to neither: it says nothing about the provider.
        """
        started = time.monotonic()
        try:
            reply = await self._transfer(outgoing, started, deadline)
        except NeedsAttention as error:  # our own refusal: no news about the provider
            self._record(outgoing, None, started, error)
            raise
        except ConnectorError as error:
            await self._tell_gate(outgoing.operation, CallOutcome.BROKEN, {})
            self._record(outgoing, None, started, error)
            raise
        await self._tell_gate(outgoing.operation, _outcome(reply), reply.headers)
        self._record(outgoing, reply, started, None)
        if reply.status == 429:
            raise rate_limited(reply)
        return reply

    async def _transfer(self, outgoing: _Outgoing, started: float, deadline: float) -> Reply:
        remaining = deadline - started
        if remaining <= 0:
            raise NotSent("There was no time left to make the call.", code="no_time_left", counts=False)
        client = self._pool.client(self._policy)
        connect = min(CONNECT_SECONDS, remaining / 2)
        request = client.build_request(
            outgoing.method,
            outgoing.url,
            headers=outgoing.headers,
            content=outgoing.content,
            timeout=httpx.Timeout(remaining, connect=connect, pool=connect),
        )
        # The host as aiohttp reads it: two parsers of one address must not be played against each other.
        host = yarl.URL(str(request.url)).raw_host or ""
        dial = Dial(self._policy, outgoing.url.scheme, host)
        token = current_dial.set(dial)
        try:
            async with asyncio.timeout(remaining):  # a trickle of bytes satisfies every other time-out
                return await self._read(client, request, outgoing, started)
        except ConnectorError:
            raise
        except Exception as error:  # by C14 anything unexpected after this point may follow an effect
            raise failure_for(error, dial=dial, effect=outgoing.effect, operation=outgoing.operation) from error
        finally:
            current_dial.reset(token)

    async def _read(
        self, client: httpx.AsyncClient, request: httpx.Request, outgoing: _Outgoing, started: float
    ) -> Reply:
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            reply = Reply(
                response.status_code, headers, b"", str(request.url), outgoing.operation, 0.0, outgoing.effect
            )
            if headers.get("content-encoding", "").strip().lower() not in _CODINGS:
                raise unreadable(reply, "an answer in a coding we did not ask for")
            content = await self._read_capped(response, reply)
        finally:
            await response.aclose()
        seconds = time.monotonic() - started
        return Reply(reply.status, headers, content, reply.url, outgoing.operation, seconds, outgoing.effect)

    async def _read_capped(self, response: httpx.Response, reply: Reply) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > self._pool.largest_reply_bytes:
                raise _too_large(reply, self._pool.largest_reply_bytes)
            chunks.append(chunk)
        return b"".join(chunks)

    async def _tell_gate(self, operation: str, outcome: CallOutcome, headers: Mapping[str, str]) -> None:
        try:
            await self._gate.report(operation, outcome, headers)
        except Exception:  # the answer of a write must not be lost over its bookkeeping
            log.exception("gate_report_failed", extra={"operation": operation})

    def _record(self, outgoing: _Outgoing, reply: Reply | None, started: float, error: Exception | None) -> None:
        if self._recorder is None:
            return
        try:
            self._recorder(_exchange(outgoing, reply, time.monotonic() - started, error))
        except Exception:  # as above
            log.exception("exchange_recording_failed", extra={"operation": outgoing.operation})


def _body(content: bytes | None, json: Any, form: Mapping[str, Any] | None) -> tuple[bytes, str]:
    if sum(part is not None for part in (content, json, form)) > 1:
        raise ValueError("one of content, json and form")
    if json is not None:
        return exact_json.dumps(json), "application/json"
    if form is not None:
        return urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded"
    return content or b"", ""


def _checked_url(text: str, policy: AddressPolicy) -> httpx.URL:
    """:raises NeedsAttention: not an address we can call; people type these."""
    try:
        url = httpx.URL(text)
        yarl.URL(str(url))
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise address_refused("it is not a web address") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise address_refused("it is not a full http or https address")
    if url.userinfo:
        raise address_refused("it holds a user name or password")
    if url.scheme == "http" and policy.plain_http is PlainHttp.NEVER:
        raise address_refused(f"{url.host} was to be reached without encryption (http)")
    return url


def _redirected(outgoing: _Outgoing, reply: Reply) -> _Outgoing | None:
    """Where a read goes on, or None: not a redirect, not a plain GET, or one that would give up encryption."""
    location = reply.headers.get("location", "")
    if reply.status not in (301, 302, 303, 307, 308) or not location or outgoing.method not in ("GET", "HEAD"):
        return None
    try:
        target = outgoing.url.join(location)
    except httpx.InvalidURL:
        return None
    if target.scheme not in (outgoing.url.scheme, "https") or target.userinfo or not target.host:
        return None
    headers = outgoing.headers
    if not _same_place(outgoing.url, target):
        headers = {name: value for name, value in headers.items() if name in _HARMLESS_HEADERS}
    return _Outgoing(outgoing.method, target, headers, b"", outgoing.operation, outgoing.effect)


def _same_place(source: httpx.URL, target: httpx.URL) -> bool:
    """The same host and port, or the same host's ordinary http port upgraded to its https port."""
    if source.host != target.host:
        return False
    upgraded = source.port is None and target.port is None and target.scheme == "https"
    return upgraded or (source.scheme, source.port) == (target.scheme, target.port)


def _is_passing(reply: Reply) -> bool:
    """Worth another try at once; not where the provider names a time."""
    if "retry-after" in reply.headers:
        return False
    return reply.status in _PASSING_TROUBLE or (reply.status == 500 and reply.is_html)


def _outcome(reply: Reply) -> CallOutcome:
    if reply.status == 429:
        return CallOutcome.THROTTLED
    if (reply.status >= 500 and not reply.is_soap_fault) or reply.is_html:
        return CallOutcome.BROKEN
    return CallOutcome.OK


def _too_large(reply: Reply, limit: int) -> ConnectorError:
    text = f"The other system sent more than {limit // 1024} kB in one answer."
    if reply.effect is Effect.WRITE:
        return OutcomeUnknown(text, code="answer_too_large", **facts(reply))
    return Rejected(text, code="answer_too_large", **facts(reply))


def _exchange(outgoing: _Outgoing, reply: Reply | None, seconds: float, error: Exception | None) -> Exchange:
    text = error.operator_text if isinstance(error, ConnectorError) else ""
    reply_type = reply.headers.get("content-type", "") if reply else ""
    return Exchange(
        operation=outgoing.operation,
        effect=outgoing.effect,
        method=outgoing.method,
        url=redact_url(str(outgoing.url)),
        status=reply.status if reply else None,
        seconds=seconds,
        request_headers=redact_headers(outgoing.headers),
        request_body=redact_body(outgoing.content, outgoing.headers.get("content-type", "")),
        reply_headers=redact_headers(reply.headers) if reply else {},
        reply_body=redact_body(reply.content, reply_type) if reply else "",
        request_id=reply.request_id if reply else "",
        error=text,
    )
