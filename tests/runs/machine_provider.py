"""A provider in memory that behaves as badly as real ones may: late landings, lost answers, unreadable writes.

Every call is suspended before it leaves and before its answer arrives, so that a test decides what happens in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from pydantic import BaseModel

from connectors.base.actions import ActionContext, Found, Once, ReadAction, Verdict, WriteAction
from connectors.base.errors import NotSent, OutcomeUnknown, Rejected
from connectors.base.manifest import AuthKind, Connector

# Far apart and no multiples of the steps in which a machine's time goes on (100 s): a slow test run changes no order.
LEASE_SECONDS = 920.0
SETTLE_SECONDS = 640.0
CALL_SECONDS = 330.0


@dataclass(frozen=True)
class Fate:
    """What becomes of one write. ``lands_after`` seconds from sending, readable ``unread_for`` seconds later."""

    lands_after: float = 0.0
    unread_for: float = 0.0
    answer: type[Exception] | None = None
    silent: bool = False


FATES = {
    "done": Fate(),
    "done, unreadable for a while": Fate(unread_for=600.0),
    "answer lost": Fate(answer=OutcomeUnknown),
    "answer lost, unreadable for a while": Fate(unread_for=600.0, answer=OutcomeUnknown),
    "lands late": Fate(lands_after=600.0, answer=OutcomeUnknown),
    "lands late, no answer": Fate(lands_after=300.0, unread_for=300.0, silent=True),
    "never lands": Fate(lands_after=inf, answer=OutcomeUnknown),
    "refused at the door": Fate(lands_after=inf, answer=NotSent),
    "rejected": Fate(lands_after=inf, answer=Rejected),
}


class Ask(BaseModel):
    id: str


class Payment(BaseModel):
    key: str


class Order(BaseModel):
    id: str
    payments: list[Payment]


class Paper(BaseModel):
    reference: str


class PaperRef(BaseModel):
    id: str


@dataclass
class Written:
    """One write that left us: ``lands_at`` may lie in the future, or never come."""

    number: str
    reference: str
    effect_key: str
    lands_at: float
    readable_at: float


@dataclass
class Provider:
    """Both systems of all tenants. ``now`` is the machine's time, ``moment`` counts its steps."""

    now: float = 0.0
    moment: int = 0
    orders: dict[str, list[str]] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)
    read_at: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def order_read(self, number: str) -> Order:
        self.read_at[number] = self.moment
        return Order(id=number, payments=[Payment(key=key) for key in self.orders[number]])

    def send(self, reference: str, effect_key: str, fate: Fate) -> Written:
        row = Written(
            number=f"d{len(self.written) + 1}",
            reference=reference,
            effect_key=effect_key,
            lands_at=self.now + fate.lands_after,
            readable_at=self.now + fate.lands_after + fate.unread_for,
        )
        self.written.append(row)
        if len(self.standing(reference)) > 1:
            self.broken.append(f"{reference} is written twice")
        if any(other.effect_key != effect_key for other in self.standing(reference) if other.effect_key):
            self.broken.append(f"{reference} goes by two effect keys")
        return row

    def make_by_hand(self, reference: str) -> None:
        self.written.append(Written(f"d{len(self.written) + 1}", reference, "", self.now, self.now))

    def standing(self, reference: str) -> list[Written]:
        """What is there, or will be."""
        return [row for row in self.written if row.reference == reference and row.lands_at < inf]

    def find(self, reference: str, *, in_earnest: bool) -> Written | None:
        """:param in_earnest: whether what is not found may be written; a look of one whose lease is over is idle."""
        for row in self.standing(reference):
            if row.readable_at <= self.now:
                return row
            # The rule itself, not only what follows from breaking it (C3).
            if in_earnest:
                self.broken.append(f"{reference} is looked for while an earlier write may still land")
        return None


class GetOrder(ReadAction[Ask, Order]):
    key, title, input, output = "get_order", "Fetch the order", Ask, Order

    async def run(self, ctx: ActionContext, data: Ask) -> Order | None:
        return await ctx.client.read(data.id)


class WritePaper(WriteAction[Paper, PaperRef]):
    key, title, input, output = "write_paper", "Write the paper", Paper, PaperRef
    once = Once.LOOK_FIRST
    settle_seconds = SETTLE_SECONDS
    timeout_seconds = CALL_SECONDS

    def external_id(self, output: PaperRef) -> str:
        return output.id

    async def find(self, ctx: ActionContext, data: Paper) -> Found[PaperRef] | None:
        row = await ctx.client.look(data.reference)
        return Found(Verdict.SAME, PaperRef(id=row.number), row.number) if row else None

    async def write(self, ctx: ActionContext, data: Paper) -> PaperRef:
        row = await ctx.client.write(data.reference, ctx.effect_key)
        return PaperRef(id=row.number)

    def pretend(self, data: Paper) -> PaperRef:
        return PaperRef(id="(new)")


def _connector(key: str) -> Connector:
    return Connector(
        key=key,
        name=key,
        summary="",
        docs="",
        auth=AuthKind.PASSWORD,
        fields=(),
        open_client=lambda door, view: None,  # type: ignore[arg-type,return-value]
        actions=(GetOrder, WritePaper),
        triggers=(),
    )


CONNECTORS = {key: _connector(key) for key in ("machineshop", "machinebooks")}


def _write(step: str, reference: str, qualifier: str) -> dict[str, Any]:
    return {
        "id": step,
        "kind": "action",
        "title": "Write the paper",
        "role": "books",
        "operation": "write_paper",
        "input": {"fields": [{"target": "reference", "formula": reference}]},
        "effect": {"qualifier": qualifier},
    }


FLOW = {
    "schema": 1,
    "key": "order-to-papers",
    "title": "Order to papers",
    "trigger": {"role": "shop", "record_type": "order", "via": ["webhook", "poll", "manual", "import"]},
    "steps": [
        {
            "id": "order",
            "kind": "action",
            "title": "Fetch the order",
            "role": "shop",
            "operation": "get_order",
            "input": {"fields": [{"target": "id", "source": "source.record_id"}]},
        },
        _write("invoice", "order.id + ' invoice'", "'invoice'"),
        {
            "id": "payments",
            "kind": "for_each",
            "title": "Write every payment",
            "items": "order.payments",
            "item": "payment",
            "item_key": "payment.key",
            "on_item_failure": "continue",
            "steps": [_write("payment", "order.id + ' ' + payment.key", "payment.key")],
        },
    ],
}
PAIR = {
    "pair": {
        "schema": 1,
        "key": "machine-pair",
        "title": "Machine pair",
        "source": {"name": "shop", "connector": "machineshop"},
        "others": [{"name": "books", "connector": "machinebooks"}],
        "flows": ["order-to-papers"],
    },
    "flows": [FLOW],
}


def papers_of(number: str, payments: list[str]) -> set[str]:
    """References of everything an order in this state becomes."""
    return {f"{number} invoice", *(f"{number} {key}" for key in payments)}
