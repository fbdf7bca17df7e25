"""A draft made ready to be written: totals checked, names turned into this account's ids."""

from __future__ import annotations

from decimal import Decimal

from connectors.base.actions import ActionContext
from connectors.base.errors import Held, MappingFailed, Rejected
from connectors.base.records import DocumentLine, InvoiceDraft
from connectors.kashflow import facts
from connectors.kashflow.ledger import DocumentToWrite, LedgerProduct, LineToWrite, Nominal, to_pennies


async def document_for(ctx: ActionContext, draft: InvoiceDraft) -> DocumentToWrite:
    """:raises MappingFailed: the draft's figures do not add up, or need more than two places.
    :raises Held: unknown SKU.
    :raises Rejected: unknown nominal or currency; VAT in an account that is not registered.
    """
    _check_totals(draft)
    currency = await facts.currency(ctx, draft.currency, "currency")
    company = await facts.company(ctx)
    lines = [await _line(ctx, line, f"lines[{i}]", company.vat_registered) for i, line in enumerate(draft.lines)]
    return DocumentToWrite(
        customer_id=draft.customer_id,
        reference=draft.reference,
        issued_date=draft.issued_date,
        due_date=draft.due_date,
        currency=draft.currency,
        exchange_rate=Decimal(1) if currency.is_home else draft.exchange_rate,
        foreign=not currency.is_home,
        lines=lines,
        delivery_address=draft.delivery_address,
    )


def _check_totals(draft: InvoiceDraft) -> None:
    for position, line in enumerate(draft.lines):
        for name, amount in (("unit_price", line.unit_price), ("tax", line.tax)):
            if to_pennies(amount) != amount:
                raise MappingFailed(
                    f"KashFlow keeps two decimals; {name} of line {position + 1} is {amount}.",
                    code="too_many_decimals",
                    field=f"lines[{position}].{name}",
                )
    net = sum((to_pennies(line.net) for line in draft.lines), Decimal(0))
    tax = sum((line.tax for line in draft.lines), Decimal(0))
    if (net, tax, net + tax) != (draft.net, draft.tax, draft.gross):
        raise MappingFailed(
            f"The lines of {draft.reference} add up to net {net} + VAT {tax} = {net + tax}, "
            f"the document says net {draft.net} + VAT {draft.tax} = {draft.gross}.",
            code="totals_do_not_add_up",
            field="gross",
            details={"lines_net": str(net), "lines_tax": str(tax), "net": str(draft.net), "tax": str(draft.tax)},
        )


async def _line(ctx: ActionContext, line: DocumentLine, field: str, vat_registered: bool) -> LineToWrite:
    nominal = await facts.nominal(ctx, line.nominal, f"{field}.nominal")
    product = await _product(ctx, line, nominal, field) if line.product_code else None
    if product is not None and product.nominal_id != nominal.id:
        # A product hangs under its nominal; under another one the line would book to neither properly.
        nominal = await facts.nominal_of_id(ctx, product.nominal_id) or nominal
    return LineToWrite(
        description=line.description,
        quantity=line.quantity,
        rate=to_pennies(line.unit_price),
        tax=to_pennies(line.tax),
        vat_rate=_vat_rate(line, field, vat_registered),
        nominal=nominal,
        product=product,
    )


async def _product(ctx: ActionContext, line: DocumentLine, nominal: Nominal, field: str) -> LedgerProduct:
    found = await facts.product(ctx, line.product_code, nominal)
    if found is None:
        # A person decides: add the product, map the SKU, or let unknown SKUs be flagged.
        raise Held(
            f"KashFlow has no product with the code {line.product_code!r} ({line.description}).",
            code="unknown_sku",
            field=f"{field}.product_code",
            cure="Add the product in KashFlow with this code, or map the SKU to an existing one; then run it again.",
            details={"sku": line.product_code, "nominal": nominal.code},
        )
    return found


def _vat_rate(line: DocumentLine, field: str, vat_registered: bool) -> Decimal | None:
    if line.tax and (line.tax_rate is None or not vat_registered):
        who = "the line is exempt" if line.tax_rate is None else "the KashFlow company is not VAT registered"
        raise Rejected(
            f"{line.description}: VAT of {line.tax} cannot be booked, because {who}.",
            code="vat_not_possible",
            field=f"{field}.tax",
            cure="Correct the VAT rules of the installation or the VAT registration in KashFlow.",
        )
    return line.tax_rate if vat_registered else Decimal(0)
