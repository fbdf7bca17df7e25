"""One connection to one shop: finds its family, keeps the log-in, hands out the family to actions and triggers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from connectors.base.actions import ActionContext
from connectors.base.errors import NeedsAttention
from connectors.base.http import HttpDoor
from connectors.base.manifest import AccountFacts, ConnectionView
from connectors.nopcommerce.auth import ConsentSession, Session, TokenSession, log_in_a, log_in_c
from connectors.nopcommerce.families.a import FamilyA
from connectors.nopcommerce.families.b import FamilyB
from connectors.nopcommerce.families.base import SLOW_FACTS_SECONDS, Memory, ShopFamily
from connectors.nopcommerce.families.c import FamilyC
from connectors.nopcommerce.families.calls import Calls
from connectors.nopcommerce.probe import find_family
from connectors.nopcommerce.setup import Family, Setup, read_setup

T = TypeVar("T")


class NopClient:
    """``family`` is known from the connection's settings, else probed once per client object."""

    def __init__(self, door: HttpDoor, view: ConnectionView) -> None:
        self.setup: Setup = read_setup(view)
        self._door = door
        self._save = view.save_credentials
        self._calls: dict[Family, Calls] = {}
        self._family = self.setup.family
        self._finding = asyncio.Lock()

    async def check(self) -> AccountFacts:
        """Signs in, reads one order page and names the shop.

        ``details``: ``family`` (A, B or C), ``webhooks`` (yes or no) and the shop's address.

        :raises NeedsAttention: see refusals.py; also when nobody says which currency the amounts are in.
        """
        family = await self.family()
        shop = self._open(family, forget, now_utc)
        facts = await shop.facts()
        webhooks = await shop.has_webhooks() if isinstance(shop, FamilyB) else False
        return AccountFacts(
            account_id=self.setup.account_id,
            name=facts.name or self.setup.account_id,
            currency=self._currency(facts.currency),
            time_zone=self.setup.time_zone,
            details={"family": family.value, "webhooks": "yes" if webhooks else "no", "address": self.setup.shop_url},
        )

    async def family(self) -> Family:
        async with self._finding:
            if self._family is None:
                self._family = await find_family(self._door, self.setup)
            return self._family

    async def shop(self, ctx: ActionContext) -> ShopFamily:
        """The shop for the length of one action, with the context's memory and clock."""
        return self._open(await self.family(), ctx.remembered, ctx.now)

    async def currency(self, ctx: ActionContext) -> str:
        """The primary store currency, which every amount of an order is in."""
        if self.setup.currency:
            return self.setup.currency
        return await ctx.remembered("currency", SLOW_FACTS_SECONDS, lambda: self._told_currency(ctx))

    async def _told_currency(self, ctx: ActionContext) -> str:
        return self._currency((await (await self.shop(ctx)).facts()).currency)

    def _currency(self, told: str) -> str:
        """The shop's word wins over the setting: a wrong setting would put every amount into a wrong currency."""
        if told and self.setup.currency and told != self.setup.currency:
            raise NeedsAttention(
                f"The shop's primary currency is {told}, but {self.setup.currency} was entered. Correct the field.",
                code="other_currency",
                field="currency",
            )
        if not (told or self.setup.currency):
            raise NeedsAttention(
                "The shop's plug-in does not tell the shop's primary currency. Enter it (three letters, such as GBP).",
                code="currency_missing",
                field="currency",
            )
        return told or self.setup.currency

    def _open(self, family: Family, memory: Memory, now: Callable[[], datetime]) -> ShopFamily:
        calls = self.calls(family)
        kinds: dict[Family, type[FamilyA] | type[FamilyB] | type[FamilyC]] = {
            Family.A: FamilyA,
            Family.B: FamilyB,
            Family.C: FamilyC,
        }
        return kinds[family](calls, self.setup, memory, now)

    def calls(self, family: Family) -> Calls:
        if family not in self._calls:
            base = "api-backend" if family is Family.A else "api"
            self._calls[family] = Calls(self._door, f"{self.setup.shop_url}/{base}", self._session(family))
        return self._calls[family]

    def _session(self, family: Family) -> Session:
        if family is Family.A:
            return TokenSession(log_in_a(self._door, self.setup), bare_too=True)
        if family is Family.C:
            return TokenSession(log_in_c(self._door, self.setup))
        return ConsentSession(self._door, self.setup, self._save)


def open_client(door: HttpDoor, view: ConnectionView) -> NopClient:
    return NopClient(door, view)


async def forget(key: str, seconds: float, load: Callable[[], Awaitable[T]]) -> Any:
    """A memory that keeps nothing: a connection test reads everything anew."""
    return await load()


def now_utc() -> datetime:
    return datetime.now(UTC)
