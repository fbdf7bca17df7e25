"""What each kind of fault does to a call.

A kind is an async function of ``FaultedCall`` that answers, and decides whether and when the call is carried out.
Several rules that hit one call are nested in their order, the first outermost.
"""

import asyncio
import html
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.common.faults import FaultRule
from sandbox.common.visibility import lag_of_this_call

if TYPE_CHECKING:
    from sandbox.common.standin import StandIn

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 600.0
"""A client that never gives up is cut after this long."""


@dataclass(frozen=True)
class FaultedCall:
    """``carry_out`` does what the call asks and returns the answer it would have had."""

    standin: "StandIn"
    request: web.Request
    operation: str
    rule: FaultRule
    carry_out: Callable[[], Awaitable[web.StreamResponse]]


FaultKind = Callable[[FaultedCall], Awaitable[web.StreamResponse]]


def cut(request: web.Request, *, reset: bool = False) -> web.Response:
    """Drop the connection now. The returned response only satisfies the server; nothing of it is sent."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if reset and sock is not None:
            # Linger 0 makes close send RST; without it the client sees an orderly end of stream.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def client_leaves(request: web.Request, *, at_most: float) -> None:
    """Wait until the client has hung up, but no longer than ``at_most`` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + at_most
    # aiohttp has no event for this without cancelling the handler, hence the short steps.
    while loop.time() < deadline and request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(min(0.05, max(0.0, deadline - loop.time())))


async def latency(call: FaultedCall) -> web.StreamResponse:
    """Answers ``seconds`` later than usual."""
    await asyncio.sleep(call.rule.seconds)
    return await call.carry_out()


async def status(call: FaultedCall) -> web.StreamResponse:
    """Nothing done; ``status`` (503) in the system's own style."""
    return _with_retry_after(call, _error(call, call.rule.status or 503))


async def rate_limit(call: FaultedCall) -> web.StreamResponse:
    """Nothing done; 429 in the system's own style, with ``Retry-After`` when the rule has one."""
    return _with_retry_after(call, _error(call, call.rule.status or 429))


async def html_error(call: FaultedCall) -> web.StreamResponse:
    """Nothing done; an HTML page such as a proxy in front of the system sends, with ``status`` (500)."""
    code = call.rule.status or 500
    title = html.escape(call.rule.text or "Service Unavailable")
    body = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return _with_retry_after(call, web.Response(status=code, text=body, content_type="text/html"))


async def cut_before(call: FaultedCall) -> web.StreamResponse:
    """Nothing done; connection dropped."""
    # The request is taken in whole, otherwise a client may meet the cut while still sending, and see another error.
    await call.request.read()
    return cut(call.request, reset=call.rule.reset)


async def cut_after(call: FaultedCall) -> web.StreamResponse:
    """Done; connection dropped without an answer."""
    await call.carry_out()
    return cut(call.request, reset=call.rule.reset)


async def half_answer(call: FaultedCall) -> web.StreamResponse:
    """Done; headers and half of the body are sent, then the connection ends."""
    answer = await call.carry_out()
    transport = call.request.transport
    if transport is None:
        return web.Response()
    body = _body_of(answer)
    head = f"HTTP/1.1 {answer.status} {answer.reason}\r\nContent-Type: {answer.headers.get('Content-Type', '')}\r\n"
    transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
    # close() flushes what was written; abort() could drop it and turn this fault into cut_after.
    transport.close()
    return web.Response()


async def truncated(call: FaultedCall) -> web.StreamResponse:
    """Done; a complete HTTP answer whose body stops in the middle (broken XML or JSON)."""
    answer = await call.carry_out()
    body = _body_of(answer)
    content_type = answer.headers.get("Content-Type", "text/plain")
    return web.Response(status=answer.status, body=body[: len(body) // 2], headers={"Content-Type": content_type})


async def late_landing(call: FaultedCall) -> web.StreamResponse:
    """No answer, at once or (``hang``) as long as the client waits; the write takes effect ``seconds`` later."""
    await call.request.read()
    call.standin.later(call.rule.seconds, call.carry_out)
    if call.rule.hang:
        await client_leaves(call.request, at_most=LONGEST_WAIT_SECONDS)
    return cut(call.request, reset=call.rule.reset)


async def unreadable(call: FaultedCall) -> web.StreamResponse:
    """Done; but readers see the new state only ``seconds`` later. With ``cut`` the answer is lost too."""
    token = lag_of_this_call.set(call.rule.seconds)
    try:
        answer = await call.carry_out()
    finally:
        lag_of_this_call.reset(token)
    return cut(call.request, reset=call.rule.reset) if call.rule.cut else answer


async def hang(call: FaultedCall) -> web.StreamResponse:
    """Nothing done; no answer for ``seconds``, then the connection is dropped."""
    await client_leaves(call.request, at_most=call.rule.seconds)
    return cut(call.request, reset=call.rule.reset)


KINDS: Mapping[str, FaultKind] = {
    "cut_after": cut_after,
    "cut_before": cut_before,
    "half_answer": half_answer,
    "hang": hang,
    "html_error": html_error,
    "late_landing": late_landing,
    "latency": latency,
    "rate_limit": rate_limit,
    "status": status,
    "truncated": truncated,
    "unreadable": unreadable,
}
"""Kinds every stand-in knows; one adds its own in ``StandIn.fault_kinds``."""


def _error(call: FaultedCall, code: int) -> web.StreamResponse:
    return call.standin.error_answer(call.request, code, call.rule.text)


def _with_retry_after(call: FaultedCall, answer: web.StreamResponse) -> web.StreamResponse:
    if call.rule.retry_after is not None:
        answer.headers["Retry-After"] = str(call.rule.retry_after)
    return answer


def _body_of(answer: web.StreamResponse) -> bytes:
    body = answer.body if isinstance(answer, web.Response) else b""
    return bytes(body) if isinstance(body, bytes | bytearray) else b""
