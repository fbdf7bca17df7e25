"""The one door to the outside: every call of every connector goes through ``HttpDoor.call``.

Addresses checked where the connection is made (addresses.py), time-outs always set, answers capped, cookies off,
nothing repeated that could be an effect, failures named by what happens next (http_failures.py), secrets removed from
what is recorded (redaction.py). httpx and aiohttp are imported by this module and its http_* neighbours only.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx

from connectors.base.addresses import PUBLIC_ONLY, AddressPolicy, Dial, PlainHttp, current_dial
from connectors.base.errors import (
    ConnectorError,
    NeedsAttention,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Retryable,
)
from connectors.base.exchange import Exchange, Recorder, exchange_of
from connectors.base.gate import CallOutcome, Gate
from connectors.base.http_failures import failure_for
from connectors.base.http_pool import Body, ClientPool
from connectors.base.http_request import Outgoing, prepare, redirected
from connectors.base.reply import Effect, Reply, facts, raise_for_status, rate_limited, unreadable
from connectors.base.sending import calls_end_at
from connectors.base.tape import current_tape
from telemetry import tracing
from telemetry.metrics import CALLS, GATE_WAIT, PUT_OFF

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
_NO_TIME = "There was no time left to make the call."
_NO_WAIT_SECONDS = 0.002  # passing an open gate takes less
_PASSING_TROUBLE = (502, 503, 504)
# Stacked codings multiply: a few kilobytes of twice-compressed zeros unpack to gigabytes between two size checks.
_CODINGS = ("", "identity", "gzip", "x-gzip", "deflate")


class HttpPool(ClientPool):
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
        super().__init__()
        self.largest_reply_bytes = largest_reply_bytes
        self.pause = pause

    def door(
        self,
        gate: Gate,
        allow_private: AddressPolicy = PUBLIC_ONLY,
        recorder: Recorder | None = None,
        connector: str = "",
    ) -> HttpDoor:
        """A connection's own way out; cheap, holds no resources.

        :param recorder: told every attempt, redacted; what it raises is logged and changes nothing.
        :param connector: whose calls these are, for counters and traces.
        """
        return HttpDoor(self, gate, allow_private, recorder, connector)


class HttpDoor:
    """One connection's calls: its gate, its address policy, its recorder, over the shared pool."""

    def __init__(
        self, pool: HttpPool, gate: Gate, policy: AddressPolicy, recorder: Recorder | None, connector: str = ""
    ) -> None:
        self._connector = connector
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
        :param timeout_seconds: for the whole call, repeats and pauses included; at most until ``calls_end_at``.
        :raises NotSent: nothing left us: refused, DNS, TLS, connect time-out, or the gate is closed.
        :raises NeedsAttention: the address is not one we may or can call.
        :raises RateLimited: 429.
        :raises OutcomeUnknown: a write was sent and has no complete answer.
        :raises Retryable: a read has no complete answer.
        :raises Rejected: the answer to a read is larger than 20 MB.
        """
        outgoing = prepare(
            method,
            url,
            operation=operation,
            effect=effect,
            policy=self._policy,
            headers=headers,
            params=params,
            content=content,
            json=json,
            form=form,
        )
        deadline = min(time.monotonic() + timeout_seconds, calls_end_at.get())
        if deadline <= time.monotonic():
            # Earlier calls of the write have used its time up, which is a failure of the attempt.
            raise NotSent(_NO_TIME, code="no_time_left")
        repeats = REPEATS_OF_A_READ if effect is Effect.READ else 0
        redirects = REDIRECTS_OF_A_READ if effect is Effect.READ else 0
        while True:
            pause = random.uniform(*_PAUSE_SECONDS)
            await self._pass_gate(operation)
            try:
                reply = await self._observed(outgoing, deadline)
            except RateLimited:
                raise
            except Retryable:
                if not repeats or time.monotonic() + pause >= deadline:
                    raise
            else:
                onward = redirected(outgoing, reply) if redirects else None
                if onward is not None:
                    outgoing, redirects = onward, redirects - 1
                    continue
                if not repeats or not _is_passing(reply) or time.monotonic() + pause >= deadline:
                    return reply
            repeats -= 1
            await self._pool.pause(pause)

    async def _pass_gate(self, operation: str) -> None:
        asked = time.monotonic()
        try:
            await self._gate.enter(operation)
        except NotSent as error:
            PUT_OFF.add(self._connector, error.code)
            raise
        finally:
            waited = time.monotonic() - asked
            if waited > _NO_WAIT_SECONDS:
                GATE_WAIT.add(self._connector, by=waited)

    async def _observed(self, outgoing: Outgoing, deadline: float) -> Reply:
        """``_attempt``, counted, and with a span of its own where tracing is on."""
        if not tracing.on:
            return await self._counted(outgoing, deadline)
        host = outgoing.address.raw_host or ""
        facts = {"http.request.method": outgoing.method, "server.address": host, "causeway.effect": outgoing.effect}
        name = f"{self._connector} {outgoing.operation}"
        with tracing.span(name, kind=tracing.SpanKind.CLIENT, attributes=facts) as span:
            if onward := tracing.carried(host):
                outgoing = replace(outgoing, headers={**outgoing.headers, **onward})
            reply = await self._counted(outgoing, deadline)
            if span is not None:
                span.set_attribute("http.response.status_code", reply.status)
            return reply

    async def _counted(self, outgoing: Outgoing, deadline: float) -> Reply:
        started = time.monotonic()
        outcome = "cancelled"
        try:
            reply = await self._attempt(outgoing, deadline)
            outcome = "ok" if reply.status < 400 else "refused" if reply.status < 500 else "broken"
            return reply
        except ConnectorError as error:
            outcome = type(error).__name__
            raise
        finally:
            CALLS.see(time.monotonic() - started, self._connector, outgoing.operation, outcome)

    async def _attempt(self, outgoing: Outgoing, deadline: float) -> Reply:
        """One request on the wire, told to gate and recorder.

        A cancelled attempt is told to neither: it says nothing about the provider.
        """
        started = time.monotonic()
        tape = current_tape.get()
        take = tape.begin(outgoing, started) if tape is not None else None
        try:
            reply = await self._transfer(outgoing, started, deadline)
        except ConnectorError as error:
            if take is not None:
                take.end(None, error)
            await self._tell_gate(outgoing.operation, _outcome_of(error), {})
            self._record(outgoing, None, started, error)
            raise
        if take is not None:
            take.end(reply, None)
        await self._tell_gate(outgoing.operation, _outcome(reply), reply.headers)
        self._record(outgoing, reply, started, None)
        if reply.status == 429:
            raise rate_limited(reply)
        return reply

    async def _transfer(self, outgoing: Outgoing, started: float, deadline: float) -> Reply:
        remaining = deadline - started
        if remaining <= 0:  # the gate held it for so long
            raise NotSent(_NO_TIME, code="no_time_left", counts=False)
        transport = self._pool.transport(self._policy)
        # Head and address only: httpx would parse the whole address anew and write headers that aiohttp writes.
        request = httpx.Request(
            outgoing.method,
            outgoing.place,
            headers=outgoing.headers,
            stream=httpx.ByteStream(outgoing.content),
            extensions={
                "address": outgoing.address,
                "seconds": remaining,
                "connect_seconds": min(CONNECT_SECONDS, remaining / 2),
            },
        )
        dial = Dial(self._policy, outgoing.address.scheme, outgoing.address.raw_host or "")
        token = current_dial.set(dial)
        try:
            response = await transport.handle_async_request(request)
            return await self._read(response, outgoing, started)
        except ConnectorError:
            raise
        except Exception as error:  # by C14 anything unexpected after this point may follow an effect
            raise failure_for(error, dial=dial, effect=outgoing.effect, operation=outgoing.operation) from error
        finally:
            current_dial.reset(token)

    async def _read(self, response: httpx.Response, outgoing: Outgoing, started: float) -> Reply:
        headers = _plain_headers(response.headers.raw)
        body: Body = response.stream  # type: ignore[assignment]
        content: bytes | None = None
        try:
            coding = headers.get("content-encoding", "")
            if coding and coding.strip().lower() not in _CODINGS:
                raise unreadable(_reply(outgoing, response, headers), "an answer in a coding we did not ask for")
            limit = self._pool.largest_reply_bytes
            content = await (_decoded(response, limit) if coding else body.read(limit))
            if content is None:
                raise _too_large(_reply(outgoing, response, headers), limit)
        finally:
            body.end(whole=content is not None)
        return _reply(outgoing, response, headers, content, time.monotonic() - started)

    async def _tell_gate(self, operation: str, outcome: CallOutcome, headers: Mapping[str, str]) -> None:
        try:
            await self._gate.report(operation, outcome, headers)
        except Exception:  # the answer of a write must not be lost over its bookkeeping
            log.exception("gate_report_failed", extra={"operation": operation})

    def _record(self, outgoing: Outgoing, reply: Reply | None, started: float, error: Exception | None) -> None:
        if self._recorder is None:
            return
        try:
            self._recorder(exchange_of(outgoing, reply, time.monotonic() - started, error))
        except Exception:  # as above
            log.exception("exchange_recording_failed", extra={"operation": outgoing.operation})


def _reply(
    outgoing: Outgoing, response: httpx.Response, headers: dict[str, str], content: bytes = b"", seconds: float = 0.0
) -> Reply:
    return Reply(response.status_code, headers, content, outgoing.url, outgoing.operation, seconds, outgoing.effect)


def _plain_headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names in lower case; what comes several times is joined, as HTTP has it."""
    headers: dict[str, str] = {}
    for name_sent, value_sent in raw:
        name, value = name_sent.decode("latin-1").lower(), _text(value_sent)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _decoded(response: httpx.Response, limit: int) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _is_passing(reply: Reply) -> bool:
    """Worth another try at once; not where the provider names a time."""
    if "retry-after" in reply.headers:
        return False
    return reply.status in _PASSING_TROUBLE or (reply.status == 500 and not reply.is_soap_fault)


def _outcome_of(error: ConnectorError) -> CallOutcome:
    """Our own refusal of an address, and a call that got its turn or its connection too late, say nothing of others."""
    if isinstance(error, NeedsAttention) or (isinstance(error, NotSent) and not error.counts):
        return CallOutcome.NOT_MADE
    return CallOutcome.BROKEN


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
