"""Places the mix in the sandbox shop, lets the later things happen, waits until the books agree, and reports."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from demo.http import call
from demo.nopcommerce_kashflow import faults as fault_rules
from demo.nopcommerce_kashflow.checker import Books, compare
from demo.nopcommerce_kashflow.mix import Later, PlannedOrder, orders
from demo.report import Result
from demo.stack import Stack

ORDERS_PER_SECOND = 10.0
QUIET_SECONDS = 8.0
PREFIX, ZONE, ACCOUNT = "NOP-", "Europe/London", "demo"

# Reads that belong to no single order: log-ins, polls, account facts, the connection test.
LEDGER_OTHER = {
    "GetCompanyDetails", "GetVATRates", "GetCurrencies", "GetNominalCodes", "GetNominalCodesExtended",
    "GetInvPayMethods", "GetBankAccounts", "GetProductsWithSubProducts", "GetProducts", "GetCustomersModifiedSince",
    "isUserVATRegistered", "GetUserAccountDefaults", "AutoAuthIP",
}  # fmt: skip
SHOP_OTHER = ("/oauth", "/token", "/login", "webhooks", "GetToken", "/api/orders/count", "Currency", "Store", "Country")
SHOP_LISTS = {"GET /api/orders", "GET /api/products", "GET /api/customers", "GET /api/stores", "GET /"}


def run(stack: Stack, *, orders: int, seed: int, faults: bool, say: Callable[[str], None]) -> Result:
    """:param orders: how many of the fixed mix."""
    started = time.monotonic()
    driver = _Driver(stack, say)
    driver.calls_forget()
    if faults:
        driver.faults_on(seed)
    driver.place(orders, seed)
    driver.wait_until_agreed(at_most=60.0 + orders * (1.5 if faults else 0.5))
    return driver.result(seconds=time.monotonic() - started)


class _Driver:
    def __init__(self, stack: Stack, say: Callable[[str], None]) -> None:
        self.shop, self.ledger, self.say = stack.shop_url, stack.ledger_url, say
        self.placed: dict[int, PlannedOrder] = {}
        self._lock = threading.Lock()
        self._later: list[threading.Timer] = []
        self._pending_later = 0
        self.books: Books | None = None
        self.held: list[dict[str, Any]] = []

    def calls_forget(self) -> None:
        for url in (self.shop, self.ledger):
            call("POST", f"{url}/control/calls/reset")

    def faults_on(self, seed: int) -> None:
        call("PATCH", f"{self.shop}/control/settings", {"minute_seconds": 3600})  # a lost delivery stays lost
        call("PUT", f"{self.shop}/control/faults", fault_rules.shop_rules(seed))
        call("PUT", f"{self.ledger}/control/faults", fault_rules.ledger_rules(seed))

    def faults_seen(self) -> dict[str, int]:
        rules = [rule for url in (self.shop, self.ledger) for rule in call("GET", f"{url}/control/faults")]
        return {rule["id"]: rule["hits"] for rule in rules}

    # Placing

    def place(self, count: int, seed: int) -> None:
        """Ten orders a second; those that belong together leave at the same moment."""
        planned = orders(count, seed)
        self.say(f"placing {count} orders ...")
        with ThreadPoolExecutor(8) as threads:
            start, position = time.monotonic(), 0
            while position < len(planned):
                batch = [planned[position]]
                while batch[0].together and position + len(batch) < len(planned):
                    if planned[position + len(batch)].together != batch[0].together:
                        break
                    batch.append(planned[position + len(batch)])
                pause = start + position / ORDERS_PER_SECOND - time.monotonic()
                if pause > 0:
                    time.sleep(pause)
                list(threads.map(self._place_one, batch))
                position += len(batch)

    def _place_one(self, plan: PlannedOrder) -> None:
        order = call("POST", f"{self.shop}/control/orders", plan.spec)
        with self._lock:
            self.placed[order["id"]] = plan
            self._pending_later += len(plan.later)
        for later in plan.later:
            timer = threading.Timer(later.after_seconds, self._act, (order["id"], later))
            timer.daemon = True
            timer.start()

    def _act(self, order_id: int, later: Later) -> None:
        try:
            call("POST", f"{self.shop}/control/orders/{order_id}/{later.action}", later.body)
        finally:
            with self._lock:
                self._pending_later -= 1

    # Waiting

    def wait_until_agreed(self, *, at_most: float) -> None:
        """Until every order is equal or held, stock agrees, nothing is open; then a while longer for late doubles."""
        deadline = time.monotonic() + at_most
        agreed_since: float | None = None
        while time.monotonic() < deadline:
            self.look()
            if self._agreed():
                agreed_since = agreed_since or time.monotonic()
                if time.monotonic() - agreed_since >= QUIET_SECONDS:
                    return
            else:
                agreed_since = None
            time.sleep(1.0)
        self.look()

    def look(self) -> None:
        shop, ledger = call("GET", f"{self.shop}/control/state"), call("GET", f"{self.ledger}/control/state")
        self.books = compare(shop, ledger, order_ids=self.placed, prefix=PREFIX, account=ACCOUNT, zone=ZONE)
        self.open, self.held = open_work()
        self.say(
            f"  {len(self.books.equal):4d} of {len(self.placed)} equal, {len(self.held)} held, "
            f"{self.open} events open, stock differs for {len(self.books.stock_differences)} SKUs"
        )

    def _agreed(self) -> bool:
        assert self.books is not None  # noqa: S101 - look() came before
        held = {item["order"] for item in self.held}
        settled = {verdict.order_id for verdict in self.books.equal} | held
        everything = all(number in settled for number in self.placed)
        return everything and not self._pending_later and not self.open and not self.books.stock_differences

    # Reporting

    def result(self, *, seconds: float) -> Result:
        assert self.books is not None  # noqa: S101 - look() came before
        books, held = self.books, {item["order"] for item in self.held}
        lost = [row for row in call("GET", f"{self.shop}/control/webhooks") if row.get("suppressed")]
        lost_orders = {str(row.get("record_id")) for row in lost if str(row.get("event", "")).startswith("orders/")}
        equal = {str(verdict.order_id) for verdict in books.equal}
        latency = sorted(books.document_seconds) or [0.0]
        per_order, other = self._calls()
        return Result(
            pair="nopcommerce-kashflow",
            orders=len(self.placed),
            done=len([v for v in books.verdicts if v.found or not v.expected]),
            held=[item for item in self.held if item["order"] in self.placed],
            equal=len(books.equal),
            different=[
                {"order": v.order_id, "kind": self.placed[v.order_id].kind, "problems": v.problems or ["not expected"]}
                for v in books.different
                if v.order_id not in held
            ],
            missing=[v.order_id for v in books.missing if v.order_id not in held],
            duplicates=books.duplicates,
            stock_differences=books.stock_differences,
            rounding_lines=sum(verdict.rounding_lines for verdict in books.verdicts),
            money_in=books.money_in,
            money_out=books.money_out,
            calls_per_order=per_order,
            other_calls=other,
            latency_p50_ms=1000 * latency[len(latency) // 2],
            latency_p99_ms=1000 * latency[min(len(latency) - 1, int(len(latency) * 0.99))],
            seconds=seconds,
            kinds=dict(Counter(plan.kind for plan in self.placed.values())),
            faults={name: hits for name, hits in self.faults_seen().items() if hits},
            webhooks_lost=len(lost_orders),
            found_by_sweep=len(lost_orders & equal),
        )

    def _calls(self) -> tuple[dict[str, float], dict[str, int]]:
        """Calls per order and other calls, both as the stand-ins counted them."""
        per_order: dict[str, float] = {}
        other: dict[str, int] = {}
        for system, url, is_other in (
            ("nopcommerce", self.shop, _shop_other),
            ("kashflow", self.ledger, lambda name: name in LEDGER_OTHER),
        ):
            calls = call("GET", f"{url}/control/calls")
            other[system] = sum(count for name, count in calls.items() if is_other(name))
            per_order[system] = (sum(calls.values()) - other[system]) / max(1, len(self.placed))
        return per_order, other


def _shop_other(operation: str) -> bool:
    return operation in SHOP_LISTS or any(part in operation for part in SHOP_OTHER)


def open_work() -> tuple[int, list[dict[str, Any]]]:
    """Events the product is not done with, and orders it holds with the reason it shows."""
    from runs.models import InboxEvent, Run

    waiting = InboxEvent.unscoped.filter(state__in=["waiting", "leased"]).count()
    runs = Run.unscoped.filter(state__in=Run.NEEDS_A_PERSON, record__record_type="order").select_related("record")
    held = [
        {"order": int(run.record.record_id), "state": run.state, "reason": run.reason, "details": run.error}
        for run in runs
    ]
    return waiting, held
