"""Two small systems in memory and a pair between them, so that the queue can be proved without any provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from connectors.base.actions import ActionContext, Found, Once, ReadAction, Verdict, WriteAction
from connectors.base.manifest import AuthKind, Connector
from connectors.base.triggers import Observation, Page, PollTrigger

SETTLE_SECONDS = 5.0


class Ask(BaseModel):
    id: str


class Order(BaseModel):
    id: str
    total: str = "1.00"


class Document(BaseModel):
    reference: str
    total: str = "1.00"


class DocumentRef(BaseModel):
    id: str


@dataclass
class World:
    """What is out there, what was asked of it, and what goes wrong next (``before`` is awaited by every write)."""

    orders: dict[str, str] = field(default_factory=dict)
    documents: list[Document] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    read_fails: dict[str, Exception] = field(default_factory=dict)
    write_fails: dict[str, Exception] = field(default_factory=dict)
    lost_answer: dict[str, Exception] = field(default_factory=dict)
    pages: list[Page | Exception] = field(default_factory=list)
    cursors_seen: list[Any] = field(default_factory=list)
    before_read: Any = None
    before_write: Any = None

    def count(self, call: str) -> int:
        return self.calls.count(call)


WORLD = World()


class GetOrder(ReadAction[Ask, Order]):
    key, title, input, output = "get_order", "Fetch the order", Ask, Order

    async def run(self, ctx: ActionContext, data: Ask) -> Order | None:
        WORLD.calls.append(f"get {data.id}")
        if WORLD.before_read is not None:
            await WORLD.before_read(data.id)
        if (failure := WORLD.read_fails.get(data.id)) is not None:
            raise failure
        total = WORLD.orders.get(data.id)
        return None if total is None else Order(id=data.id, total=total)


class WriteDocument(WriteAction[Document, DocumentRef]):
    key, title, input, output = "write_document", "Write the document", Document, DocumentRef
    once = Once.LOOK_FIRST
    settle_seconds = SETTLE_SECONDS
    timeout_seconds = 5.0

    def external_id(self, output: DocumentRef) -> str:
        return output.id

    async def find(self, ctx: ActionContext, data: Document) -> Found[DocumentRef] | None:
        WORLD.calls.append(f"find {data.reference}")
        for place, known in enumerate(WORLD.documents, start=1):
            if known.reference == data.reference:
                return Found(Verdict.SAME, DocumentRef(id=f"d{place}"), f"d{place}")
        return None

    async def write(self, ctx: ActionContext, data: Document) -> DocumentRef:
        WORLD.calls.append(f"write {data.reference}")
        if WORLD.before_write is not None:
            await WORLD.before_write(data.reference)
        if (failure := WORLD.write_fails.get(data.reference)) is not None:
            raise failure
        WORLD.documents.append(data)
        if (failure := WORLD.lost_answer.pop(data.reference, None)) is not None:
            raise failure
        return DocumentRef(id=f"d{len(WORLD.documents)}")

    def pretend(self, data: Document) -> DocumentRef:
        return DocumentRef(id="(new)")


class Orders(PollTrigger):
    """Emits the pages the test has laid out; an exception among them ends the poll there."""

    key, title, record_type, interval_seconds = "orders", "Orders", "order", 30.0

    async def read(self, ctx: ActionContext, cursor: dict[str, Any] | None) -> AsyncIterator[Page]:
        WORLD.cursors_seen.append(cursor)
        for page in list(WORLD.pages):
            if isinstance(page, Exception):
                raise page
            yield page


class PastOrders(Orders):
    key, title, bounded = "past_orders", "Past orders", True


def page(*seen: tuple[str, str | None], cursor: int) -> Page:
    return Page(tuple(Observation("order", number, mark) for number, mark in seen), {"at": cursor})


def connector(key: str) -> Connector:
    return Connector(
        key=key,
        name=key.title(),
        summary="",
        docs="",
        auth=AuthKind.PASSWORD,
        fields=(),
        open_client=lambda door, view: WORLD,  # type: ignore[arg-type,return-value]
        actions=(GetOrder, WriteDocument),
        triggers=(Orders, PastOrders),
    )


CONNECTORS = {key: connector(key) for key in ("fakeshop", "fakebooks")}

FLOW = {
    "schema": 1,
    "key": "order-to-document",
    "title": "Order to document",
    "trigger": {"role": "shop", "record_type": "order", "via": ["webhook", "poll", "manual", "import"]},
    "facts": {"label": "order.id", "amount": "order.total", "currency": "'GBP'"},
    "steps": [
        {
            "id": "order",
            "kind": "action",
            "title": "Fetch the order",
            "role": "shop",
            "operation": "get_order",
            "input": {"fields": [{"target": "id", "source": "source.record_id"}]},
        },
        {
            "id": "there",
            "kind": "validate",
            "title": "It exists",
            "rules": [{"check": "order != None", "otherwise": "skip", "message": "The order no longer exists."}],
        },
        {
            "id": "document",
            "kind": "action",
            "title": "Write the document",
            "role": "books",
            "operation": "write_document",
            "input": {
                "fields": [
                    {"target": "reference", "source": "order.id"},
                    {"target": "total", "source": "order.total"},
                ]
            },
            "effect": {"qualifier": "'document'"},
        },
    ],
}
PAIR = {
    "pair": {
        "schema": 1,
        "key": "fake-pair",
        "title": "Fake pair",
        "source": {"name": "shop", "connector": "fakeshop"},
        "others": [{"name": "books", "connector": "fakebooks"}],
        "flows": ["order-to-document"],
    },
    "flows": [FLOW],
}
