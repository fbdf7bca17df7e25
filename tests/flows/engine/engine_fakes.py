"""A host in memory and a few small operations, so that walks can be tested without a database or a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from connectors.base.actions import Action, ActionContext, Found, Once, ReadAction, Verdict, WriteAction
from connectors.base.manifest import AuthKind, Connector
from flows.engine.compile import flow_compile
from flows.engine.ports import Link, Role, StepRecord
from flows.engine.walker import WalkResult, walk

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)


class Note(BaseModel):
    reference: str
    amount: Decimal = Decimal(0)


class NoteRef(BaseModel):
    id: str
    amount: Decimal = Decimal(0)


class Ask(BaseModel):
    id: str


class Thing(BaseModel):
    id: str
    name: str
    parts: list[dict[str, Any]] = []
    amount: Decimal = Decimal(0)


@dataclass
class World:
    """What is out there, and everything that was asked of it."""

    things: dict[str, Thing] = field(default_factory=dict)
    written: list[Note] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    fail_next_write: Exception | None = None
    at_the_socket: Callable[[], Any] | None = None
    fails_for: dict[str, Exception] = field(default_factory=dict)
    verdict: Verdict = Verdict.SAME


class GetThing(ReadAction[Ask, Thing]):
    key, title, input, output = "get_thing", "Get a thing", Ask, Thing

    async def run(self, ctx: ActionContext, data: Ask) -> Thing | None:
        ctx.client.calls.append(f"get {data.id}")
        return ctx.client.things.get(data.id)


class _Write(WriteAction[Note, NoteRef]):
    input, output = Note, NoteRef
    settle_seconds = 5.0

    def external_id(self, output: NoteRef) -> str:
        return output.id

    async def find(self, ctx: ActionContext, data: Note) -> Found[NoteRef] | None:
        ctx.client.calls.append(f"find {data.reference}")
        for place, note in enumerate(ctx.client.written):
            if note.reference == data.reference:
                ref = NoteRef(id=f"n{place + 1}", amount=note.amount)
                why = "" if ctx.client.verdict is Verdict.SAME else "the amount differs"
                return Found(ctx.client.verdict, ref, ref.id, why)
        return None

    async def write(self, ctx: ActionContext, data: Note) -> NoteRef:
        ctx.client.calls.append(f"write {data.reference}")
        if ctx.client.at_the_socket is not None:
            ctx.client.at_the_socket()
        failure = ctx.client.fails_for.get(data.reference) or ctx.client.fail_next_write
        if failure is not None:
            ctx.client.fail_next_write = None
            raise failure
        ctx.client.written.append(data)
        return NoteRef(id=f"n{len(ctx.client.written)}", amount=data.amount)

    def pretend(self, data: Note) -> NoteRef:
        return NoteRef(id="(new)", amount=data.amount)

    async def foresee(self, ctx: ActionContext, data: Note) -> list[str]:
        return [f"a note {data.reference} would be written"]


class LookFirst(_Write):
    key, title, once = "look_first", "Write a note", Once.LOOK_FIRST


class NaturalKey(_Write):
    key, title, once = "natural_key", "Put a note", Once.NATURAL_KEY


class NativeKey(_Write):
    key, title, once = "native_key", "Post a note", Once.NATIVE_KEY


class Absolute(_Write):
    key, title, once = "absolute", "Set a note", Once.ABSOLUTE


WRITES = {action.key: action for action in (LookFirst, NaturalKey, NativeKey, Absolute)}
OPERATIONS: dict[str, type[Action]] = {**WRITES, GetThing.key: GetThing}


def connector(key: str) -> Connector:
    return Connector(
        key=key,
        name=key.title(),
        summary="",
        docs="",
        auth=AuthKind.PASSWORD,
        fields=(),
        open_client=lambda door, view: None,  # type: ignore[arg-type,return-value]
        actions=tuple(OPERATIONS.values()),
    )


@dataclass
class MemoryLinks:
    known: dict[str, Link] = field(default_factory=dict)

    async def find(self, effect_key: str) -> Link | None:
        return self.known.get(effect_key)

    async def of_record(self, operation: str) -> list[Link]:
        return [link for link in self.known.values() if link.operation == operation]

    async def remember(self, link: Link) -> None:
        self.known[link.effect_key] = link


@dataclass
class MemoryJournal:
    steps: list[StepRecord] = field(default_factory=list)
    open: dict[str, float] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def step(self, record: StepRecord) -> None:
        self.steps.append(record)

    def sending(self, effect_key: str, settle_seconds: float) -> None:
        self.sent.append(effect_key)
        self.open[effect_key] = settle_seconds

    def settled(self, effect_key: str) -> None:
        self.open.pop(effect_key)


@dataclass
class MemoryLease:
    asked: list[float] = field(default_factory=list)
    lost: BaseException | None = None

    longest_call_seconds = 60.0

    def ensure(self, seconds: float) -> None:
        self.asked.append(seconds)
        if self.lost is not None:
            raise self.lost


@dataclass
class MemoryHost:
    world: Any = field(default_factory=World)
    settings: Mapping[str, Any] = field(default_factory=dict)
    operations: Mapping[str, type[Action]] = field(default_factory=lambda: OPERATIONS)
    tenant_id: str = "t1"
    record_type: str = "order"
    record_id: str = "1001"
    generation: int = 1
    may_be_a_repeat: bool = False
    dry_run: bool = False
    links: MemoryLinks = field(default_factory=MemoryLinks)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    lease: MemoryLease = field(default_factory=MemoryLease)
    facts: dict[str, Any] = field(default_factory=dict)
    reads: dict[str, dict[tuple[str, str], Any]] = field(default_factory=dict)
    search: dict[str, str] = field(default_factory=dict)
    roles: dict[str, Role] = field(
        default_factory=lambda: {
            "shop": Role("shop", "shopware", "shop-1", "c1"),
            "ledger": Role("ledger", "books", "ledger-1", "c2"),
        }
    )
    source_role: str = "shop"

    @property
    def source(self) -> Role:
        return self.roles[self.source_role]

    def role(self, name: str) -> Role:
        return self.roles[name]

    def action(self, role: str, operation: str) -> Action:
        return self.operations[operation]()

    async def context(self, role: str) -> ActionContext:
        async def remembered(key: str, ttl: float, load: Any) -> Any:
            return await load()

        return ActionContext(self.world, self.roles[role].account_id, dict(self.settings), self.now, remembered)

    def now(self) -> datetime:
        return NOW

    def again(self, **changes: Any) -> MemoryHost:
        """The next attempt: same world, same remembered links, everything else fresh."""
        fresh: dict[str, Any] = {
            "world": self.world,
            "settings": self.settings,
            "operations": self.operations,
            "links": self.links,
            "record_type": self.record_type,
            "record_id": self.record_id,
            "roles": self.roles,
            "source_role": self.source_role,
        }
        return MemoryHost(**{**fresh, **changes})


def flow_of(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "key": "test-flow",
        "title": "A flow",
        "trigger": {"role": "shop", "record_type": "order", "via": ["manual"]},
        "steps": [{"title": step.get("id", "step"), **step} for step in steps],
        **more,
    }


def run(flow: Mapping[str, Any], host: MemoryHost, event: Mapping[str, Any] | None = None) -> WalkResult:
    return asyncio.run(walk(flow_compile(flow), event or {}, host))


def state_of(host: MemoryHost) -> dict[str, str]:
    return {step.path: step.state for step in host.journal.steps}
