"""What can start a flow. KashFlow has no webhooks, so both are polls."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.base.actions import ActionContext
from connectors.base.triggers import Observation, Page, PollTrigger
from connectors.kashflow.facts import ledger_of
from connectors.kashflow.ledger import LedgerCustomer

LONDON = ZoneInfo("Europe/London")
# More than an hour: KashFlow writes UK local time, which repeats an hour every October.
OVERLAP = timedelta(minutes=70)
ROWS_PER_PAGE = 500


class ProductChanged(PollTrigger):
    """Products whose quantity or price is new. ``record_id`` is the product's code.

    Every poll reads the whole catalogue (KashFlow has no feed of changes) and observes every product; equal
    fingerprints are dropped by who keeps them, so without kept fingerprints everything is emitted again. A quantity
    that goes and comes back between two polls is not seen. Of two products with one code, under different nominals,
    only the first is observed.
    """

    key, title, record_type = "products", "Stock or price changed", "ledger_product"
    interval_seconds = 60.0

    async def read(self, ctx: ActionContext, cursor: dict[str, Any] | None) -> AsyncIterator[Page]:
        read_at = ctx.now().isoformat()
        seen: dict[str, Observation] = {}
        for product in await ledger_of(ctx).products():
            if not product.code or product.code in seen:
                continue
            fingerprint = _hash(
                str(product.quantity) if product.managed else "unmanaged", str(product.price.normalize())
            )
            seen[product.code] = Observation(self.record_type, product.code, fingerprint, label=product.name)
        for page in _chunks(list(seen.values())):
            yield Page(page, {"read_at": read_at})


class CustomerChanged(PollTrigger):
    """Customers made or edited in KashFlow, oldest first. ``record_id`` is the customer's code.

    The first poll starts now. Each later poll reads 70 minutes before the newest change seen, so records of that
    time come again (REST: of that whole day and those without a date); their fingerprint, over all fields, is
    unchanged unless they are. A write of ours is observed too.
    """

    key, title, record_type = "customers", "Customer added or changed", "ledger_customer"
    interval_seconds = 60.0

    async def read(self, ctx: ActionContext, cursor: dict[str, Any] | None) -> AsyncIterator[Page]:
        if cursor is None:
            yield Page((), {"newest": _text(ctx.now().astimezone(LONDON).replace(tzinfo=None))})
            return
        newest = datetime.fromisoformat(cursor["newest"])
        changed = await ledger_of(ctx).customers_modified_since(newest - OVERLAP)
        for customers in _chunks(sorted(changed, key=_when)):
            # A record without a date says nothing about how far we have read.
            newest = max([newest, *(customer.updated for customer in customers if customer.updated)])
            yield Page(tuple(self._observation(customer) for customer in customers), {"newest": _text(newest)})

    def _observation(self, customer: LedgerCustomer) -> Observation:
        fingerprint = _hash(customer.code, *(f"{name}={value}" for name, value in sorted(customer.fields.items())))
        occurred_at = customer.updated.replace(tzinfo=LONDON) if customer.updated else None
        return Observation(self.record_type, customer.code, fingerprint, customer.fields.get("name", ""), occurred_at)


def _when(customer: LedgerCustomer) -> str:
    return _text(customer.updated) if customer.updated else ""


def _text(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat()


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:20]


def _chunks(rows: list[Any]) -> list[tuple[Any, ...]]:
    """At least one chunk, so that an empty poll moves its cursor too."""
    return [tuple(rows[start : start + ROWS_PER_PAGE]) for start in range(0, max(len(rows), 1), ROWS_PER_PAGE)]
