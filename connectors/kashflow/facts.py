"""Slow-moving facts of the account, kept for ten minutes through ``ctx.remembered``, and asked again on a miss.

What a person just added in KashFlow is therefore found: a wanted name that is missing is looked up once more, afresh,
before anything is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

from connectors.base.actions import ActionContext
from connectors.base.errors import Rejected
from connectors.kashflow.ledger import Company, Currency, Ledger, LedgerProduct, NamedId, Nominal

KEEP_SECONDS = 600.0
# Under a key of its own, so that it does not depend on how a cache treats a shorter time for a known key. Short, so
# that "add it in KashFlow, then press run again" works, long enough that a hundred failing orders ask once.
AFRESH_SECONDS = 5.0

Fact = TypeVar("Fact")


def ledger_of(ctx: ActionContext) -> Ledger:
    ledger: Ledger = ctx.client.ledger
    return ledger


async def company(ctx: ActionContext) -> Company:
    return await ctx.remembered("company", KEEP_SECONDS, ledger_of(ctx).company)


async def find_nominal(ctx: ActionContext, code: str) -> Nominal | None:
    return await _find(ctx, "nominals", ledger_of(ctx).nominals, lambda row: row.code == code.strip())


async def find_payment_method(ctx: ActionContext, name: str) -> NamedId | None:
    wanted = name.strip().casefold()
    return await _find(
        ctx, "payment_methods", ledger_of(ctx).payment_methods, lambda row: row.name.strip().casefold() == wanted
    )


async def find_account(ctx: ActionContext, name_or_code: str) -> NamedId | None:
    wanted = name_or_code.strip().casefold()
    return await _find(
        ctx,
        "bank_accounts",
        ledger_of(ctx).bank_accounts,
        lambda row: wanted in (row.name.strip().casefold(), row.code),
    )


async def find_currency(ctx: ActionContext, code: str) -> Currency | None:
    return await _find(ctx, "currencies", ledger_of(ctx).currencies, lambda row: row.code == code)


async def has_vat_rate(ctx: ActionContext, rate: Decimal) -> bool:
    return await _find(ctx, "vat_rates", ledger_of(ctx).vat_rates, lambda row: row == rate) is not None


async def nominal_of_id(ctx: ActionContext, nominal_id: int) -> Nominal | None:
    return await _find(ctx, "nominals", ledger_of(ctx).nominals, lambda row: row.id == nominal_id)


async def nominal(ctx: ActionContext, code: str, field: str) -> Nominal:
    """:raises Rejected: not in the chart of accounts; says what is."""
    found = await find_nominal(ctx, code)
    if found is None:
        rows = await _rows(ctx, "nominals", ledger_of(ctx).nominals)
        raise missing("nominal code", code, [f"{row.code} {row.name}" for row in rows if not row.archived], field)
    return found


async def payment_method(ctx: ActionContext, name: str, field: str) -> NamedId:
    """:raises Rejected: no such method; says which there are."""
    found = await find_payment_method(ctx, name)
    if found is None:
        rows = await _rows(ctx, "payment_methods", ledger_of(ctx).payment_methods)
        raise missing("payment method", name, [row.name for row in rows], field)
    return found


async def account(ctx: ActionContext, name_or_code: str, field: str) -> NamedId:
    """:raises Rejected: no such bank account; says which there are."""
    found = await find_account(ctx, name_or_code)
    if found is None:
        rows = await _rows(ctx, "bank_accounts", ledger_of(ctx).bank_accounts)
        raise missing("bank account", name_or_code, [f"{row.name} ({row.code})" for row in rows], field)
    return found


async def currency(ctx: ActionContext, code: str, field: str) -> Currency:
    """:raises Rejected: not set up in the account; says which are."""
    found = await find_currency(ctx, code)
    if found is None:
        rows = await _rows(ctx, "currencies", ledger_of(ctx).currencies)
        raise missing("currency", code, [row.code for row in rows], field)
    return found


async def product(ctx: ActionContext, sku: str, under: Nominal) -> LedgerProduct | None:
    """The item of this code, under the given nominal where it is there, else under its own.

    Only what was found is kept: an item added a moment ago is seen at once. Quantities in it may be ten minutes old.
    """

    async def load() -> LedgerProduct:
        found = await ledger_of(ctx).product_find(sku, under)
        if found is None:
            raise _NoSuchProduct
        return found

    try:
        return await ctx.remembered(f"product:{under.id}:{sku}", KEEP_SECONDS, load)
    except _NoSuchProduct:
        return None


class _NoSuchProduct(Exception):
    """Inside ``product`` only: a miss must not be kept."""


async def _find(
    ctx: ActionContext, key: str, load: Callable[[], Awaitable[list[Fact]]], is_wanted: Callable[[Fact], bool]
) -> Fact | None:
    for kept_as, seconds in ((key, KEEP_SECONDS), (f"{key}:afresh", AFRESH_SECONDS)):
        for row in await _rows(ctx, kept_as, load, seconds):
            if is_wanted(row):
                return row
    return None


async def _rows(
    ctx: ActionContext, key: str, load: Callable[[], Awaitable[list[Fact]]], seconds: float = KEEP_SECONDS
) -> list[Fact]:
    return await ctx.remembered(key, seconds, load)


def missing(what: str, wanted: str, there: list[str], field: str) -> Rejected:
    shown = ", ".join(there[:40]) + (", …" if len(there) > 40 else "")
    return Rejected(
        f"KashFlow has no {what} {wanted!r}. It has: {shown or 'none'}.",
        code=f"unknown_{what.replace(' ', '_')}",
        field=field,
        cure=f"Add the {what} in KashFlow, or choose one of the existing ones in the settings; then run it again.",
        details={"wanted": wanted, "existing": there},
    )
