"""How a walk goes: nodes, their order, skips, holds, loops and what is told about all of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from engine_fakes import Ask, GetThing, MemoryHost, Thing, World, flow_of, run, state_of
from test_effects import loop, writing

from connectors.base.actions import ActionContext
from connectors.base.errors import Held, MappingFailed, NotSent, Rejected, Retryable
from connectors.base.shared_reads import SharedReads
from flows.engine.compile import compile_pair, flow_compile
from flows.engine.walker import walk


def reading(step: str = "thing", thing: str = "'7'", **more: Any) -> dict[str, Any]:
    fields = [{"target": "id", "formula": thing}]
    return {"id": step, "kind": "action", "role": "shop", "operation": "get_thing", "input": {"fields": fields}, **more}


def rule(check: str, otherwise: str = "hold", **more: Any) -> dict[str, Any]:
    return {
        "id": "check",
        "kind": "validate",
        "rules": [{"check": check, "otherwise": otherwise, "message": "No {event.n}", **more}],
    }


WORLD = {"7": Thing(id="7", name="Mug", amount=Decimal("8.33"))}


def test_a_read_is_answered_once_per_attempt_until_something_is_written_there() -> None:
    host = MemoryHost(World(things=dict(WORLD)))
    write = writing("natural_key") | {"role": "shop"}
    run(flow_of(reading("a"), reading("b"), write, reading("c")), host)
    assert host.world.calls == ["get 7", "write R1", "get 7"]


def test_flows_of_one_attempt_share_their_reads() -> None:
    host = MemoryHost(World(things=dict(WORLD)))
    run(flow_of(reading()), host)
    run(flow_of(reading()), host)
    assert host.world.calls == ["get 7"]


class GetShared(GetThing):
    """Its reads are shared by all who ask at once."""

    async def run(self, ctx: ActionContext, data: Ask) -> Thing | None:
        return await ctx.client("thing", _away)


async def _away() -> Thing:
    await asyncio.sleep(0)
    raise Retryable("away")


def test_a_shared_read_that_fails_is_journalled_by_every_walk_as_its_own_step() -> None:
    flows = [flow_compile(flow_of(reading(step))) for step in ("a", "b", "c")]

    async def story() -> list[tuple[MemoryHost, Any]]:
        reads = SharedReads()
        hosts = [MemoryHost(reads, operations={"get_thing": GetShared}) for _ in flows]
        walks = (walk(flow, {}, host) for flow, host in zip(flows, hosts, strict=True))
        return list(zip(hosts, await asyncio.gather(*walks, return_exceptions=True), strict=True))

    ended = asyncio.run(story())
    assert [error.details["step"] for _, error in ended] == ["test-flow.a", "test-flow.b", "test-flow.c"]
    assert [state_of(host) for host, _ in ended] == [{f"test-flow.{step}": "failed"} for step in "abc"]


def test_a_write_elsewhere_keeps_what_was_read() -> None:
    host = MemoryHost(World(things=dict(WORLD)))
    run(flow_of(reading("a"), writing("natural_key"), reading("b")), host)
    assert host.world.calls == ["get 7", "write R1"]


@pytest.mark.parametrize(("on_missing", "expected"), [("hold", Held), ("reject", Rejected)])
def test_a_missing_record_is_held_or_rejected_as_told(on_missing: str, expected: type[Exception]) -> None:
    step = reading(on_missing=on_missing, message="Nothing for {event.n}", cure="Look")
    with pytest.raises(expected, match="Nothing for 5") as caught:
        run(flow_of(step), MemoryHost(), {"n": 5})
    assert caught.value.cure == "Look"  # type: ignore[attr-defined]


def test_a_missing_record_may_be_null_and_go_on() -> None:
    result = run(flow_of(reading(), rule("thing == None", "skip")), MemoryHost(), {"n": 1})
    assert result.outcome == "done"


def test_a_skip_is_a_result_with_a_reason() -> None:
    host = MemoryHost()
    result = run(flow_of(rule("event.n > 5", "skip"), writing("natural_key")), host, {"n": 5})
    assert (result.outcome, result.reason) == ("skipped", "No 5")
    assert not host.world.calls
    assert state_of(host) == {"test-flow.check": "skipped"}


def test_a_broken_rule_holds_with_its_figures() -> None:
    more = {"code": "sum", "cure": "Correct {event.n}", "field": "total", "details": {"n": "event.n * 2"}}
    with pytest.raises(Held) as caught:
        run(flow_of(rule("event.n == 0", **more)), MemoryHost(), {"n": Decimal(5)})
    error = caught.value
    assert (error.code, error.cure, error.field) == ("sum", "Correct 5", "total")
    assert error.details == {"check": "event.n == 0", "n": "10", "step": "test-flow.check"}


def test_customers_own_rules_come_from_the_settings() -> None:
    """P7: validation before loading, rules of the customer's own."""
    flow = flow_of({"id": "check", "kind": "validate", "extra_rules": "settings.extra_rules"})
    own = [{"check": "event.n < 3", "otherwise": "reject", "message": "{event.n} is too many"}]
    assert run(flow, MemoryHost(settings={"extra_rules": own}), {"n": 2}).outcome == "done"
    with pytest.raises(Rejected, match="3 is too many"):
        run(flow, MemoryHost(settings={"extra_rules": own}), {"n": 3})
    with pytest.raises(MappingFailed, match="cannot be used"):
        run(flow, MemoryHost(settings={"extra_rules": [{"check": "event.n <"}]}), {"n": 3})


@pytest.mark.parametrize(("n", "expected"), [(1, "write small"), (50, "write big"), (9, "write middle")])
def test_a_branch_takes_the_first_case_that_applies(n: int, expected: str) -> None:
    def steps(name: str) -> list[dict[str, Any]]:
        return [writing("natural_key", reference=name) | {"id": name, "title": name}]

    cases = [{"when": "event.n > 10", "steps": steps("big")}, {"when": "event.n < 5", "steps": steps("small")}]
    host = MemoryHost()
    run(flow_of({"id": "size", "kind": "branch", "cases": cases, "otherwise": steps("middle")}), host, {"n": n})
    assert host.world.calls == [expected]


def test_a_step_whose_condition_does_not_apply_is_told_as_skipped() -> None:
    host = MemoryHost()
    after = rule("missing(note)", "hold")
    assert run(flow_of(writing("natural_key", when="event.n > 5"), after), host, {"n": 1}).outcome == "done"
    assert state_of(host)["test-flow.note"] == "skipped" and not host.world.calls


def test_for_each_ends_done_with_some_held() -> None:
    """C12: one bad element does not stop the others, and the next attempt does only what is unfinished."""
    host = MemoryHost(World(fails_for={"R2": Rejected("closed period", code="closed")}))
    result = run(loop("continue"), host, {"refs": ["R1", "R2", "R3"]})
    assert result.outcome == "done_with_held"
    (held,) = result.held_items
    assert (held.path, held.key, held.code, held.text) == ("test-flow.each[R2]", "R2", "closed", "closed period")
    assert held.as_dict()["details"]["step"] == "test-flow.each[R2].note"
    assert host.journal.steps[-1].output["held"] == 1
    host.world.fails_for.clear()
    host.world.calls.clear()
    again = run(loop("continue"), host.again(), {"refs": ["R1", "R2", "R3"]})
    assert again.outcome == "done" and host.world.calls == ["write R2"]


def test_for_each_holds_all_when_told() -> None:
    host = MemoryHost(World(fails_for={"R2": Rejected("closed")}))
    with pytest.raises(Rejected):
        run(loop("hold_all"), host, {"refs": ["R1", "R2", "R3"]})
    assert host.world.calls == ["write R1", "write R2"]


def test_for_each_never_swallows_what_is_only_delayed() -> None:
    host = MemoryHost(World(fails_for={"R1": NotSent("no connection")}))
    with pytest.raises(NotSent):
        run(loop("continue"), host, {"refs": ["R1", "R2"]})


@pytest.mark.parametrize("refs", [["R1", "R1"], [""]])
def test_for_each_refuses_keys_that_name_nothing_or_two(refs: list[str]) -> None:
    host = MemoryHost()
    with pytest.raises(MappingFailed):
        run(loop("continue"), host, {"refs": refs})
    assert not host.world.calls


def test_for_each_collects_what_its_elements_contribute() -> None:
    flow = flow_of(
        {
            "id": "each",
            "kind": "for_each",
            "items": "event.ids",
            "item": "one",
            "item_key": "one",
            "collect": "thing.name if thing != None else None",
            "steps": [reading(thing="one", title="Get")],
        },
        rule("each.collected == ['Mug'] and each.done == 2"),
    )
    assert run(flow, MemoryHost(World(things=dict(WORLD))), {"ids": ["7", "8"], "n": 1}).outcome == "done"


def table(on_missing: str, **more: Any) -> dict[str, Any]:
    return flow_of(
        {
            "id": "row",
            "kind": "lookup",
            "table": "settings.methods",
            "key": "event.method",
            "on_missing": on_missing,
            **more,
        },
        {"id": "seen", "kind": "map", "fields": [{"target": "row", "source": "row"}]},
    )


@pytest.mark.parametrize(
    ("method", "on_missing", "more", "expected"),
    [
        ("paypal ", "hold", {}, "P"),
        ("cash", "keep", {}, "cash"),
        ("cash", "continue", {}, None),
        ("cash", "hold", {"default": "D"}, "D"),
    ],
)
def test_a_lookup_answers_from_a_table(method: str, on_missing: str, more: dict[str, Any], expected: Any) -> None:
    host = MemoryHost(settings={"methods": {"PayPal": "P"}})
    run(table(on_missing, **more), host, {"method": method})
    assert host.journal.steps[-1].output == {"row": expected}


@pytest.mark.parametrize(("on_missing", "family"), [("hold", Held), ("reject", Rejected)])
def test_a_lookup_without_a_row_names_the_table_and_the_key(on_missing: str, family: type[Exception]) -> None:
    with pytest.raises(family, match=r"'cash' has no row in the table settings\.methods"):
        run(table(on_missing), MemoryHost(settings={"methods": {}}), {"method": "cash"})


def test_a_lookup_of_links_sees_what_earlier_runs_did_at_that_account_only() -> None:
    host = MemoryHost()
    step = writing("natural_key")
    step["effect"]["facts"] = {"n": "event.n"}
    run(flow_of(step), host, {"n": 1})
    links = {"id": "known", "kind": "lookup", "links": {"operation": "natural_key", "role": "ledger"}}
    fields = [
        {"target": "id", "source": "known.by_qualifier.invoice.output.id"},
        {"target": "n", "source": "known.all[0].facts.n"},
    ]
    seen = {"id": "seen", "kind": "map", "fields": fields}
    again = host.again()
    run(flow_of(links, seen), again)
    assert again.journal.steps[-1].output == {"id": "n1", "n": 1}
    elsewhere = host.again()
    links["links"]["role"] = "shop"
    run(flow_of(links, seen), elsewhere)
    assert elsewhere.journal.steps[-1].output == {}


def test_an_input_that_does_not_fit_names_the_field() -> None:
    step = writing("natural_key")
    step["input"]["fields"][1] = {"target": "amount", "value": "much"}
    with pytest.raises(MappingFailed) as caught:
        run(flow_of(step), MemoryHost())
    assert caught.value.field == "amount" and caught.value.details["step"] == "test-flow.note"


def test_a_record_is_handed_on_without_being_validated_again() -> None:
    thing = Thing(id="7", name="Mug")
    seen: list[object] = []

    class Keep(GetThing):
        input = Thing

        async def run(self, ctx: Any, data: Any) -> Any:
            seen.append(data)
            return data

    step = {"id": "same", "kind": "action", "role": "shop", "operation": "get_thing", "input": {"from": "event.thing"}}
    run(flow_of(step), MemoryHost(operations={"get_thing": Keep}), {"thing": thing})
    assert seen == [thing] and seen[0] is thing


def test_a_flow_that_is_switched_off_is_skipped() -> None:
    flow = flow_of(writing("natural_key"), enabled_when="settings.on")
    host = MemoryHost(settings={"on": False})
    assert run(flow, host).outcome == "skipped" and not host.world.calls
    assert flow_compile(flow).enabled({"on": True})


def test_facts_are_told_however_the_walk_ends() -> None:
    facts = {"amount": "thing.amount", "number": "note.id"}
    host = MemoryHost(World(things=dict(WORLD), fail_next_write=Rejected("no")))
    with pytest.raises(Rejected):
        run(flow_of(reading(), writing("natural_key"), facts=facts), host)
    assert host.facts == {"amount": "8.33"}
    again = host.again()
    assert run(flow_of(reading(), writing("natural_key"), facts=facts), again).facts == {
        "amount": "8.33",
        "number": "n1",
    }


def test_a_formula_that_does_not_suit_the_values_names_its_place() -> None:
    with pytest.raises(MappingFailed) as caught:
        run(flow_of(reading(when="event.nothing > 1")), MemoryHost())
    assert caught.value.field == "test-flow.thing.when"
    assert "event.nothing is missing" in caught.value.customer_text


def test_every_step_is_journaled_with_input_output_and_time() -> None:
    host = MemoryHost(World(things=dict(WORLD)))
    run(flow_of(reading(), writing("natural_key")), host)
    first, second = host.journal.steps
    assert first.input == {"id": "7"} and first.output["amount"] == "8.33"
    assert second.external_id == "n1" and second.effect_key and second.seconds >= 0


def test_floats_of_stored_settings_become_the_decimals_they_were_written_as() -> None:
    flow = flow_of(rule("settings.tolerance * 3 == 0.3"))
    assert run(flow, MemoryHost(settings={"tolerance": 0.1}), {"n": 1}).outcome == "done"


def test_a_pair_is_compiled_with_its_defaults() -> None:
    pair = {
        "schema": 1,
        "key": "a-b",
        "title": "A to B",
        "source": {"name": "shop", "connector": "shopware"},
        "others": [{"name": "ledger", "connector": "books"}],
        "settings": [{"name": "on", "label": "On", "type": "switch", "default": True}],
        "flows": ["test-flow"],
    }
    compiled = compile_pair({"pair": pair, "flows": [flow_of(reading())]})
    assert (compiled.source_role, compiled.target_role) == ("shop", "ledger")
    assert compiled.setting_defaults == {"on": True}
    assert compiled.flows[0].record_type == "order"
