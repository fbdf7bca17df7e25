"""A shop and a ledger in memory behind the real operations' input shapes, for walks of the shipped pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from engine_fakes import MemoryHost
from pydantic import BaseModel

from connectors.base.actions import Action, ActionContext, Found, ReadAction, Verdict, WriteAction
from connectors.base.errors import OutcomeUnknown
from connectors.base.records import (
    Customer,
    CustomerDraft,
    CustomerRef,
    InvoiceDraft,
    InvoiceRef,
    LineKind,
    Order,
    OrderLine,
    OrderStatus,
    Payment,
    PaymentDraft,
    PaymentRef,
    PaymentStatus,
    Product,
    StockLevel,
    TaxTotal,
)
from connectors.kashflow.actions import ACTIONS as LEDGER_ACTIONS
from connectors.nopcommerce.actions import ACTIONS as SHOP_ACTIONS
from flows.engine.compile import CompiledPair, compile_pair
from flows.engine.ports import Role
from flows.engine.walker import WalkResult
from flows.prebuilt import prebuilt_pair

REAL = {
    **{("shop", action.key): action for action in SHOP_ACTIONS},
    **{("ledger", action.key): action for action in LEDGER_ACTIONS},
}
PLACED = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


@dataclass
class Worlds:
    """Both systems. ``lose_answer``: the next write lands and its answer is lost."""

    orders: dict[str, Order] = field(default_factory=dict)
    customers: dict[str, CustomerDraft] = field(default_factory=dict)
    documents: list[tuple[str, InvoiceDraft]] = field(default_factory=list)
    payments: list[PaymentDraft] = field(default_factory=list)
    products: dict[str, Product] = field(default_factory=dict)
    shop_products: dict[str, Product] = field(default_factory=dict)
    ledger_customers: dict[str, CustomerRef] = field(default_factory=dict)
    written: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lose_answer: bool = False
    recomputes_by: Decimal = Decimal(0)

    def by_reference(self, reference: str) -> InvoiceDraft:
        return {draft.reference: draft for _, draft in self.documents}[reference]

    @property
    def references(self) -> list[str]:
        return [draft.reference for _, draft in self.documents]

    @property
    def balance(self) -> Decimal:
        """What all documents come to."""
        return sum((draft.gross for _, draft in self.documents), Decimal(0))


def reads(role: str, key: str, answer: Any) -> tuple[tuple[str, str], type[Action]]:
    real = REAL[role, key]

    class Read(ReadAction):
        input, output, title = real.input, real.output, real.title

        async def run(self, ctx: ActionContext, data: Any) -> Any:
            return answer(ctx.client, data)

    Read.key = key
    return (role, key), Read


def writes(role: str, key: str, write: Any, find: Any = None) -> tuple[tuple[str, str], type[Action]]:
    real = REAL[role, key]
    assert issubclass(real, WriteAction)

    class Write(WriteAction):
        input, output, title, once, settle_seconds = real.input, real.output, real.title, real.once, 1.0

        def external_id(self, output: Any) -> str:
            return real.external_id(self, output)  # type: ignore[arg-type]

        async def find(self, ctx: ActionContext, data: Any) -> Any:
            return find(ctx.client, data) if find else None

        async def write(self, ctx: ActionContext, data: Any) -> Any:
            world: Worlds = ctx.client
            result = write(world, data)
            world.written.append((key, data.model_dump()))
            if world.lose_answer:
                world.lose_answer = False
                raise OutcomeUnknown("the answer was lost")
            return result

        def pretend(self, data: Any) -> Any:
            return write(Worlds(), data)

        async def foresee(self, ctx: ActionContext, data: Any) -> list[str]:
            return [f"writes {key}"]

    Write.key = key
    return (role, key), Write


def ensure_customer(world: Worlds, data: CustomerDraft) -> CustomerRef:
    created = data.code not in world.customers
    world.customers[data.code] = data
    return CustomerRef(id=f"c-{data.code}", code=data.code, email=data.email, name=data.name, created=created)


def invoice_ref(world: Worlds, number: str, draft: InvoiceDraft) -> InvoiceRef:
    return InvoiceRef(
        number=number,
        reference=draft.reference,
        customer_id=draft.customer_id,
        issued_date=draft.issued_date,
        currency=draft.currency,
        net=draft.net,
        tax=draft.tax,
        gross=draft.gross + world.recomputes_by,
    )


def create_invoice(world: Worlds, data: InvoiceDraft) -> InvoiceRef:
    number = str(len(world.documents) + 1)
    world.documents.append((number, data))
    return invoice_ref(world, number, data)


def find_invoice(world: Worlds, data: InvoiceDraft) -> Found[InvoiceRef] | None:
    for number, draft in world.documents:
        if draft.reference == data.reference:
            same = draft.gross == data.gross
            verdict = Verdict.SAME if same else Verdict.CHANGED
            return Found(
                verdict, invoice_ref(world, number, draft), number, "" if same else f"{draft.gross}, not {data.gross}"
            )
    return None


def get_invoice(world: Worlds, data: Any) -> InvoiceRef | None:
    return next((invoice_ref(world, number, draft) for number, draft in world.documents if number == data.number), None)


def record_payment(world: Worlds, data: PaymentDraft) -> PaymentRef:
    world.payments.append(data)
    return PaymentRef(id=f"p{len(world.payments)}", document_number=data.document_number, amount=data.amount)


def find_payment(world: Worlds, data: PaymentDraft) -> Found[PaymentRef] | None:
    for place, paid in enumerate(world.payments):
        if paid.reference == data.reference:
            ref = PaymentRef(id=f"p{place + 1}", document_number=paid.document_number, amount=paid.amount)
            return Found(Verdict.SAME, ref, ref.id)
    return None


def echo(**more: Any) -> Any:
    """A write whose output repeats its input."""

    def write(model: type[BaseModel]) -> Any:
        return lambda world, data: model.model_validate(
            {**{n: v for n, v in data.model_dump().items() if n in model.model_fields}, **more}
        )

    return write


OPERATIONS = dict(
    [
        reads("shop", "get_order", lambda world, data: world.orders.get(data.order_id)),
        reads(
            "shop",
            "get_customer",
            lambda world, data: Customer(source_id=data.customer_id, email="a@b.c", first_name="A"),
        ),
        reads("shop", "get_product", lambda world, data: world.shop_products.get(data.sku)),
        reads("shop", "get_product_by_id", lambda world, data: world.shop_products.get(data.product_id)),
        reads("ledger", "get_product", lambda world, data: world.products.get(data.code)),
        reads("ledger", "get_invoice", get_invoice),
        reads("ledger", "find_customer", lambda world, data: world.ledger_customers.get(data.code)),
        writes("ledger", "ensure_customer", ensure_customer),
        writes("ledger", "create_invoice", create_invoice, find_invoice),
        writes("ledger", "record_payment", record_payment, find_payment),
        writes("ledger", "delete_invoice", echo(existed=True)(REAL["ledger", "delete_invoice"].output)),
        writes("ledger", "apply_credit_note", echo()(REAL["ledger", "apply_credit_note"].output)),
        writes("ledger", "upsert_product", echo()(Product)),
        writes("shop", "set_stock", echo()(StockLevel)),
        writes("shop", "set_order_status", echo(changed=True)(REAL["shop", "set_order_status"].output)),
        writes("shop", "add_order_note", echo(id="n")(REAL["shop", "add_order_note"].output)),
        writes("shop", "upsert_product", echo(source_id="9", name="x", price=1)(Product)),
        writes("shop", "upsert_customer", echo(id="7")(CustomerRef)),
    ]
)


@dataclass
class PairHost(MemoryHost):
    def action(self, role: str, operation: str) -> Action:
        return OPERATIONS[role, operation]()


PAIR: CompiledPair = compile_pair(prebuilt_pair("nopcommerce-kashflow"))


def pair_host(world: Worlds, **more: Any) -> PairHost:
    settings = {**PAIR.setting_defaults, "reference_prefix": "NOP-", "start_at": datetime(2026, 1, 1, tzinfo=UTC)}
    settings.update(more.pop("settings", {}))
    roles = {
        "shop": Role("shop", "nopcommerce", "shop-1", "c1"),
        "ledger": Role("ledger", "kashflow", "books-1", "c2"),
    }
    return PairHost(world=world, settings=settings, roles=roles, **more)


def next_attempt(host: PairHost, **changes: Any) -> PairHost:
    fresh: dict[str, Any] = {
        "world": host.world,
        "settings": host.settings,
        "links": host.links,
        "roles": host.roles,
        "record_type": host.record_type,
        "record_id": host.record_id,
        "source_role": host.source_role,
    }
    return PairHost(**{**fresh, **changes})


async def walk_record(host: PairHost, event: dict[str, Any] | None = None) -> dict[str, WalkResult]:
    """All flows of the pair for the host's record type, as an attempt walks them."""
    from flows.engine.walker import walk

    results = {}
    for flow in PAIR.flows:
        if flow.record_type == host.record_type and not flow.takes_back and flow.enabled(host.settings):
            host.source_role = flow.source_role
            results[flow.key] = await walk(flow, event or {}, host)
    return results


def line(line_id: str = "1", net: str = "8.33", tax: str = "1.67", **more: Any) -> OrderLine:
    given: dict[str, Any] = {
        "kind": LineKind.PRODUCT,
        "sku": "MUG",
        "description": "Mug",
        "quantity": Decimal(1),
        "tax_rate": Decimal(20),
        **more,
    }
    return OrderLine(id=line_id, net=Decimal(net), tax=Decimal(tax), **given)


def order(**more: Any) -> Order:
    """A paid order of one mug and carriage: 10.00 + 5.00."""
    lines = more.pop(
        "lines", (line(), line("2", "4.17", "0.83", kind=LineKind.SHIPPING, sku="", description="Carriage"))
    )
    gross = sum((one.net + one.tax for one in lines), Decimal(0))
    tax = sum((one.tax for one in lines), Decimal(0))
    status = more.setdefault("payment_status", PaymentStatus.PAID)
    paid = status not in (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)
    payment = Payment(reference="cap-1", method="Payments.PayPalStandard", amount=gross, currency="GBP", paid_at=PLACED)
    given: dict[str, Any] = {
        "source_id": "1001",
        "number": "1001",
        "placed_at": PLACED,
        "placed_date": date(2026, 3, 4),
        "status": OrderStatus.PROCESSING,
        "currency": "GBP",
        "customer": Customer(source_id="7", email="anna@example.org", first_name="Anna", last_name="Lee"),
        "payment_method": "Payments.PayPalStandard",
        "lines": tuple(lines),
        "taxes": (TaxTotal(rate=Decimal(20), tax=tax),),
        "payments": (payment,) if paid else (),
        "gross": gross,
        "total": gross,
        "tax_total": tax,
        **more,
    }
    return Order(**given)
