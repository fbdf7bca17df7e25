"""One effect, once: every strategy, for a clean first attempt, a possible repeat, and an unknown outcome (C1 to C5)."""

from __future__ import annotations

import asyncio
import math
import time
from decimal import Decimal
from typing import Any

import pytest
from engine_fakes import WRITES, MemoryHost, Note, NoteRef, World, flow_of, run, state_of
from hypothesis import given
from hypothesis import strategies as st

from connectors.base.actions import ActionContext, Verdict
from connectors.base.errors import (
    ConnectorError,
    Held,
    MappingFailed,
    NeedsAttention,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Retryable,
)
from connectors.base.gate import CallOutcome
from connectors.base.sending import before_sending, calls_end_at
from flows.engine.compile import flow_compile
from flows.engine.effects import effect_key, key_target
from flows.engine.ports import LeaseLost
from flows.engine.walker import walk
from tests.connectors.base import raw_server
from tests.connectors.base.doors import Memory, local_door, post
from tests.connectors.base.raw_server import RawServer


def writing(operation: str, qualifier: str | None = "'invoice'", reference: str = "R1", **more: Any) -> dict[str, Any]:
    step: dict[str, Any] = {
        "id": "note",
        "kind": "action",
        "role": "ledger",
        "operation": operation,
        "input": {"fields": [{"target": "reference", "value": reference}, {"target": "amount", "value": "5.00"}]},
        **more,
    }
    if qualifier is not None:
        step["effect"] = {"qualifier": qualifier}
    return step


STRATEGIES = list(WRITES)


@pytest.mark.parametrize("operation", STRATEGIES)
def test_clean_first_attempt_writes_without_looking(operation: str) -> None:
    host = MemoryHost()
    result = run(flow_of(writing(operation)), host)
    assert host.world.calls == ["write R1"]
    assert result.outputs["test-flow.note"]["how"] == "written"
    assert host.journal.sent and not host.journal.open
    assert host.lease.asked == [30.0]


@pytest.mark.parametrize("operation", STRATEGIES)
def test_remembered_effect_sends_nothing(operation: str) -> None:
    host = MemoryHost()
    run(flow_of(writing(operation)), host)
    again = host.again(may_be_a_repeat=True)
    result = run(flow_of(writing(operation)), again)
    assert host.world.calls == ["write R1"]
    assert result.outputs["test-flow.note"]["how"] == "remembered"
    assert result.outputs["test-flow.note"]["external_id"] == "n1"


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("look_first", ["find R1"]),
        ("natural_key", ["write R1"]),
        ("native_key", ["write R1"]),
        ("absolute", ["write R1"]),
    ],
)
def test_possible_repeat_looks_only_where_looking_is_the_strategy(operation: str, expected: list[str]) -> None:
    """The first attempt's write landed and its link was lost: the second attempt must not double it."""
    host = MemoryHost(World(written=[Note(reference="R1", amount=Decimal("5.00"))]), may_be_a_repeat=True)
    result = run(flow_of(writing(operation)), host)
    assert host.world.calls == expected
    how = result.outputs["test-flow.note"]["how"]
    assert how == ("adopted" if operation == "look_first" else "written")
    assert len(host.links.known) == 1


def test_possible_repeat_that_finds_nothing_writes() -> None:
    host = MemoryHost(may_be_a_repeat=True)
    run(flow_of(writing("look_first")), host)
    assert host.world.calls == ["find R1", "write R1"]


@pytest.mark.parametrize("operation", STRATEGIES)
def test_unknown_outcome_stays_open_and_ends_the_walk(operation: str) -> None:
    host = MemoryHost(World(fail_next_write=OutcomeUnknown("cut")))
    second = writing("natural_key", "'other'", "R2") | {"id": "second"}
    with pytest.raises(OutcomeUnknown):
        run(flow_of(writing(operation), second), host)
    assert list(host.journal.open.values()) == [5.0]
    assert host.world.calls == ["write R1"]
    assert not host.links.known


def test_nothing_runs_after_an_unknown_outcome_even_in_a_loop_that_continues() -> None:
    host = MemoryHost(World(fails_for={"R1": OutcomeUnknown("cut")}))
    with pytest.raises(OutcomeUnknown):
        run(loop("continue"), host, {"refs": ["R1", "R2"]})
    assert host.world.calls == ["write R1"]


def loop(on_item_failure: str) -> dict[str, Any]:
    step = {
        "id": "note",
        "kind": "action",
        "title": "Write",
        "role": "ledger",
        "operation": "look_first",
        "input": {"fields": [{"target": "reference", "source": "ref"}]},
        "effect": {"qualifier": "'payment:' + ref"},
    }
    return flow_of(
        {
            "id": "each",
            "kind": "for_each",
            "items": "event.refs",
            "item": "ref",
            "item_key": "ref",
            "on_item_failure": on_item_failure,
            "steps": [step],
        }
    )


@pytest.mark.parametrize(
    "error",
    [Retryable("x"), NotSent("x"), RateLimited("x"), Rejected("x"), NeedsAttention("x"), MappingFailed("x"), Held("x")],
)
def test_known_refusal_settles_what_was_sent(error: ConnectorError) -> None:
    host = MemoryHost(World(fail_next_write=error))
    with pytest.raises(type(error)) as caught:
        run(flow_of(writing("look_first")), host)
    assert host.journal.sent and not host.journal.open
    assert caught.value.details["step"] == "test-flow.note"


def test_a_bug_leaves_the_outcome_open() -> None:
    host = MemoryHost(World(fail_next_write=RuntimeError("a bug after the answer")))
    with pytest.raises(RuntimeError):
        run(flow_of(writing("look_first")), host)
    assert host.journal.open
    assert host.journal.steps[-1].error == {"class": "RuntimeError", "operator_text": "a bug after the answer"}


def test_lost_lease_stops_before_anything_is_sent() -> None:
    host = MemoryHost()
    host.lease.lost = LeaseLost()
    with pytest.raises(LeaseLost):
        run(flow_of(writing("look_first")), host)
    assert not host.journal.sent and not host.world.calls


def test_the_lease_is_asked_once_more_at_the_socket() -> None:
    host = MemoryHost()
    host.world.at_the_socket = lambda: before_sending.get()()

    def stopped_since_then(seconds: float) -> None:
        host.lease.asked.append(seconds)
        if len(host.lease.asked) > 1:
            raise LeaseLost

    host.lease.ensure = stopped_since_then
    with pytest.raises(LeaseLost):
        run(flow_of(writing("look_first")), host)
    assert host.lease.asked == [30.0, 0.0] and not host.world.written and host.journal.sent, "its outcome stays open"
    assert before_sending.get() is None


class ViaHttp(WRITES["look_first"]):
    """Its write is a call through a real door, which is the world here."""

    async def write(self, ctx: ActionContext, data: Note) -> NoteRef:
        await ctx.client(json={"reference": data.reference})
        raise AssertionError("nobody answers")


def test_a_write_that_hangs_is_news_about_the_provider() -> None:
    """The call times out by itself, before the engine ends the write: so circuits open, and a probe decides."""

    async def story() -> tuple[MemoryHost, Memory, ConnectorError, list[str]]:
        gate, recorded = Memory(), []
        async with RawServer(fault=raw_server.hang) as server, local_door(gate, recorded.append) as door:
            host = MemoryHost(lambda **more: post(door, server.base, **more), operations={"look_first": ViaHttp})
            host.lease.longest_call_seconds = 4.0
            with pytest.raises(OutcomeUnknown) as caught:
                await walk(flow_compile(flow_of(writing("look_first"))), {}, host)
        return host, gate, caught.value, recorded

    host, gate, error, recorded = asyncio.run(story())
    assert gate.reported == [CallOutcome.BROKEN] and len(recorded) == 1
    assert error.code == "no_answer" and host.journal.open, "its outcome stays open"
    assert calls_end_at.get() == math.inf


class Busy(WRITES["look_first"]):
    async def write(self, ctx: ActionContext, data: Note) -> NoteRef:
        ctx.client.calls.append(calls_end_at.get() - time.monotonic())
        await asyncio.sleep(60)
        raise AssertionError("it was to be ended")


def test_a_write_that_ends_by_no_call_is_ended_by_the_engine_inside_its_lease() -> None:
    host = MemoryHost(operations={"look_first": Busy})
    host.lease.longest_call_seconds = 0.2
    with pytest.raises(OutcomeUnknown) as caught:
        run(flow_of(writing("look_first")), host)
    assert "was ended after 0.2 s" in caught.value.operator_text and host.journal.open
    (seconds_for_calls,) = host.world.calls
    assert host.lease.asked == [0.2] and seconds_for_calls <= 0.18


def test_found_but_changed_is_remembered_and_told() -> None:
    host = MemoryHost(
        World(written=[Note(reference="R1", amount=Decimal(4))], verdict=Verdict.CHANGED), may_be_a_repeat=True
    )
    check = {
        "id": "told",
        "kind": "validate",
        "rules": [
            {"check": "not effects.note.changed", "otherwise": "hold", "message": "It differs: {effects.note.why}"}
        ],
    }
    with pytest.raises(Held, match="It differs: the amount differs"):
        run(flow_of(writing("look_first"), check), host)
    (link,) = host.links.known.values()
    assert link.adopted and link.why == "the amount differs" and link.external_id == "n1"
    with pytest.raises(Held):
        run(flow_of(writing("look_first"), check), host.again())


def test_foreign_record_is_held_with_both_shown() -> None:
    host = MemoryHost(
        World(written=[Note(reference="R1", amount=Decimal(4))], verdict=Verdict.FOREIGN), may_be_a_repeat=True
    )
    with pytest.raises(Held) as caught:
        run(flow_of(writing("look_first")), host)
    assert caught.value.code == "foreign_record"
    assert caught.value.details["ours"] == {"reference": "R1", "amount": "5.00"}
    assert caught.value.details["theirs"] == {"id": "n1", "amount": "4"}
    assert not host.links.known and "write R1" not in host.world.calls


def test_absolute_write_without_qualifier_is_written_every_time() -> None:
    host = MemoryHost()
    flow = flow_of(writing("absolute", qualifier=None))
    run(flow, host)
    run(flow, host.again())
    assert host.world.calls == ["write R1", "write R1"]
    assert not host.links.known


def test_state_write_is_not_remembered_but_looks_when_it_may_be_a_repeat() -> None:
    step = writing("look_first") | {"effect": {"qualifier": "'customer'", "remember": False}}
    host = MemoryHost()
    run(flow_of(step), host)
    run(flow_of(step), host.again())
    assert host.world.calls == ["write R1", "write R1"]
    run(flow_of(step), host.again(may_be_a_repeat=True))
    assert host.world.calls[-1] == "find R1"


def test_facts_are_remembered_with_the_link() -> None:
    step = writing("look_first")
    step["effect"]["facts"] = {"total": "event.total"}
    host = MemoryHost()
    run(flow_of(step), host, {"total": Decimal("5.00")})
    (link,) = host.links.known.values()
    assert link.input_facts == {"total": "5.00"}


def test_preview_writes_nothing_and_says_what_would_happen() -> None:
    host = MemoryHost(dry_run=True)
    result = run(flow_of(writing("look_first")), host)
    assert host.world.calls == ["find R1"]
    assert not host.links.known and not host.journal.sent and not host.lease.asked
    assert state_of(host) == {"test-flow.note": "planned"}
    assert host.journal.steps[0].note == "a note R1 would be written"
    assert result.outputs["test-flow.note"]["output"]["id"] == "(new)"


def test_preview_says_that_it_exists_already() -> None:
    host = MemoryHost(World(written=[Note(reference="R1", amount=Decimal(5))]), dry_run=True)
    run(flow_of(writing("look_first")), host)
    assert state_of(host) == {"test-flow.note": "done"}
    assert "found there already: n1" in host.journal.steps[0].note
    assert not host.links.known


def test_effect_key_is_the_same_for_every_flow_event_and_connection_row() -> None:
    host, other = MemoryHost(), MemoryHost(may_be_a_repeat=True)
    other.roles = {
        name: type(role)(role.name, role.connector, role.account_id, "new-row") for name, role in host.roles.items()
    }
    assert effect_key(host, host.role("ledger"), "op", "q") == effect_key(other, other.role("ledger"), "op", "q")


part = st.text(alphabet=st.sampled_from("ab|%7C:/ é"), min_size=1, max_size=6)


@given(st.tuples(part, part, part, part), st.tuples(part, part, part, part))
def test_no_two_effects_share_a_key(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    def key(parts: tuple[str, ...]) -> str:
        host = MemoryHost(tenant_id=parts[0], record_id=parts[1])
        return effect_key(host, host.role("ledger"), parts[2], parts[3])

    assert (key(left) == key(right)) == (left == right)


def test_the_target_can_be_read_from_a_key() -> None:
    host = MemoryHost()
    assert key_target(effect_key(host, host.role("ledger"), "op", "q")) == ("books", "ledger-1")
