"""Every write of every registered connector: cut, hanging or unreadable means unknown, and twice is done once.

A write that is added to a connector fails here until its ``lost_answers.py`` says how the world looks before it.
"""

from __future__ import annotations

import asyncio
import importlib
from types import ModuleType
from typing import Any

import pytest

from connectors.base.actions import WriteAction
from connectors.registry import CONNECTORS
from tests.connectors.lost_answers import FAULTS, check, undisturbed


def cases_of(key: str) -> ModuleType:
    return importlib.import_module(f"tests.connectors.{key}.lost_answers")


def every_case() -> list[Any]:
    found = []
    for key, connector in CONNECTORS.items():
        told = cases_of(key)
        writes = {action.key: action for action in connector.actions if issubclass(action, WriteAction)}
        for name, cases in told.CASES.items():
            for number, case in enumerate(cases):
                for dialect in told.DIALECTS:
                    if dialect not in case.unless:
                        title = f"{key}.{name}{f'-{number + 1}' if number else ''} {dialect}"
                        found.append(pytest.param(key, writes.get(name), case, dialect, id=title))
    return found


@pytest.fixture(scope="module")
def worlds():
    """The stand-ins, started when first asked for."""
    open_ones: dict[str, Any] = {}

    def world(key: str, dialect: str) -> Any:
        if key not in open_ones:
            generator = cases_of(key).worlds()
            open_ones[key] = generator, next(generator)
        return open_ones[key][1](dialect)

    world.undisturbed = {}
    yield world
    for generator, _ in open_ones.values():
        next(generator, None)


@pytest.mark.parametrize("connector", CONNECTORS.values(), ids=lambda one: one.key)
def test_each_write_is_tried_with_its_answer_lost(connector) -> None:
    writes = {action.key for action in connector.actions if issubclass(action, WriteAction)}
    assert set(cases_of(connector.key).CASES) == writes, "say in lost_answers.py how the world looks before each write"


@pytest.mark.parametrize("connector", CONNECTORS.values(), ids=lambda one: one.key)
def test_a_write_is_left_out_only_where_another_dialect_has_it(connector) -> None:
    told = cases_of(connector.key)
    for name, cases in told.CASES.items():
        assert cases and all(set(told.DIALECTS) - set(case.unless) for case in cases), name


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("key", "action", "case", "dialect"), every_case())
def test_lost_and_done_once(worlds, key, action, case, dialect, fault) -> None:
    world, known = worlds(key, dialect), worlds.undisturbed
    if (case, dialect) not in known:
        known[case, dialect] = asyncio.run(undisturbed(world, action, case))
    asyncio.run(check(world, action, case, fault, known[case, dialect]))
