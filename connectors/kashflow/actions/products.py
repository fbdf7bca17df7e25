"""Products (KashFlow's sub-products, hung under a sales nominal) and their stock."""

from __future__ import annotations

from typing import Any

from connectors.base.actions import ActionContext, Once, ReadAction
from connectors.base.errors import MappingFailed, Rejected
from connectors.base.records import Canonical, Product, StockLevel
from connectors.kashflow import facts
from connectors.kashflow.actions.base import NEW, LedgerWrite
from connectors.kashflow.facts import ledger_of
from connectors.kashflow.ledger import LedgerProduct, Nominal, ProductToWrite, plain, to_pennies


class ProductCode(Canonical):
    code: str


class Nothing(Canonical):
    """An action that needs no input."""


class ProductList(Canonical):
    products: tuple[Product, ...]


class GetProduct(ReadAction[ProductCode, Product]):
    key, title = "get_product", "Find a product by its code"
    input, output = ProductCode, Product

    async def run(self, ctx: ActionContext, data: ProductCode) -> Product | None:
        if not data.code.strip():
            return None
        found = await ledger_of(ctx).product_find(data.code.strip(), None)
        return await _record(ctx, found) if found else None


class ListProducts(ReadAction[Nothing, ProductList]):
    """The whole catalogue, in one call on SOAP; items without a code are left out."""

    key, title = "list_products", "List all products"
    input, output = Nothing, ProductList

    async def run(self, ctx: ActionContext, data: Nothing) -> ProductList:
        found = [product for product in await ledger_of(ctx).products() if product.code]
        return ProductList(products=tuple([await _record(ctx, product) for product in found]))


class UpsertProduct(LedgerWrite[Product, Product]):
    """Natural key: the code within its nominal. An update never sets a quantity and never blanks anything."""

    key, title = "upsert_product", "Create or update a product"
    input, output = Product, Product
    once = Once.NATURAL_KEY

    def external_id(self, output: Product) -> str:
        return output.source_id

    async def write(self, ctx: ActionContext, data: Product) -> Product:
        nominal = await self._nominal(ctx, data)
        async with ctx.client.lock(f"product:{data.sku}"):
            found = await ledger_of(ctx).product_find(data.sku, nominal)
            if found is not None and found.nominal_id == nominal.id:
                return await self._update(ctx, data, found)
            created_id = await ledger_of(ctx).product_insert(
                ProductToWrite(
                    nominal=nominal,
                    code=data.sku,
                    name=data.name,
                    description=data.description,
                    price=to_pennies(data.price),
                    vat_rate=data.tax_rate,
                    quantity=(data.quantity or 0) if data.managed else None,
                )
            )
        return data.model_copy(update={"source_id": str(created_id)})

    async def _update(self, ctx: ActionContext, data: Product, found: LedgerProduct) -> Product:
        changes = _changes(data, found)
        if changes:
            await ledger_of(ctx).product_update(found, changes)
        kept = await _record(ctx, found)
        shown = {**changes, "tax_rate": changes.get("vat_rate", kept.tax_rate)}
        shown.pop("vat_rate", None)
        return kept.model_copy(update=shown)

    @staticmethod
    async def _nominal(ctx: ActionContext, data: Product) -> Nominal:
        if not data.sku.strip():
            raise MappingFailed("A KashFlow product needs a code (SKU).", code="sku_missing", field="sku")
        return await facts.nominal(ctx, data.nominal, "nominal")

    async def plan(self, ctx: ActionContext, data: Product) -> Product:
        """Asks the ledger whether it knows the nominal: without it the write would be refused."""
        await self._nominal(ctx, data)
        return self.pretend(data)

    def pretend(self, data: Product) -> Product:
        return data.model_copy(update={"source_id": NEW})


def _changes(data: Product, found: LedgerProduct) -> dict[str, Any]:
    wanted = {"name": data.name, "description": data.description, "price": to_pennies(data.price)}
    changes: dict[str, Any] = {
        name: value for name, value in wanted.items() if value != "" and value != getattr(found, name)
    }
    # None in our record says that the rate is not known, which is no reason to make the product exempt.
    if data.tax_rate is not None and data.tax_rate != found.vat_rate:
        changes["vat_rate"] = data.tax_rate
    return changes


class SetStock(LedgerWrite[StockLevel, StockLevel]):
    """Absolute: read just before, written back whole with the new quantity, skipped when it is that already."""

    key, title = "set_stock", "Set the stock of a product"
    input, output = StockLevel, StockLevel
    once = Once.ABSOLUTE

    def external_id(self, output: StockLevel) -> str:
        return output.sku

    async def write(self, ctx: ActionContext, data: StockLevel) -> StockLevel:
        async with ctx.client.lock(f"product:{data.sku}"):
            found = await ledger_of(ctx).product_find(data.sku, None)
            if found is None:
                raise Rejected(
                    f"KashFlow has no product with the code {data.sku!r}.",
                    code="unknown_sku",
                    field="sku",
                    cure="Add the product in KashFlow with this code, or map the SKU; then run it again.",
                )
            if not found.managed:
                raise Rejected(
                    f"KashFlow does not manage the stock of {data.sku!r}.",
                    code="stock_not_managed",
                    field="sku",
                    cure="Tick stock management on the product in KashFlow, or leave it out of the stock flow.",
                )
            if found.quantity != data.quantity:
                await ledger_of(ctx).product_update(found, {"quantity": data.quantity})
        return data

    def pretend(self, data: StockLevel) -> StockLevel:
        return data


async def _record(ctx: ActionContext, found: LedgerProduct) -> Product:
    nominal = await facts.nominal_of_id(ctx, found.nominal_id)
    return Product(
        source_id=str(found.id),
        sku=found.code,
        name=found.name,
        description=found.description,
        price=plain(found.price),
        currency=(await facts.company(ctx)).currency,
        tax_rate=found.vat_rate,
        managed=found.managed,
        quantity=found.quantity if found.managed else None,
        nominal=nominal.code if nominal else "",
    )
