"""A definition is checked before it is saved: every problem, in words, with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from engine_fakes import connector, flow_of

from flows.engine.builtins import BUILTINS
from flows.engine.checks import definition_check, flow_check
from flows.engine.definition import PairDocument
from flows.engine.formula_functions import FUNCTIONS
from flows.engine.schema import definition_schema, schema_text
from flows.engine.transforms import TRANSFORMS
from flows.prebuilt import prebuilt_keys, prebuilt_pair

ROOT = Path(__file__).parents[3]
CONNECTORS = {"shopware": connector("shopware"), "books": connector("books")}
PAIR = {
    "schema": 1,
    "key": "a-b",
    "title": "A to B",
    "source": {"name": "shop", "connector": "shopware"},
    "others": [{"name": "ledger", "connector": "books"}],
    "settings": [{"name": "methods", "label": "Methods", "type": "table"}],
    "flows": ["test-flow"],
}
WRITE = {
    "id": "note",
    "kind": "action",
    "role": "ledger",
    "operation": "look_first",
    "input": {"fields": [{"target": "reference", "source": "event.n"}]},
    "effect": {"qualifier": "'invoice'"},
}
READ = {
    "id": "thing",
    "kind": "action",
    "role": "shop",
    "operation": "get_thing",
    "input": {"fields": [{"target": "id", "source": "event.n"}]},
}


def problems(*steps: dict[str, Any], **more: Any) -> list[str]:
    flow = flow_of(*steps, **more)
    return [str(problem) for problem in flow_check(flow, PairDocument.model_validate(PAIR), CONNECTORS)]


def each(**more: Any) -> dict[str, Any]:
    return {
        "id": "each",
        "kind": "for_each",
        "items": "event.all",
        "item": "one",
        "item_key": "one.id",
        "steps": [{**WRITE, "title": "w", "effect": {"qualifier": "'p:' + one.id"}}],
        **more,
    }


def mapping(**field: Any) -> dict[str, Any]:
    return {"id": "m", "kind": "map", "fields": [{"target": "x", **field}]}


def test_a_sound_flow_has_no_problems() -> None:
    assert problems(READ, WRITE, {**each(), "steps": [{**each()["steps"][0], "id": "inner"}]}) == []


CASES = [
    ([{**WRITE, "operation": "nothing"}], "has no operation 'nothing'; it has absolute"),
    ([{**WRITE, "role": "bank"}], "there is no role 'bank'; there are ledger, shop"),
    ([{**WRITE, "when": "1 +"}], "steps[0].when: this cannot be read"),
    ([{**WRITE, "when": "event.n ** 2"}], "'**' is not available"),
    ([READ, {**READ}], "the id 'thing' is taken"),
    ([{**READ, "id": "event"}], "the id 'event' is taken"),
    ([{**READ, "when": "note.id != None"}, WRITE], "'note' comes later or lies inside another branch or loop"),
    ([{**READ, "when": "nobody.id != None"}], "'nobody' is not there"),
    ([{key: value for key, value in WRITE.items() if key != "effect"}], "it needs an effect with a qualifier"),
    ([{**READ, "effect": {"qualifier": "'x'"}}], "get_thing only reads"),
    ([{**WRITE, "on_missing": "hold"}], "on_missing is for reads"),
    ([{**WRITE, "input": {}}], "look_first needs 'reference'"),
    ([{**WRITE, "input": {"fields": [{"target": "nonsense", "value": 1}]}}], "look_first takes no 'nonsense'"),
    ([{**WRITE, "input": {"from": "later"}}], "'later' is not there"),
    ([each(item_key="event.n")], "it does not read 'one'"),
    ([each(steps=[{**WRITE, "title": "w"}])], "the qualifier does not read 'one'"),
    ([each(), {**READ, "when": "one.id == 1"}], "'one' is not there"),
    ([each(), {**READ, "when": "exists(note)"}], "'note' comes later or lies inside another branch or loop"),
    ([mapping(source="settings.nothing")], "the pair declares no setting 'nothing'"),
    ([mapping(source="event..n")], "is not a path"),
    ([mapping(source="event.n", value=1)], "exactly one of source"),
    ([mapping()], "exactly one of source"),
    ([mapping(source="event.n", targets=["y"])], "either 'target' or 'targets'"),
    ([mapping(source="event.n", transforms=["shout"])], "there is no transform 'shout'"),
    ([mapping(source="event.n", transforms=["truncate"])], "truncate needs 'length'"),
    ([mapping(source="event.n", transforms=[{"trim": {"side": "left"}}])], "trim has no argument 'side'"),
    ([mapping(source="event.n", transforms=[{"convert": {"to": "colour"}}])], "convert knows text"),
    (
        [mapping(source="event.n", transforms=[{"translate": {"table": {"from": "settings.none"}}}])],
        "no setting 'none'",
    ),
    ([{"id": "m", "kind": "map"}], "a map needs fields"),
    ([{"id": "m", "kind": "map", "using": "magic"}], "there is no built-in 'magic'"),
    ([{"id": "m", "kind": "map", "using": "invoice_draft"}], "invoice_draft needs 'order'"),
    (
        [{"id": "m", "kind": "map", "using": "shop_sku", "input": {"code": "'a'", "sku_table": "event", "z": "1"}}],
        "takes no 'z'",
    ),
    ([{"id": "l", "kind": "lookup"}], "a lookup needs 'table' and 'key', or 'links'"),
    (
        [{"id": "l", "kind": "lookup", "links": {"operation": "fly"}}],
        "no connector of this pair has the operation 'fly'",
    ),
    ([{"id": "v", "kind": "validate", "rules": [{"check": "x(", "message": "m"}]}], "rules[0].check"),
    (
        [{"id": "v", "kind": "validate", "rules": [{"check": "True", "message": "No {nobody.x}"}]}],
        "'nobody' is not there",
    ),
    ([{"id": "b", "kind": "branch", "cases": [{"when": "oops", "steps": []}]}], "cases[0].when: 'oops' is not there"),
    ([{"id": "x", "kind": "dance"}], "kind"),
    ([{"id": "each", "kind": "for_each", "items": "event.all", "item": "one", "steps": [WRITE]}], "item_key"),
    ([{**READ, "colour": "red"}], "colour"),
    ([{**READ, "id": "Not An Id"}], "id"),
]


@pytest.mark.parametrize(("steps", "expected"), CASES, ids=[case[1][:40] for case in CASES])
def test_a_problem_is_said_in_words_with_its_place(steps: list[dict[str, Any]], expected: str) -> None:
    found = problems(*steps)
    assert any(expected in problem for problem in found), found
    assert all("steps" in problem for problem in found), found


def test_all_problems_are_said_at_once() -> None:
    found = problems({**WRITE, "role": "bank", "when": "1 +"}, {**READ, "id": "note", "operation": "nothing"})
    assert len(found) == 4, found


def test_a_trigger_must_exist_at_its_connector() -> None:
    trigger = {"role": "shop", "record_type": "unicorn", "via": ["poll"]}
    assert any("offers no records 'unicorn'" in problem for problem in problems(READ, trigger=trigger))


def test_results_of_a_branch_may_be_read_after_it() -> None:
    branch = {"id": "b", "kind": "branch", "cases": [{"when": "event.n > 1", "steps": [{**READ, "title": "r"}]}]}
    assert problems(branch, {**WRITE, "when": "exists(thing)"}) == []


def test_a_pair_is_checked_with_its_flows() -> None:
    flow = flow_of(READ)
    assert definition_check({"pair": PAIR, "flows": [flow]}, CONNECTORS) == []
    broken = {**PAIR, "flows": ["other"], "source": {"name": "shop", "connector": "nobody"}}
    found = [str(problem) for problem in definition_check({"pair": broken, "flows": [flow]}, CONNECTORS)]
    assert any("there is no connector 'nobody'" in problem for problem in found)
    assert any("'other' is not both listed and supplied" in problem for problem in found)
    choice = {"name": "c", "label": "C", "type": "choice", "default": "x", "choices": [{"value": "y", "label": "Y"}]}
    found = [
        str(problem)
        for problem in definition_check({"pair": {**PAIR, "settings": [choice]}, "flows": [flow]}, CONNECTORS)
    ]
    assert any("'x' is not among the choices" in problem for problem in found)


def test_the_committed_schema_is_the_one_the_models_give() -> None:
    committed = (ROOT / "docs" / "flow-definition.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "python -m flows.engine.schema docs/flow-definition.schema.json"


def test_the_schema_accepts_what_we_ship_and_refuses_what_it_should() -> None:
    validator = jsonschema.Draft202012Validator(definition_schema())
    for key in prebuilt_keys():
        validator.validate(prebuilt_pair(key))
    broken = prebuilt_pair("nopcommerce-kashflow")
    broken["flows"][0]["steps"][0]["kind"] = "dance"
    assert not validator.is_valid(broken)


def test_the_schema_lists_every_transform() -> None:
    assert set(definition_schema()["x-transforms"]) == set(TRANSFORMS)
    json.dumps(definition_schema())


def test_the_page_on_flows_names_everything_one_may_use() -> None:
    page = (ROOT / "docs" / "flows.md").read_text(encoding="utf-8")
    words = set(page.replace("`", " ").replace(",", " ").replace(".", " ").split())
    assert set(TRANSFORMS) | set(FUNCTIONS) | set(BUILTINS) <= words
