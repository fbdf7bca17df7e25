"""The stub's accounting: customers by upsert, invoices by our order number, a stated rate limit."""

from __future__ import annotations

from typing import Any

from bench.sixcall.client import AUTH, FIELDS, StubClient
from bench.sixcall.shop import SETTLE_SECONDS, ShopAddress
from connectors.base.actions import ActionContext, Found, Once, Verdict, WriteAction
from connectors.base.errors import Held
from connectors.base.manifest import ConnectionView, Connector, RateLimit
from connectors.base.records import Amount, Canonical

# Far above what the machine does: budgets are in use, and never the brake.
LIMIT = RateLimit(calls=1_000_000, per_seconds=60.0, source="bench: generous on purpose")


class BooksCustomer(Canonical):
    email: str
    name: str
    vat: str = ""
    address: ShopAddress


class BooksCustomerRef(Canonical):
    id: str
    email: str
    created: bool = False


class InvoiceLine(Canonical):
    """``net`` is per unit, to the cent."""

    sku: str
    text: str
    qty: int
    net: Amount


class BooksInvoice(Canonical):
    order_id: str
    customer: str
    currency: str
    total: Amount
    lines: tuple[InvoiceLine, ...]


class BooksInvoiceRef(Canonical):
    id: str
    number: str


class UpsertCustomer(WriteAction[BooksCustomer, BooksCustomerRef]):
    key, title, input, output = "upsert_customer", "Find or create a customer", BooksCustomer, BooksCustomerRef
    once = Once.NATURAL_KEY
    settle_seconds = SETTLE_SECONDS

    def external_id(self, output: BooksCustomerRef) -> str:
        return output.id

    def pretend(self, data: BooksCustomer) -> BooksCustomerRef:
        return BooksCustomerRef(id="(new)", email=data.email, created=True)

    async def write(self, ctx: ActionContext, data: BooksCustomer) -> BooksCustomerRef:
        made = await ctx.client.write(
            "POST",
            "/acc/customers",
            operation="upsert_customer",
            what="customer",
            body=data.model_dump(),
        )
        return BooksCustomerRef.model_validate(made)


class CreateInvoice(WriteAction[BooksInvoice, BooksInvoiceRef]):
    key, title, input, output = "create_invoice", "Create an invoice", BooksInvoice, BooksInvoiceRef
    once = Once.LOOK_FIRST
    settle_seconds = SETTLE_SECONDS

    def external_id(self, output: BooksInvoiceRef) -> str:
        return output.id

    def pretend(self, data: BooksInvoice) -> BooksInvoiceRef:
        return BooksInvoiceRef(id="(new)", number="(new)")

    async def find(self, ctx: ActionContext, data: BooksInvoice) -> Found[BooksInvoiceRef] | None:
        """:raises Held: the stub as handed over has no search, so nobody can tell whether the invoice is there."""
        if not ctx.client.searchable:
            raise Held(
                f"Whether order {data.order_id} has an invoice cannot be looked up here.",
                code="cannot_look",
                cure="Look for the invoice yourself.",
            )
        found = await ctx.client.read(
            "/acc/invoices", operation="find_invoice", what=f"invoice of order {data.order_id}", order_id=data.order_id
        )
        rows = found["items"] if found else []
        if not rows:
            return None
        invoice = BooksInvoiceRef.model_validate(rows[0])
        return Found(Verdict.SAME, invoice, invoice.id)

    async def write(self, ctx: ActionContext, data: BooksInvoice) -> BooksInvoiceRef:
        made = await ctx.client.write(
            "POST",
            "/acc/invoices",
            operation="create_invoice",
            what=f"invoice of order {data.order_id}",
            body=data.model_dump(mode="json"),  # amounts as texts with all their digits, as the stub writes them
        )
        return BooksInvoiceRef.model_validate(made)


def _open(door: Any, view: ConnectionView) -> StubClient:
    return StubClient(door, view, "/acc/customers?email=ada@example.test")


BOOKS = Connector(
    key="bench_books",
    name="Bench books",
    summary="The accounting of the bench's stub.",
    docs="bench/README.md",
    auth=AUTH,
    fields=FIELDS,
    open_client=_open,
    actions=(UpsertCustomer, CreateInvoice),
    limit=LIMIT,
)
