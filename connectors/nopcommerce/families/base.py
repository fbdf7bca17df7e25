"""The questions every family answers, in our words. ``families/a.py``, ``b.py`` and ``c.py`` speak the dialects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from connectors.base.errors import Rejected
from connectors.base.records import Customer, OrderStatus
from connectors.nopcommerce.entities import CustomerParts, OrderParts, Sellable
from connectors.nopcommerce.setup import Family, Setup

Memory = Callable[[str, float, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""``ActionContext.remembered``: key, seconds, loader."""

SLOW_FACTS_SECONDS = 3600.0  # countries, currency
FAST_FACTS_SECONDS = 60.0  # products and customers, within one burst of orders


@dataclass(frozen=True)
class ShopFacts:
    """``currency`` empty: the plug-in cannot tell."""

    name: str
    currency: str = ""


@dataclass(frozen=True)
class NewValues:
    """What of a product is to become; None leaves a value alone."""

    name: str | None = None
    price: Decimal | None = None


class ShopFamily(ABC):
    """One shop through one plug-in, for the length of one action. Cheap to make; the log-in lives in the client."""

    family: ClassVar[Family]

    def __init__(self, setup: Setup, memory: Memory) -> None:
        self.setup = setup
        self.memory = memory

    @abstractmethod
    async def facts(self) -> ShopFacts:
        """Cheapest proof that log-in and permissions work. :raises NeedsAttention: they do not."""

    @abstractmethod
    async def order(self, order_id: int) -> OrderParts | None: ...

    @abstractmethod
    async def order_status(self, order_id: int) -> OrderStatus | None: ...

    @abstractmethod
    async def write_order_status(self, order_id: int, status: OrderStatus) -> None: ...

    @abstractmethod
    async def customer(self, customer_id: int) -> CustomerParts | None: ...

    @abstractmethod
    async def customer_by_email(self, email: str) -> CustomerParts | None: ...

    @abstractmethod
    async def create_customer(self, wanted: Customer) -> int:
        """:returns: the new id."""

    @abstractmethod
    async def update_customer(self, present: CustomerParts, wanted: Customer) -> None:
        """Write what differs; what ``wanted`` leaves empty stays (C6)."""

    @abstractmethod
    async def product(self, product_id: int) -> Sellable | None: ...

    @abstractmethod
    async def product_by_sku(self, sku: str) -> Sellable | None:
        """Read now, never from memory: stock writes rest on it."""

    @abstractmethod
    async def create_product(self, sku: str, values: NewValues) -> int: ...

    @abstractmethod
    async def update_product(self, present: Sellable, values: NewValues) -> None: ...

    @abstractmethod
    async def change_stock(self, present: Sellable, quantity: int, message: str) -> bool:
        """Bring the quantity from ``present`` to ``quantity``.

        :param message: found again in the stock history, where there is one.
        :returns: False when the history shows that this very change was made before; then nothing is written.
        """

    async def order_notes(self, order_id: int) -> list[tuple[int, str]]:
        raise self.not_supported("Order notes")

    async def add_order_note(self, order_id: int, text: str) -> int:
        raise self.not_supported("Order notes")

    def not_supported(self, what: str) -> Rejected:
        return Rejected(
            f"{what} cannot be reached through the shop's API plug-in (family {self.family.value}).",
            code="not_supported",
            cure="Install the official Web API plug-in in the shop, or leave this step out.",
        )


def email_matches(parts: CustomerParts, email: str) -> bool:
    return bool(parts.shape and parts.shape.email.strip().lower() == email.strip().lower())
