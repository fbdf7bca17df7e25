"""How KashFlow's books look before each write, for the test that loses its answer."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from connectors.base.gate import OpenGate
from connectors.base.http import HttpPool
from connectors.base.manifest import ConnectionView
from connectors.kashflow.manifest import CONNECTOR
from sandbox.common.server import running
from sandbox.kashflow import KashFlow as StandIn
from tests.connectors.kashflow.conftest import LOCAL, Desk
from tests.connectors.kashflow.drafts import customer, invoice, line, payment
from tests.connectors.lost_answers import Case

DIALECTS = ("soap", "rest")


async def run(ctx, key, data):
    action = CONNECTOR.action(key)()
    return await action.write(ctx, action.input.model_validate(data))


async def made(ctx, **changes):
    someone = await run(ctx, "ensure_customer", customer())
    return await run(ctx, "create_invoice", invoice(someone.id, **changes))


async def a_document(ctx):
    return invoice((await run(ctx, "ensure_customer", customer())).id)


async def a_customer(ctx):
    return customer()


async def a_changed_customer(ctx):
    written = customer()
    await run(ctx, "ensure_customer", written)
    return customer(phone="0113 4960009", last_written=written)


async def a_payment(ctx):
    return payment((await made(ctx)).number)


async def a_payment_to_delete(ctx):
    document = await made(ctx)
    paid = await run(ctx, "record_payment", payment(document.number))
    return {"document_number": document.number, "payment_id": paid.id, "reference": "pay-1001"}


async def a_document_to_delete(ctx):
    document = await made(ctx)
    return {"number": document.number, "reference": document.reference, "expected_gross": str(document.gross)}


async def a_credit_note(ctx):
    document = await made(ctx)
    credit = await made(ctx, reference="NOP-1001-CR1", lines=[line(unit_price="-8.33", tax="-3.33")])
    return {"invoice_number": document.number, "credit_number": credit.number, "reference": "NOP-1001-CR1"}


async def a_note(ctx):
    return {"number": (await made(ctx)).number, "text": "Order edited in the shop."}


async def a_product(ctx):
    return {"source_id": "", "sku": "MUG-77", "name": "Mug", "price": "5.00", "nominal": "100", "tax_rate": "20"}


async def a_stock_level(ctx):
    return {"sku": "SKU-003", "quantity": 7}


CASES: dict[str, list[Case]] = {
    "add_invoice_note": [Case(a_note, unless=("rest",))],
    "apply_credit_note": [Case(a_credit_note, unless=("rest",))],
    "create_invoice": [Case(a_document)],
    "delete_invoice": [Case(a_document_to_delete)],
    "delete_payment": [Case(a_payment_to_delete)],
    "ensure_customer": [Case(a_customer), Case(a_changed_customer)],
    "record_payment": [Case(a_payment)],
    "set_stock": [Case(a_stock_level)],
    "upsert_product": [Case(a_product)],
}


class Ledger:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def reset(self) -> None:
        self._desk.control("POST", "reset", {"seed": 1})

    def faults(self, *rules: dict[str, Any]) -> None:
        self._desk.faults(*rules)

    def books(self) -> Any:
        return self._desk.books()

    @asynccontextmanager
    async def open(self, wrap):
        pool = HttpPool()
        secrets = {"username": "demo", "password": "demo-password", "memorable_word": "lighthouse"}
        try:
            door = wrap(pool.door(OpenGate(), LOCAL))
            yield Desk.context(CONNECTOR.open_client(door, ConnectionView("c1", secrets, self._desk.settings)))
        finally:
            await pool.close()


def worlds():
    """Yields a function from a dialect to a world, over one running stand-in."""
    with running(StandIn()) as url:
        yield lambda dialect: Ledger(Desk(url, dialect, settle_seconds="0.5"))
