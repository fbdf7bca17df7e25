"""Reads of single records."""

from __future__ import annotations

from connectors.base.actions import ActionContext, ReadAction
from connectors.base.errors import Rejected
from connectors.base.records import Canonical, Customer, Order, Product
from connectors.nopcommerce.client import NopClient
from connectors.nopcommerce.entities import to_customer, to_order, to_product

HIGHEST_ID = 2**31 - 1


class OrderId(Canonical):
    order_id: str


class CustomerId(Canonical):
    customer_id: str


class ProductId(Canonical):
    product_id: str


class Sku(Canonical):
    sku: str


def client_of(ctx: ActionContext) -> NopClient:
    if not isinstance(ctx.client, NopClient):
        raise TypeError("not a client of this connector")
    return ctx.client


def number_of(text: str, what: str) -> int:
    """Ids of the shop are positive 32-bit numbers.

    :raises Rejected: something else, so nothing odd gets into a path.
    """
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal()) or not 0 < int(digits) <= HIGHEST_ID:
        raise Rejected(f"“{text[:40]}” is no {what} number of a nopCommerce shop.", code="bad_id")
    return int(digits)


class GetOrder(ReadAction[OrderId, Order]):
    """The whole order as the shop states it now, soft-deleted ones included (``deleted``).

    Amounts are in the shop's primary currency. Nothing is guessed: what does not add up is in ``arithmetic_note``.
    """

    key, title, input, output = "get_order", "Get an order", OrderId, Order

    async def run(self, ctx: ActionContext, data: OrderId) -> Order | None:
        client = client_of(ctx)
        parts = await (await client.shop(ctx)).order(number_of(data.order_id, "order"))
        return None if parts is None else to_order(parts, client.setup, await client.currency(ctx))


class GetCustomer(ReadAction[CustomerId, Customer]):
    """A customer with names and default addresses. A guest has no e-mail here; it is on the order's billing address."""

    key, title, input, output = "get_customer", "Get a customer", CustomerId, Customer

    async def run(self, ctx: ActionContext, data: CustomerId) -> Customer | None:
        shop = await client_of(ctx).shop(ctx)
        parts = await shop.customer(number_of(data.customer_id, "customer"))
        return to_customer(parts) if parts else None


class GetProduct(ReadAction[Sku, Product]):
    """By SKU: a product, else a combination. Where a SKU is not unique, the shop's own choice (the lowest id)."""

    key, title, input, output = "get_product", "Get a product by SKU", Sku, Product

    async def run(self, ctx: ActionContext, data: Sku) -> Product | None:
        client = client_of(ctx)
        found = await (await client.shop(ctx)).product_by_sku(data.sku) if data.sku.strip() else None
        return to_product(found, await client.currency(ctx)) if found else None


class GetProductById(ReadAction[ProductId, Product]):
    """By the shop's own number, as the ``products`` trigger names it."""

    key, title, input, output = "get_product_by_id", "Get a product by its number", ProductId, Product

    async def run(self, ctx: ActionContext, data: ProductId) -> Product | None:
        client = client_of(ctx)
        found = await (await client.shop(ctx)).product(number_of(data.product_id, "product"))
        return to_product(found, await client.currency(ctx)) if found else None
