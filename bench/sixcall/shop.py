"""The stub's shop: orders with a webhook, customers, stock, order status."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bench.sixcall.client import AUTH, FIELDS, StubClient
from connectors.base.actions import ActionContext, Once, ReadAction, WriteAction
from connectors.base.manifest import ConnectionView, Connector
from connectors.base.records import Amount, Canonical
from connectors.base.triggers import BadSignature, Hint, MalformedHook, Webhook

SIGNATURE_HEADER = "x-bench-signature"
SETTLE_SECONDS = 2.0


class OrderQuery(Canonical):
    order_id: str


class CustomerQuery(Canonical):
    customer_id: str


class ShopAddress(Canonical):
    street: str
    zip: str
    city: str
    country: str


class ShopLine(Canonical):
    """``price`` is per unit with tax; ``tax_rate`` a fraction."""

    sku: str
    name: str
    qty: int
    price: Amount
    tax_rate: Amount
    properties: dict[str, str] = {}


class ShopOrder(Canonical):
    id: str
    number: str
    currency: str
    customer_id: str
    total: Amount
    tax: Amount
    created_at: str
    line_items: tuple[ShopLine, ...]
    shipping: ShopAddress


class ShopCustomer(Canonical):
    id: str
    email: str
    first_name: str
    last_name: str
    phone: str = ""
    vat_id: str = ""
    address: ShopAddress


class StockMove(Canonical):
    """The change the reference flow sends; the stub keeps no stock."""

    sku: str
    delta: int


class NewStatus(Canonical):
    order_id: str
    status: str
    invoice: str


class Accepted(Canonical):
    id: str


class GetOrder(ReadAction[OrderQuery, ShopOrder]):
    key, title, input, output = "get_order", "Fetch an order", OrderQuery, ShopOrder

    async def run(self, ctx: ActionContext, data: OrderQuery) -> ShopOrder | None:
        found = await ctx.client.read(
            f"/shop/orders/{quote(data.order_id, safe='')}", operation="get_order", what=f"order {data.order_id}"
        )
        return ShopOrder.model_validate(found) if found else None


class GetCustomer(ReadAction[CustomerQuery, ShopCustomer]):
    key, title, input, output = "get_customer", "Fetch a customer", CustomerQuery, ShopCustomer

    async def run(self, ctx: ActionContext, data: CustomerQuery) -> ShopCustomer | None:
        found = await ctx.client.read(
            f"/shop/customers/{quote(data.customer_id, safe='')}",
            operation="get_customer",
            what=f"customer {data.customer_id}",
        )
        return ShopCustomer.model_validate(found) if found else None


class SetStock(WriteAction[StockMove, Accepted]):
    key, title, input, output = "set_stock", "Set the stock", StockMove, Accepted
    once = Once.ABSOLUTE
    settle_seconds = SETTLE_SECONDS

    def external_id(self, output: Accepted) -> str:
        return output.id

    def pretend(self, data: StockMove) -> Accepted:
        return Accepted(id=data.sku)

    async def write(self, ctx: ActionContext, data: StockMove) -> Accepted:
        await ctx.client.write(
            "PUT",
            f"/shop/stock/{quote(data.sku, safe='')}",
            operation="set_stock",
            what=f"stock of {data.sku}",
            body={"delta": data.delta},
        )
        return Accepted(id=data.sku)


class SetOrderStatus(WriteAction[NewStatus, Accepted]):
    key, title, input, output = "set_order_status", "Set the status of an order", NewStatus, Accepted
    once = Once.ABSOLUTE
    settle_seconds = SETTLE_SECONDS

    def external_id(self, output: Accepted) -> str:
        return output.id

    def pretend(self, data: NewStatus) -> Accepted:
        return Accepted(id=data.order_id)

    async def write(self, ctx: ActionContext, data: NewStatus) -> Accepted:
        await ctx.client.write(
            "PUT",
            f"/shop/orders/{quote(data.order_id, safe='')}",
            operation="set_order_status",
            what=f"status of order {data.order_id}",
            body={"status": data.status, "invoice": data.invoice},
        )
        return Accepted(id=data.order_id)


class ShopWebhook(Webhook):
    """``{"account": "…", "topic": "order.paid", "order": {"id": "…"}}``, signed over the raw bytes."""

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str) -> None:
        if not hmac.compare_digest(signature(body, secret).encode(), headers.get(SIGNATURE_HEADER, "").encode()):
            raise BadSignature("the signature does not match")

    def parse(self, headers: Mapping[str, str], body: bytes) -> list[Hint]:
        try:
            delivery = json.loads(body)
            order_id, account, topic = str(delivery["order"]["id"]), str(delivery["account"]), str(delivery["topic"])
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedHook("the body names no order") from error
        return [Hint("order", order_id, topic, account, order_id)]


def signature(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def delivery(order_id: str, account: str) -> bytes:
    """A webhook's body as this shop sends it."""
    return json.dumps({"account": account, "topic": "order.paid", "order": {"id": order_id}}).encode()


def _open(door: Any, view: ConnectionView) -> StubClient:
    return StubClient(door, view, "/shop/customers/c1")


SHOP = Connector(
    key="bench_shop",
    name="Bench shop",
    summary="The shop of the bench's stub.",
    docs="bench/README.md",
    auth=AUTH,
    fields=FIELDS,
    open_client=_open,
    actions=(GetOrder, GetCustomer, SetStock, SetOrderStatus),
    webhook=ShopWebhook(),
)
