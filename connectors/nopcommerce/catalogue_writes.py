"""Writes on stock, products and customers."""

from __future__ import annotations

from decimal import Decimal

from connectors.base.actions import ActionContext, Found, Once, Verdict
from connectors.base.errors import Rejected
from connectors.base.records import Amount, Canonical, Customer, CustomerRef, Product, StockLevel
from connectors.nopcommerce.entities import Sellable, clean_email, to_customer, to_product
from connectors.nopcommerce.families.base import NewValues
from connectors.nopcommerce.order_writes import ShopWrite
from connectors.nopcommerce.reads import client_of


class NewStock(Canonical):
    """``reference`` names this one change, such as the effect key: it must differ when a later change is meant."""

    sku: str
    quantity: int
    reference: str


class SetStock(ShopWrite):
    """Bring the quantity of a SKU to an absolute value; equal already means nothing is written.

    Family A: the shop's own delta call, and its stock history is searched for our message first, so that a repeat does
    not undo sales made in between. B and C: a PUT of the one member. Reads right before and after.
    """

    key, title, input, output = "set_stock", "Set the stock of a product", NewStock, StockLevel
    once = Once.ABSOLUTE

    def external_id(self, output: StockLevel) -> str:
        return output.sku

    def pretend(self, data: NewStock) -> StockLevel:
        return StockLevel(sku=data.sku, quantity=data.quantity)

    async def foresee(self, ctx: ActionContext, data: NewStock) -> list[str]:
        present = await (await client_of(ctx).shop(ctx)).product_by_sku(data.sku)
        now = "not managed" if present is None or present.quantity is None else str(present.quantity)
        return [f"Stock of {data.sku} in the shop: {now} → {data.quantity}"]

    async def write(self, ctx: ActionContext, data: NewStock) -> StockLevel:
        """:returns: the quantity read afterwards, which a sale of this very second may have lowered."""
        shop = await client_of(ctx).shop(ctx)
        present = _managed(await shop.product_by_sku(data.sku), data.sku)
        if present.quantity == data.quantity:
            return StockLevel(sku=data.sku, quantity=data.quantity)
        message = f"Stock set to {data.quantity} [{data.reference}]"
        if not await shop.change_stock(present, data.quantity, message):
            return StockLevel(sku=data.sku, quantity=present.quantity or 0)
        after = _managed(await shop.product_by_sku(data.sku), data.sku)
        return StockLevel(sku=data.sku, quantity=after.quantity or 0)


def _managed(found: Sellable | None, sku: str) -> Sellable:
    if found is None:
        raise Rejected(
            f"The shop has no product with the SKU {sku}.",
            code="unknown_sku",
            field="sku",
            cure="Correct the SKU in the shop or in the SKU table.",
        )
    if found.quantity is None:
        raise Rejected(
            f"The shop does not keep stock of {sku}.",
            code="stock_not_managed",
            field="sku",
            cure="Switch on “Track inventory” for this product in the shop, or exclude it.",
        )
    return found


class ProductValues(Canonical):
    """What is None stays as it is. ``price`` is the list price in the shop's primary currency and tax mode."""

    sku: str
    name: str | None = None
    price: Amount | None = None
    create_missing: bool = False


class UpsertProduct(ShopWrite):
    """Set name and price of the product with a SKU; create it (unpublished) where asked and missing.

    The product is looked up by SKU right before, so a repeat finds what the first call made; equal values write
    nothing.
    """

    key, title, input, output = "upsert_product", "Create or update a product", ProductValues, Product
    once = Once.ABSOLUTE

    def external_id(self, output: Product) -> str:
        return output.source_id

    def pretend(self, data: ProductValues) -> Product:
        return Product(source_id="(new)", sku=data.sku, name=data.name or "", price=data.price or Decimal(0))

    async def write(self, ctx: ActionContext, data: ProductValues) -> Product:
        client = client_of(ctx)
        shop, currency = await client.shop(ctx), await client.currency(ctx)
        present = await shop.product_by_sku(data.sku)
        if present is None:
            product_id = await self._create(ctx, data)
        else:
            product_id = present.product.id
            changes = _differing(present, data)
            if changes == NewValues():
                return to_product(present, currency)
            await shop.update_product(present, changes)
        after = await shop.product(product_id)
        if after is None:
            raise Rejected(f"The product {data.sku} is gone from the shop.", code="not_found")
        return to_product(after, currency)

    async def _create(self, ctx: ActionContext, data: ProductValues) -> int:
        if not data.create_missing:
            raise Rejected(f"The shop has no product with the SKU {data.sku}.", code="unknown_sku", field="sku")
        if not data.name or data.price is None:
            raise Rejected(
                f"A new product {data.sku} needs a name and a price.", code="incomplete_product", field="name"
            )
        shop = await client_of(ctx).shop(ctx)
        return await shop.create_product(data.sku, NewValues(data.name, data.price))


def _differing(present: Sellable, data: ProductValues) -> NewValues:
    combination = present.combination
    price = (
        present.product.price
        if combination is None or combination.overridden_price is None
        else combination.overridden_price
    )
    return NewValues(
        name=data.name if data.name and data.name != present.product.name else None,
        price=data.price if data.price is not None and data.price != price else None,
    )


class WantedCustomer(Canonical):
    customer: Customer


class UpsertCustomer(ShopWrite):
    """Bring a shop customer, found by e-mail, to the given names, phone and address; what is empty stays as it is.

    A missing one is created only with the connection's setting ``create_customers``.
    """

    key, title, input, output = "upsert_customer", "Create or update a customer", WantedCustomer, CustomerRef
    once = Once.LOOK_FIRST

    def external_id(self, output: CustomerRef) -> str:
        return output.id

    def pretend(self, data: WantedCustomer) -> CustomerRef:
        return CustomerRef(id="(new)", email=data.customer.email, name=data.customer.display_name)

    async def find(self, ctx: ActionContext, data: WantedCustomer) -> Found[CustomerRef] | None:
        """Only a customer who is as wanted already; a differing one is the write's to bring up to date."""
        shop = await client_of(ctx).shop(ctx)
        present = await shop.customer_by_email(_email(data))
        if present is None or present.shape is None or _customer_differs(to_customer(present), data.customer):
            return None
        ref = _ref(str(present.shape.id), data)
        return Found(Verdict.SAME, ref, ref.id)

    async def write(self, ctx: ActionContext, data: WantedCustomer) -> CustomerRef:
        client = client_of(ctx)
        shop = await client.shop(ctx)
        present = await shop.customer_by_email(_email(data))
        if present is not None and present.shape is not None:
            if _customer_differs(to_customer(present), data.customer):
                await shop.update_customer(present, data.customer)
            return _ref(str(present.shape.id), data)
        if not client.setup.create_customers:
            raise Rejected(
                "The shop has no customer with this e-mail address.",
                code="customer_missing",
                cure="Switch on “Create customers” in the shop's connection, or register the customer in the shop.",
            )
        wanted = data.customer.model_copy(update={"email": _email(data)})
        return _ref(str(await shop.create_customer(wanted)), data, created=True)


def _email(data: WantedCustomer) -> str:
    email = clean_email(data.customer.email)
    if not email:
        raise Rejected(
            "A customer without an e-mail address cannot be found in the shop.", code="email_missing", field="email"
        )
    return email


def _ref(customer_id: str, data: WantedCustomer, *, created: bool = False) -> CustomerRef:
    return CustomerRef(id=customer_id, email=_email(data), name=data.customer.display_name, created=created)


_COMPARED = ("first_name", "last_name", "company", "phone")
_COMPARED_OF_ADDRESS = ("line1", "line2", "city", "postcode", "country_code")


def _customer_differs(present: Customer, wanted: Customer) -> bool:
    """Only what is given counts: an empty wish never blanks a field."""
    if any(getattr(wanted, name) and getattr(wanted, name) != getattr(present, name) for name in _COMPARED):
        return True
    if wanted.address is None:
        return False
    old = present.address
    return any(
        getattr(wanted.address, name) and getattr(wanted.address, name) != (getattr(old, name) if old else "")
        for name in _COMPARED_OF_ADDRESS
    )
