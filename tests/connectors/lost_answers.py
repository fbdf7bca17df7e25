"""Every write of every connector with its answer lost: the outcome is unknown, and the second attempt does it once.

Nothing here knows a provider. A connector's ``tests/connectors/<key>/lost_answers.py`` says in ``CASES`` how the world
looks before each write, and in ``worlds`` against what it is tried; the contract test asks for both. Each write call of
an action is lost in turn, however many it makes, and the books are compared with those of an undisturbed run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from connectors.base.actions import ActionContext, Once, Verdict, WriteAction
from connectors.base.errors import OutcomeUnknown
from connectors.base.http import Effect

LANDS_AFTER = 0.2
SETTLED_AFTER = 0.35
FAULTS: dict[str, dict[str, Any]] = {
    "cut before it was done": {"kind": "cut_before"},
    "cut after it was done": {"kind": "cut_after"},
    "done later": {"kind": "late_landing", "seconds": LANDS_AFTER},
    "hanging": {"kind": "hang", "seconds": 0.05},
    "half an answer": {"kind": "half_answer"},
    "an unreadable answer": {"kind": "truncated"},
    "a page of a proxy": {"kind": "html_error", "status": 502},
}
# Log-ins change nothing in the books; what their lost answers mean is each connector's own test.
LOG_INS = {"POST /api/token", "POST /v2/sessiontoken", "PUT /v2/sessiontoken"}
# What differs between two runs that did the same: moments, and identifiers drawn by chance.
_BY_CHANCE = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)


class World(Protocol):
    """One provider in one dialect."""

    def reset(self) -> None: ...

    def faults(self, *rules: dict[str, Any]) -> None: ...

    def books(self) -> Any:
        """Everything the provider has, by its own word; without numbers that it gave to rows nobody can see."""

    def open(self, wrap: Callable[[Any], Any]) -> AbstractAsyncContextManager[ActionContext]:
        """A client of its own, as another process would have; its door is wrapped."""


@dataclass(frozen=True)
class Case:
    """:param prepare: brings the world to where the write is due. :returns: its input.
    :param unless: dialects in which the provider has no such write.
    """

    prepare: Callable[[ActionContext], Awaitable[dict[str, Any]]]
    unless: tuple[str, ...] = ()


class LosingDoor:
    """Passes calls on; while ``armed``, lets the write call number ``lose`` meet the fault."""

    def __init__(self, world: World, rule: dict[str, Any] | None = None, lose: int = -1) -> None:
        self._world, self._rule, self._lose = world, rule, lose
        self.armed = False
        self.writes: list[tuple[str, int]] = []

    def __call__(self, door: Any) -> LosingDoor:
        self._door = door
        return self

    async def call(self, method: str, url: str, *, operation: str, effect: Effect, **rest: Any) -> Any:
        counts = self.armed and effect is Effect.WRITE and operation not in LOG_INS
        if counts and self._rule is not None and len(self.writes) == self._lose:
            await asyncio.to_thread(self._world.faults, {**self._rule, "operations": ["*"], "times": 1})
        if counts:
            self.writes.append((operation, 0))
        reply = await self._door.call(method, url, operation=operation, effect=effect, **rest)
        if counts:
            self.writes[-1] = (operation, len(reply.content))
        return reply


async def undisturbed(world: World, action: type[WriteAction], case: Case) -> tuple[Any, list[tuple[str, int]]]:
    """:returns: the books afterwards, and each write call with the length of its answer."""
    await asyncio.to_thread(world.reset)
    door = LosingDoor(world)
    async with world.open(door) as ctx:
        data = action.input.model_validate(await case.prepare(ctx))
        door.armed = True
        await action().write(ctx, data)
    return await asyncio.to_thread(_books, world), door.writes


async def lost_and_tried_again(
    world: World, action: type[WriteAction], case: Case, rule: dict[str, Any], lose: int
) -> Any:
    """:returns: the books after the second attempt."""
    await asyncio.to_thread(world.reset)
    door = LosingDoor(world, rule, lose)
    async with world.open(door) as ctx:
        data = action.input.model_validate(await case.prepare(ctx))
        door.armed = True
        try:
            await action().write(ctx, data)
        except OutcomeUnknown:
            pass
        else:
            raise AssertionError(f"{door.writes[-1]}: the answer was lost and the outcome taken for known")
        finally:
            await asyncio.to_thread(world.faults)
    if rule["kind"] == "late_landing":
        await asyncio.sleep(SETTLED_AFTER)
    async with world.open(LosingDoor(world)) as ctx:
        await second_attempt(action(), ctx, data)
    return await asyncio.to_thread(_books, world)


async def second_attempt(action: WriteAction, ctx: ActionContext, data: Any) -> None:
    """As the engine does it (flows/engine/effects.py)."""
    if action.once is Once.LOOK_FIRST:
        found = await action.find(ctx, data)
        if found is not None:
            assert found.verdict is Verdict.SAME, found.why
            assert found.external_id
            return
    await action.write(ctx, data)


async def check(
    world: World, action: type[WriteAction], case: Case, fault: str, of_undisturbed: tuple[Any, list[tuple[str, int]]]
) -> None:
    rule, (expected, writes) = FAULTS[fault], of_undisturbed
    assert writes, "this input writes nothing, so nothing can be lost"
    for number, (operation, length) in enumerate(writes):
        if length == 0 and rule["kind"] in ("truncated", "half_answer"):
            continue  # an answer without a body has no second half
        books = await lost_and_tried_again(world, action, case, rule, number)
        assert books == expected, f"{operation} lost: the books are not those of an undisturbed run"


def _books(world: World) -> Any:
    return _without_chance(world.books())


def _without_chance(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_chance(item) for name, item in value.items() if not _is_moment(name, item)}
    if isinstance(value, list):
        return [_without_chance(item) for item in value]
    return _BY_CHANCE.sub("by chance", value) if isinstance(value, str) else value


def _is_moment(name: str, item: Any) -> bool:
    return name.endswith("_at") and isinstance(item, float)
