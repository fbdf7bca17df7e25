"""Counting at the outside systems' own state, by the demo's checker, which imports nothing of flows or connectors."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chaos.world import ACCOUNT, PREFIX, ZONE, World
from demo.nopcommerce_kashflow.checker import Books, compare

QUIET_SECONDS = 6.0
"""Looked at for this long after everything agrees: a late double would still come."""


@dataclass
class Count:
    """Lost: orders without their right document. Doubled: two of something that should be one. Stuck: open work."""

    effects: int
    lost: list[str]
    doubled: list[str]
    stuck: list[str]
    stock_differences: dict[str, tuple[int, int]] = field(default_factory=dict)
    settle_seconds: float = 0.0
    agreed_at: float = 0.0  # monotonic; 0 where it never agreed

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.stock_differences)


def count(world: World) -> Count:
    """What there is now."""
    shop, ledger = world.state()
    books = compare(shop, ledger, order_ids=world.orders, prefix=PREFIX, account=ACCOUNT, zone=ZONE)
    return Count(
        effects=_effects(shop, ledger),
        lost=_lost(books),
        doubled=[*books.duplicates, *_doubled_notes(shop), *_suspected(world)],
        stuck=[f"{kind} {number}: {state}, attempt {attempts}" for kind, number, state, attempts, _ in _open(world)],
        stock_differences=books.stock_differences,
    )


def settled_count(world: World, *, at_most: float) -> Count:
    """Wait until nothing is open and all agrees, then a while longer; what is wrong at the end stays wrong."""
    started = time.monotonic()
    agreed: float | None = None
    said = started
    while True:
        busy = [row for row in _open(world) if row[2] in ("waiting", "leased")]
        found = None if busy and time.monotonic() - started < at_most else count(world)
        if found is not None and found.clean:
            agreed = agreed or time.monotonic()
            if time.monotonic() - agreed >= QUIET_SECONDS:
                found.settle_seconds, found.agreed_at = agreed - started, agreed
                return found
        else:
            agreed = None
        if time.monotonic() - said > 10:
            said = time.monotonic()
            world.say(f"  {len(busy)} open; {_in_words(found)}")
        if time.monotonic() - started > at_most + QUIET_SECONDS:
            return found if found is not None else count(world)
        time.sleep(0.5)


def _in_words(found: Count | None) -> str:
    if found is None:
        return "not counted yet"
    return "; ".join([*found.lost, *found.doubled, *map(str, found.stock_differences.items())][:4]) or "all agrees"


def _open(world: World) -> list[tuple[Any, ...]]:
    return world.store.open_work()


def _effects(shop: dict[str, Any], ledger: dict[str, Any]) -> int:
    """Documents, payments, customers and notes that came into being there."""
    books = ledger["accounts"][ACCOUNT]
    documents = [row for row in books["invoices"] if row["customer_reference"].startswith(PREFIX)]
    payments = sum(len(row["payments"]) for row in documents)
    customers = len({row["customer_id"] for row in documents})
    return len(documents) + payments + customers + len(_notes(shop))


def _lost(books: Books) -> list[str]:
    missing = [f"order {verdict.order_id}: no document" for verdict in books.missing]
    different = [
        f"order {verdict.order_id}: {'; '.join(verdict.problems) or 'has a document and should have none'}"
        for verdict in books.different
    ]
    return missing + different


def _notes(shop: dict[str, Any]) -> list[tuple[int, str]]:
    return [(order["id"], text) for order in shop["orders"] for text in order["notes"] if f"[{PREFIX}" in (text or "")]


def _doubled_notes(shop: dict[str, Any]) -> list[str]:
    return [f"note {text!r} on order {order} × {n}" for (order, text), n in Counter(_notes(shop)).items() if n > 1]


def _suspected(world: World) -> list[str]:
    """What the product itself suspects; told here, so that a mistake of the checker would show."""
    rows = world.store.query("SELECT text FROM runs_alert WHERE kind = 'double_suspected'")
    return [f"suspected by the product: {text}" for (text,) in rows]
