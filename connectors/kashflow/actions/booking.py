"""Do the names in an installation's settings exist in this account? For the settings form and the connection test."""

from __future__ import annotations

from decimal import Decimal

from connectors.base.actions import ActionContext, ReadAction
from connectors.base.records import Canonical
from connectors.kashflow import facts
from connectors.kashflow.facts import ledger_of


class Booking(Canonical):
    """Everything settings may name; ``accounts`` by name or code, ``currency`` empty = not asked."""

    nominals: tuple[str, ...] = ()
    payment_methods: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    tax_rates: tuple[Decimal, ...] = ()
    currency: str = ""


class BookingProblems(Canonical):
    """``problems`` in words, empty when all is there."""

    problems: tuple[str, ...] = ()


class CheckBooking(ReadAction[Booking, BookingProblems]):
    key, title = "check_booking", "Check that nominals, payment methods and accounts exist"
    input, output = Booking, BookingProblems
    cacheable = False

    async def run(self, ctx: ActionContext, data: Booking) -> BookingProblems:
        problems = [
            *await _nominals(ctx, data.nominals),
            *await _payment_methods(ctx, data.payment_methods),
            *await _accounts(ctx, data.accounts),
            *await _tax_rates(ctx, data.tax_rates),
            *await _currency(ctx, data.currency),
        ]
        return BookingProblems(problems=tuple(problems))


async def _nominals(ctx: ActionContext, codes: tuple[str, ...]) -> list[str]:
    problems = []
    for code in codes:
        found = await facts.find_nominal(ctx, code)
        if found is None:
            problems.append(f"KashFlow has no nominal code {code}.")
        elif found.archived:
            problems.append(f"Nominal code {code} ({found.name}) is archived in KashFlow.")
    return problems


async def _payment_methods(ctx: ActionContext, names: tuple[str, ...]) -> list[str]:
    absent = [name for name in names if await facts.find_payment_method(ctx, name) is None]
    there = ", ".join(row.name for row in await ledger_of(ctx).payment_methods()) if absent else ""
    return [f"KashFlow has no payment method {name!r}. It has: {there or 'none'}." for name in absent]


async def _accounts(ctx: ActionContext, names: tuple[str, ...]) -> list[str]:
    absent = [name for name in names if await facts.find_account(ctx, name) is None]
    there = ", ".join(f"{row.name} ({row.code})" for row in await ledger_of(ctx).bank_accounts()) if absent else ""
    return [f"KashFlow has no bank account {name!r}. It has: {there or 'none'}." for name in absent]


async def _tax_rates(ctx: ActionContext, rates: tuple[Decimal, ...]) -> list[str]:
    absent = [rate for rate in rates if not await facts.has_vat_rate(ctx, rate)]
    problems = [f"KashFlow has no VAT rate of {rate} %." for rate in absent]
    if any(rates) and not (await facts.company(ctx)).vat_registered:
        problems.append("The KashFlow company is not VAT registered, so no VAT can be booked.")
    return problems


async def _currency(ctx: ActionContext, code: str) -> list[str]:
    if not code or await facts.find_currency(ctx, code) is not None:
        return []
    return [f"The currency {code} is not set up in KashFlow."]
