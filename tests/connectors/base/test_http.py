"""The door's promises besides failures: one arrival, no cookies, exact numbers, limits, redirects, gate, records."""

from __future__ import annotations

import ast
import asyncio
import gzip
import importlib.util
import json
import logging
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from connectors.base.errors import NeedsAttention, NotSent, OutcomeUnknown, RateLimited, Rejected, Retryable
from connectors.base.gate import CallOutcome, OpenGate
from connectors.base.http import AddressPolicy, Effect, HttpPool, PlainHttp
from connectors.base.http_pool import _open_session
from tests.connectors.base import raw_server as faulty
from tests.connectors.base.doors import LOCAL, Memory, get, local_door, pool, post, run
from tests.connectors.base.raw_server import RawServer, answer

ROOT = Path(__file__).parents[3]


def test_httpx2_is_not_there_and_authlib_builds_on_our_httpx():
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    assert importlib.util.find_spec("httpx2") is None
    assert issubclass(AsyncOAuth2Client, httpx.AsyncClient)


def test_only_the_door_imports_the_http_libraries():
    guilty = set()
    for path in [
        path
        for room in ("connectors", "connections", "flows", "runs", "tenants")
        for path in (ROOT / room).rglob("*.py")
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] in ("httpx", "aiohttp", "httpx_aiohttp") for name in names):
                guilty.add(path.relative_to(ROOT).as_posix())
    doors = {f"connectors/base/{name}.py" for name in ("http", "http_failures", "http_pool", "http_request")}
    assert guilty == doors


def test_the_repeat_switch_of_aiohttp_still_exists_and_is_off():
    async def go():
        import aiohttp

        plain = aiohttp.ClientSession()
        ours = _open_session(httpx.create_ssl_context(trust_env=False))
        state = plain._retry_connection, ours._retry_connection, type(ours.cookie_jar), ours.trust_env
        await plain.close()
        await ours.close()
        return state, aiohttp.DummyCookieJar

    state, jar = run(go())
    assert state == (True, False, jar, False)


def test_no_cookie_ever_leaves_between_two_tenants_of_one_host():
    async def go():
        baked = answer("200 OK", b"{}", "Set-Cookie: session=of-tenant-a; Path=/", "Set-Cookie: b=2")
        async with RawServer(answers=[baked]) as server, pool() as shared:
            first, second = (shared.door(OpenGate(), LOCAL) for _ in range(2))
            for door in (first, second, first):
                await get(door, server.base)
                await post(door, server.base)
            return server.arrivals, list(shared.transport(LOCAL).client.cookie_jar)

    arrivals, kept = run(go())
    assert len(arrivals) == 6
    assert [arrival.headers for arrival in arrivals if "cookie" in arrival.headers] == []
    assert kept == []


def test_a_caller_cannot_send_cookies_either():
    async def go():
        async with local_door() as door:
            await get(door, "http://127.0.0.1:1/", headers={"Cookie": "a=b"})

    with pytest.raises(ValueError, match="cookies are off"):
        run(go())


def test_what_is_sent():
    async def go():
        async with RawServer() as server, local_door() as door:
            await post(door, server.base + "/a?x=1", json={"sum": Decimal("10.10")}, params={"y": "ü &"})
            await post(door, server.base, json=None, form={"a": "1 2", "b": ["x", "y"]})
            await post(
                door, server.base, json=None, content=b"<a/>", headers={"Content-Type": "text/xml", "SOAPAction": "q"}
            )
            await get(door, server.base)
            return server.arrivals

    first, second, third, fourth = run(go())
    assert first.target == "/a?x=1&y=%C3%BC+%26"
    assert first.body == b'{"sum":10.10}'
    assert first.headers["content-type"] == "application/json"
    assert second.body == b"a=1+2&b=x&b=y"
    assert (third.headers["content-type"], third.headers["soapaction"], third.body) == ("text/xml", "q", b"<a/>")
    assert "content-type" not in fourth.headers
    assert fourth.headers["user-agent"].startswith("Causeway/")


def test_numbers_come_in_exactly_and_other_things_are_classified():
    async def go(body, call):
        async with RawServer(answers=[answer("200 OK", body)]) as server, local_door() as door:
            return await call(door, server.base)

    assert run(go(b'{"a": 0.1, "b": 3}', get)).json() == {"a": Decimal("0.1"), "b": 3}
    for body in (b"<html>", b"", b'{"a": NaN}', b"[" * 100_000, b"9" * 5000, b"\xff"):
        with pytest.raises(Retryable):
            run(go(body, get)).json()
        with pytest.raises(OutcomeUnknown):
            run(go(body, post)).json()


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["Retry-After: 7"], 7),
        (["Retry-After: 1.5"], 1.5),
        (["Retry-After: 99999999999999999"], 3600),
        (["Retry-After: " + "9" * 400], 3600),
        (["Retry-After: -5"], None),
        (["Retry-After: soon"], None),
        (["Retry-After: nan"], None),
        ([], None),
        (["Date: Wed, 21 Oct 2026 07:28:00 GMT", "Retry-After: Wed, 21 Oct 2026 07:28:40 GMT"], 40),
        (["Date: Wed, 21 Oct 2026 07:28:00 GMT", "Retry-After: Wed, 21 Oct 2026 07:00:00 GMT"], 0),
        (["Retry-After: Wed, 21 Oct 2099 07:28:00 GMT"], 3600),
    ],
)
@pytest.mark.parametrize("call", [get, post])
def test_rate_limited(lines, seconds, call):
    async def go():
        gate = Memory()
        async with RawServer(answers=[answer("429 Slow", b"", *lines)]) as server, local_door(gate) as door:
            with pytest.raises(RateLimited) as caught:
                await call(door, server.base)
            return caught.value.after_seconds, len(server.arrivals), gate.reported

    assert run(go()) == (seconds, 1, [CallOutcome.THROTTLED])


def test_a_closed_gate_sends_nothing_and_is_not_repeated():
    class Closed(Memory):
        async def enter(self, operation):
            await super().enter(operation)
            raise NotSent("circuit open", after_seconds=5, counts=False)

    async def go():
        gate = Closed()
        async with RawServer() as server, local_door(gate) as door:
            with pytest.raises(NotSent) as caught:
                await get(door, server.base)
            return caught.value.counts, len(server.arrivals), len(gate.entered), gate.reported

    assert run(go()) == (False, 0, 1, [])


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (answer("404 Not", b"{}"), CallOutcome.OK),
        (answer("500 Oh", b"{}"), CallOutcome.BROKEN),
        (answer("500 Oh", b"<s:Fault></s:Fault>", "Content-Type: text/xml"), CallOutcome.OK),
        (answer("200 OK", b"<html>", "Content-Type: text/html"), CallOutcome.BROKEN),
    ],
)
def test_what_the_gate_hears(reply, outcome):
    async def go():
        gate = Memory()
        async with RawServer(answers=[reply]) as server, local_door(gate) as door:
            await post(door, server.base)
            return gate.reported

    assert run(go()) == [outcome]


def test_bookkeeping_that_fails_does_not_lose_the_answer_of_a_write():
    class Broken(OpenGate):
        async def report(self, operation, outcome, headers):
            raise RuntimeError("gate")

    def recorder(exchange):
        raise RuntimeError("recorder")

    async def go():
        async with RawServer() as server, local_door(Broken(), recorder) as door:
            return await post(door, server.base)

    assert run(go()).status == 200


def test_too_large_an_answer():
    async def go(body, call, *lines):
        sent = [answer("200 OK", body, *lines)]
        async with RawServer(answers=sent) as server, local_door(largest_reply_bytes=10_000) as door:
            return await call(door, server.base)

    bomb = gzip.compress(b"0" * 5_000_000)
    assert len(bomb) < 10_000
    for body, lines in ((b"0" * 10_001, ()), (bomb, ("Content-Encoding: gzip",))):
        with pytest.raises(Rejected):
            run(go(body, get, *lines))
        with pytest.raises(OutcomeUnknown):
            run(go(body, post, *lines))
    assert len(run(go(b"0" * 10_000, get)).content) == 10_000
    assert run(go(gzip.compress(b"[1]"), get, "Content-Encoding: gzip")).json() == [1]


def moved(to: str, status: str = "302 Found") -> bytes:
    return answer(status, b"", f"Location: {to}")


def test_a_read_follows_three_redirects_and_no_more():
    async def go(count):
        hops = [moved(f"/{number}") for number in range(count)]
        gate = Memory()
        async with RawServer(answers=[*hops, faulty.OK]) as server, local_door(gate) as door:
            reply = await get(door, server.base, headers={"Authorization": "mine"})
            assert all(arrival.headers["authorization"] == "mine" for arrival in server.arrivals)
            assert len(gate.entered) == len(server.arrivals)
            return reply.status, reply.url.removeprefix(server.base), len(server.arrivals)

    assert run(go(3)) == (200, "/2", 4)
    assert run(go(4)) == (302, "/2", 4)


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
@pytest.mark.parametrize(("method", "effect"), [("POST", Effect.WRITE), ("GET", Effect.WRITE), ("POST", Effect.READ)])
def test_no_other_call_is_redirected(status, method, effect):
    async def go():
        async with RawServer(answers=[moved("/other", status)]) as server, local_door() as door:
            reply = await door.call(method, server.base, operation="o", effect=effect)
            return reply.status, len(server.arrivals)

    assert run(go()) == (int(status[:3]), 1)


def test_a_redirect_to_another_host_takes_no_secret_along():
    async def go():
        async with RawServer() as other, RawServer(answers=[moved(other.base + "/x")]) as server, local_door() as door:
            await get(door, server.base, headers={"Authorization": "mine", "X-Api": "k", "Accept": "text/a"})
            return other.arrivals[0].headers

    headers = run(go())
    assert "authorization" not in headers and "x-api" not in headers
    assert headers["accept"] == "text/a"


def test_each_hop_of_a_redirect_is_checked():
    async def go():
        async with RawServer() as inner, RawServer(answers=[moved(inner.base)]) as server, pool() as shared:
            door = shared.door(OpenGate(), AddressPolicy(allow={f"127.0.0.1:{server.port}"}))
            with pytest.raises(NeedsAttention) as caught:
                await get(door, server.base)
            return caught.value, inner.connections

    error, connections = run(go())
    assert (error.code, connections) == ("address_refused", 0)


def test_encryption_is_not_given_up_by_a_redirect():
    from connectors.base.http_request import prepare, redirected
    from connectors.base.reply import Reply

    def onward(source, target):
        policy = AddressPolicy(plain_http=PlainHttp.ANYWHERE)
        outgoing = prepare(
            "GET", source, operation="o", effect=Effect.READ, policy=policy,
            headers={"Authorization": "mine"}, params=None, content=None, json=None, form=None,
        )  # fmt: skip
        onward = redirected(outgoing, Reply(302, {"location": target}, b"", source, "o", 0.0))
        return onward and (str(onward.url), "authorization" in onward.headers)

    assert onward("https://a.example/", "http://a.example/x") is None
    assert onward("http://a.example/", "https://a.example/x") == ("https://a.example/x", True)
    assert onward("http://a.example/", "https://b.example/x") == ("https://b.example/x", False)
    assert onward("https://a.example/", "https://a.example:444/x") == ("https://a.example:444/x", False)
    assert onward("https://a.example/", "ftp://a.example/x") is None
    assert onward("https://a.example/", "https://u:p@a.example/x") is None


def test_a_connection_opened_under_one_policy_serves_no_other():
    async def go():
        async with RawServer() as server, pool() as shared:
            allowed, stranger = shared.door(OpenGate(), LOCAL), shared.door(OpenGate())
            await get(allowed, server.base)
            with pytest.raises(NeedsAttention):
                await get(stranger, server.base)
            twin = shared.door(OpenGate(), AddressPolicy(allow=["::1", "127.0.0.0/8"]))
            await get(twin, server.base)
            return len(server.arrivals), server.connections

    assert run(go()) == (2, 1)


def test_a_pool_belongs_to_one_loop_until_it_is_closed():
    shared = HttpPool()

    async def use(close):
        async with RawServer() as server:
            await get(shared.door(OpenGate(), LOCAL), server.base)
            if close:
                await shared.close()

    run(use(close=True))
    run(use(close=True))

    async def leave():
        shared.transport(LOCAL)

    run(leave())
    with pytest.raises(RuntimeError, match="one event loop"):
        run(use(close=False))


def test_exchanges_are_recorded_without_secrets(caplog):
    caplog.set_level(logging.DEBUG)
    seen = []

    async def go():
        said = json.dumps({"access_token": "tok-from-server", "echo": "you sent s3cret-header", "n": 1}).encode()
        good = answer("200 OK", said, "X-Request-Id: r-1", "Set-Cookie: s=cookie-secret")
        async with RawServer(answers=[good]) as server, local_door(recorder=seen.append) as door:
            reply = await door.call(
                "POST",
                server.base + "/in?api_key=s3cret-query",
                operation="log_in",
                effect=Effect.READ,
                headers={"Authorization": "Bearer s3cret-header"},
                json={"user": "ann@example.com", "password": "s3cret-body"},
            )
            server.fault = faulty.reset
            with pytest.raises(Retryable):
                await get(door, server.base + "/in?api_key=s3cret-query", timeout_seconds=0.2)
            return reply

    reply = run(go())
    assert reply.request_id == "r-1"
    assert "tok-from-server" not in repr(reply)
    first, last = seen[0], seen[-1]
    assert (first.operation, first.status, first.request_id, first.error) == ("log_in", 200, "r-1", "")
    assert "ann@example.com" in first.request_body and '"n":1' in first.reply_body
    assert last.status is None and last.error
    shown = repr(seen) + caplog.text
    for secret in ("s3cret-header", "s3cret-query", "s3cret-body", "tok-from-server", "cookie-secret"):
        assert secret not in shown


def test_many_calls_at_once_share_connections():
    async def go():
        async with RawServer() as server, local_door() as door:
            await asyncio.gather(*(get(door, f"{server.base}/{number}") for number in range(300)))
            return len(server.arrivals), server.connections

    arrivals, connections = run(go())
    assert arrivals == 300
    assert connections <= 128
