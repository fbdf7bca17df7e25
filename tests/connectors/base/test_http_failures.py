"""Rules C14 and C15: every way a call can fail, on a fresh and on a reused connection: its class and its arrivals."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.base.errors import ConnectorError, NotSent, OutcomeUnknown, Retryable
from connectors.base.gate import CallOutcome
from connectors.base.http import Effect
from connectors.base.sending import before_sending, calls_end_at
from tests.connectors.base import raw_server as faulty
from tests.connectors.base.doors import LOCAL, Memory, get, local_door, pool, post, run
from tests.connectors.base.raw_server import RawServer

TWICE = gzip.compress(gzip.compress(b"{}"))
AFTER_SENDING = {
    "cut before reading": faulty.cut_unread,
    "cut after reading": faulty.cut_after_reading,
    "reset": faulty.reset,
    "half a head": faulty.half_head,
    "half an answer": faulty.half_answer,
    "truncated chunks": faulty.truncated_chunks,
    "garbage status line": faulty.garbage,
    "stacked codings": faulty.sends(
        faulty.answer("200 OK", TWICE, "Content-Encoding: gzip, gzip", "Connection: close")
    ),
    "broken coding": faulty.sends(faulty.answer("200 OK", b"xx", "Content-Encoding: gzip", "Connection: close")),
}
CALLS = [
    ("GET", Effect.READ),
    ("POST", Effect.READ),
    ("GET", Effect.WRITE),
    ("PUT", Effect.WRITE),
    ("DELETE", Effect.WRITE),
    ("POST", Effect.WRITE),
]


async def fail(server: RawServer, fault, method: str, effect: Effect, *, reused: bool, **more) -> tuple:
    """The error raised, the number of requests that met the fault, and the gate."""
    gate = Memory()
    async with local_door(gate) as door:
        if reused:
            await get(door, server.base)
        before, server.fault = len(server.arrivals), fault
        body = {"json": {"a": 1}} if method in ("POST", "PUT") else {}
        with pytest.raises(ConnectorError) as caught:
            await door.call(method, f"{server.base}/x?key=abc", operation="o", effect=effect, **body, **more)
        met = server.arrivals[before:]
        if reused and met:
            assert met[0].connection == server.arrivals[0].connection, "the connection was to be reused"
    return caught.value, len(met), gate


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize(("method", "effect"), CALLS)
@pytest.mark.parametrize("name", AFTER_SENDING)
def test_after_sending(name, method, effect, reused):
    async def go():
        async with RawServer() as server:
            return await fail(server, AFTER_SENDING[name], method, effect, reused=reused)

    error, arrivals, gate = run(go())
    assert type(error) is (Retryable if effect is Effect.READ else OutcomeUnknown), error.operator_text
    assert arrivals == (3 if effect is Effect.READ else 1)
    assert gate.reported.count(CallOutcome.BROKEN) == arrivals
    assert "abc" not in error.operator_text


@pytest.mark.parametrize(("method", "effect"), CALLS)
def test_cut_right_after_accepting(method, effect):
    async def go():
        async with RawServer() as server:
            error, _, _ = await fail(server, faulty.cut_at_once, method, effect, reused=False)
            return error, server.connections

    error, connections = run(go())
    assert type(error) is (Retryable if effect is Effect.READ else OutcomeUnknown)
    assert connections == (3 if effect is Effect.READ else 1)


@pytest.mark.parametrize("fault", [faulty.hang, faulty.trickle])
@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize(("method", "effect"), CALLS)
def test_no_end(fault, method, effect, reused):
    """The call's time is up after one attempt; bytes that trickle in do not prolong it."""

    async def go():
        async with RawServer() as server:
            return await fail(server, fault, method, effect, reused=reused, timeout_seconds=0.25)

    error, arrivals, _ = run(go())
    assert type(error) is (Retryable if effect is Effect.READ else OutcomeUnknown)
    assert arrivals == 1


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize(("method", "effect"), CALLS)
def test_refused(method, effect, reused):
    async def go():
        gate = Memory()
        async with RawServer() as server, local_door(gate) as door:
            if reused:
                await get(door, server.base)
            await server.close_idle()
            await server.shut()
            with pytest.raises(NotSent) as caught:
                await door.call(method, server.base, operation="o", effect=effect)
            return caught.value, len(server.arrivals), gate

    error, arrivals, gate = run(go())
    assert error.code == "unreachable"
    assert arrivals == (1 if reused else 0)
    assert gate.reported.count(CallOutcome.BROKEN) == (3 if effect is Effect.READ else 1)


@pytest.mark.parametrize("effect", list(Effect))
def test_connect_time_out(effect):
    """A full backlog drops the handshake: certainly not sent."""

    async def go():
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            gate = Memory()
            async with local_door(gate) as door:
                url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
                with pytest.raises(NotSent) as caught:
                    await door.call("POST", url, operation="o", effect=effect, timeout_seconds=0.5)
            for filler in fillers:
                filler.close()
            return caught.value, set(gate.reported)

    error, reported = run(go())
    assert (error.code, reported) == ("connect_timeout", {CallOutcome.BROKEN})


@pytest.mark.parametrize("effect", list(Effect))
def test_a_call_held_at_the_gate_past_its_time_says_nothing_of_the_provider(effect):
    class Slow(Memory):
        async def enter(self, operation):
            await asyncio.sleep(0.05)

    async def go():
        gate = Slow()
        async with RawServer() as server, local_door(gate) as door:
            with pytest.raises(NotSent) as caught:
                await door.call("POST", server.base, operation="o", effect=effect, timeout_seconds=0.02)
            return caught.value, len(server.arrivals), gate.reported

    error, arrivals, reported = run(go())
    assert (error.code, error.counts, arrivals) == ("no_time_left", False, 0)
    assert reported == [CallOutcome.NOT_MADE]


def test_a_call_whose_write_has_used_up_its_time_is_a_failure_of_the_attempt_and_asks_nobody():
    async def go():
        gate = Memory()
        async with RawServer() as server, local_door(gate) as door:
            ending = calls_end_at.set(time.monotonic())
            try:
                with pytest.raises(NotSent) as caught:
                    await post(door, server.base)
            finally:
                calls_end_at.reset(ending)
            return caught.value, len(server.arrivals), gate.entered

    error, arrivals, entered = run(go())
    assert (error.code, error.counts, arrivals, entered) == ("no_time_left", True, 0, [])


@pytest.mark.parametrize("effect", list(Effect))
def test_a_wait_for_a_place_in_our_own_pool_says_nothing_of_the_provider(effect):
    async def go():
        gate = Memory()
        async with RawServer(fault=faulty.hang) as server, pool() as opened:
            door = opened.door(gate, LOCAL)
            opened.transport(LOCAL).client.connector._limit_per_host = 1
            first = asyncio.create_task(get(door, server.base))
            await faulty.until(lambda: server.arrivals)
            with pytest.raises(NotSent) as caught:
                await door.call("POST", server.base, operation="o", effect=effect, timeout_seconds=0.1)
            first.cancel()
            return caught.value, len(server.arrivals), set(gate.reported)

    error, arrivals, reported = run(go())
    assert (error.code, error.counts, arrivals) == ("no_free_connection", False, 1)
    assert reported == {CallOutcome.NOT_MADE}


@pytest.mark.parametrize("effect", list(Effect))
def test_unknown_name(effect):
    async def go():
        async with local_door() as door:
            with pytest.raises(NotSent) as caught:
                await door.call("POST", "https://nowhere.invalid/", operation="o", effect=effect)
            return caught.value

    assert run(go()).code == "dns_failed"


@pytest.mark.parametrize("effect", list(Effect))
def test_a_certificate_nobody_vouches_for(effect, tmp_path):
    async def go():
        served = []

        async def serve(reader, writer):
            served.append(await reader.read(1))

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self_signed(tmp_path))
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server, local_door() as door:
            with pytest.raises(NotSent) as caught:
                await door.call("POST", url, operation="o", effect=effect)
        return caught.value, served

    error, served = run(go())
    assert (error.code, served) == ("tls_failed", [])


@pytest.mark.parametrize("effect", list(Effect))
def test_a_connection_that_ends_in_the_handshake(effect):
    async def go():
        async with RawServer(fault=faulty.cut_at_once) as server, local_door() as door:
            with pytest.raises(NotSent) as caught:
                await door.call("POST", server.base.replace("http", "https"), operation="o", effect=effect)
            return caught.value

    assert run(go()).code == "unreachable"


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(certificate.public_bytes(pem) + private)
    return folder / "both.pem"


def test_a_read_recovers_in_place():
    async def go():
        bad = [faulty.answer("503 Busy"), faulty.answer("500 Oh", b"<html>oh</html>", "Content-Type: text/html")]
        gate = Memory()
        async with RawServer(answers=[*bad, faulty.OK]) as server, local_door(gate) as door:
            return await get(door, server.base), len(server.arrivals), gate

    reply, arrivals, gate = run(go())
    assert (reply.status, arrivals, len(gate.entered)) == (200, 3, 3)
    assert gate.reported == [CallOutcome.BROKEN, CallOutcome.BROKEN, CallOutcome.OK]


def test_passing_trouble_is_returned_at_last_and_never_repeated_for_a_write():
    async def go(effect):
        async with RawServer(answers=[faulty.answer("502 Bad")]) as server, local_door() as door:
            reply = await door.call("GET", server.base, operation="o", effect=effect)
            return reply.status, len(server.arrivals)

    assert run(go(Effect.READ)) == (502, 3)
    assert run(go(Effect.WRITE)) == (502, 1)


def test_a_named_time_is_honoured_instead_of_repeating():
    async def go():
        busy = faulty.answer("503 Busy", b"", "Retry-After: 30")
        async with RawServer(answers=[busy]) as server, local_door() as door:
            await get(door, server.base)
            return len(server.arrivals)

    assert run(go()) == 1


def test_an_idle_connection_that_was_closed_is_not_used():
    async def go():
        async with RawServer() as server, local_door() as door:
            await get(door, server.base)
            await server.close_idle()
            reply = await door.call("POST", server.base, operation="o", effect=Effect.WRITE)
            return reply.status, [arrival.connection for arrival in server.arrivals]

    assert run(go()) == (200, [1, 2])


def test_a_cancelled_call_leaves_nothing_behind():
    """Its connection is not given to the next call, and the gate hears nothing of it."""

    async def go():
        gate = Memory()
        async with RawServer(fault=faulty.half_answer) as server, local_door(gate) as door:
            server.fault = faulty.hang
            task = asyncio.create_task(get(door, server.base))
            await faulty.until(lambda: server.arrivals)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            server.fault = None
            reply = await get(door, server.base)
            return reply.json(), [arrival.connection for arrival in server.arrivals], gate.reported

    assert run(go()) == ({"ok": True}, [1, 2], [CallOutcome.OK])


class _TooLate(BaseException):
    """As a lost lease is: nothing on the way may swallow it."""


@pytest.mark.parametrize("reused", [False, True])
def test_asked_at_the_socket_and_refused_nothing_is_sent(reused):
    async def go():
        async with RawServer() as server, local_door(Memory()) as door:
            if reused:
                await get(door, server.base)
            before = len(server.arrivals)
            token = before_sending.set(_refuse)
            try:
                with pytest.raises(_TooLate):
                    await door.call("POST", f"{server.base}/x", operation="o", effect=Effect.WRITE, json={"a": 1})
            finally:
                before_sending.reset(token)
            await get(door, server.base)  # whatever had been sent would have come before this
            return server.arrivals[before:]

    (met,) = run(go())
    assert met.head.startswith("GET")


def _refuse():
    raise _TooLate
