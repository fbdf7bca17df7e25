"""The tape: which calls an attempt made last, also one that never came back; secrets leave it never."""

import asyncio
import json

import pytest

from connectors.base.errors import OutcomeUnknown
from connectors.base.tape import KEPT_BYTES, MOST_KEPT, Tape, current_tape
from tests.connectors.base import raw_server as faulty
from tests.connectors.base.doors import get, local_door, post, run
from tests.connectors.base.raw_server import RawServer, answer


async def taped(work):
    """``work(door, server)`` with a tape of its own, as a task like an attempt; returns the tape."""
    tape = Tape()

    async def attempt(door, server):
        current_tape.set(tape)
        await work(door, server)

    async with RawServer() as server, local_door() as door:
        await asyncio.create_task(attempt(door, server))
    return tape


def test_the_latest_calls_are_kept_in_order():
    async def work(door, server):
        for number in range(MOST_KEPT + 3):
            await get(door, f"{server.base}/{number}")

    tape = run(taped(work))
    assert [take.shown().url.rpartition("/")[2] for take in tape.takes] == [str(n) for n in range(3, MOST_KEPT + 3)]
    assert {take.shown().status for take in tape.takes} == {200}


def test_a_call_without_an_answer_is_there_with_its_request():
    async def work(door, server):
        server.fault = faulty.reset
        with pytest.raises(OutcomeUnknown):
            await post(door, server.base + "/make", json={"total": 12})

    (take,) = run(taped(work)).takes
    shown = take.shown()
    assert (shown.status, shown.request_body) == (None, '{"total":12}') and shown.error


def test_a_call_that_was_ended_from_outside_is_there_with_its_request():
    """A write is ended when half of its lease is over: what was sent is what a person asks for then."""

    async def work(door, server):
        server.fault = faulty.hang
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await post(door, server.base + "/make", json={"total": 12})

    (take,) = run(taped(work)).takes
    shown = take.shown()
    assert (shown.status, shown.request_body) == (None, '{"total":12}') and shown.seconds >= 0.1


def test_nothing_is_kept_where_nobody_asked_for_it():
    async def go():
        async with RawServer() as server, local_door() as door:
            await get(door, server.base)
        return current_tape.get()

    assert run(go()) is None


def test_secrets_are_not_shown():
    async def work(door, server):
        server.answers = [
            answer("401 X", json.dumps({"token": "t0p-secret-1", "said": "no Bearer abc-s3cret"}).encode())
        ]
        await get(door, server.base + "/?api_key=qu3ry-secret", headers={"Authorization": "Bearer abc-s3cret"})

    (take,) = run(taped(work)).takes
    shown = repr(take.shown())
    assert "said" in shown
    for secret in ("t0p-secret-1", "abc-s3cret", "qu3ry-secret"):
        assert secret not in shown


def test_of_a_large_answer_the_beginning_is_kept():
    async def work(door, server):
        server.answers = [answer("200 OK", b"x" * (KEPT_BYTES + 5000))]
        reply = await get(door, server.base)
        assert len(reply.content) == KEPT_BYTES + 5000, "whoever asked gets all of it"

    (take,) = run(taped(work)).takes
    assert len(take.reply.content) == KEPT_BYTES
