"""Workers die before, during and after every remote write of the order flow; each effect still happens exactly once.

One stack of real processes for the whole module. The stand-in holds a write back (nothing done, done later, or done and
unanswered), the worker that has it in flight is killed, and the books are compared at the stand-ins' own state.
"""

import os
import signal
import time

import pytest

from demo.http import call
from demo.nopcommerce_kashflow.checker import compare
from demo.stack import Pace, Stack

pytestmark = pytest.mark.processes

PACE = Pace(lease=6.0, settle=2.0, poll=3.0)
# A dead drain's slot is noticed by its heartbeat; then lease, settle time, and the walk itself.
RECOVERED_SECONDS = 10.0 + PACE.lease + PACE.settle + 20.0

# How the stand-in treats the write whose worker is about to die. The client is left hanging each time.
MOMENTS = {
    "before": {"kind": "hang", "seconds": 60},
    "during": {"kind": "late_landing", "seconds": 1.5, "hang": True},
    "after": {"kind": "late_landing", "seconds": 0, "hang": True},
}


class World:
    """The running stack, the orders placed in it, and what a person could press."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.orders: list[int] = []
        self._people = 0

    def place(self, *, person: str = "", paid: bool = True) -> int:
        self._people += 1
        spec = {
            "customer": {"guest": True, "email": person or f"new{self._people}@example.test", "last_name": "Palmer"},
            "lines": [{"sku": f"SKU-{1 + self._people % 40:03d}", "quantity": 2}, {"sku": "SKU-003", "quantity": 1}],
            "payment_method": "Payments.PayPalCommerce" if paid else "Payments.CheckMoneyOrder",
            "paid": paid,
        }
        order: int = call("POST", f"{self.stack.shop_url}/control/orders", spec)["id"]
        self.orders.append(order)
        return order

    def act(self, order: int, action: str, **body: object) -> None:
        call("POST", f"{self.stack.shop_url}/control/orders/{order}/{action}", body)

    def hold_back(self, moment: str, operations: dict[str, int]) -> None:
        """:param operations: how many calls of each are held back, by operation of ledger or shop (``PUT …``)."""
        for url, wanted in (
            (self.stack.ledger_url, lambda name: " " not in name),
            (self.stack.shop_url, lambda n: " " in n),
        ):
            rules = [
                {"id": name, "operations": [name], "times": times, **MOMENTS[moment]}
                for name, times in operations.items()
                if wanted(name)
            ]
            call("PUT", f"{url}/control/faults", rules)

    def hits(self) -> dict[str, int]:
        urls = (self.stack.ledger_url, self.stack.shop_url)
        return {rule["id"]: rule["hits"] for url in urls for rule in call("GET", f"{url}/control/faults")}

    def until(self, what: str, seconds: float, done) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, (
                f"not within {seconds} s: {what}; hits {self.hits()}; {self.open_work()}"
            )
            time.sleep(0.1)

    def holders(self) -> set[int]:
        """Process ids of the workers that have an event in their hands."""
        rows = self.stack.query("SELECT DISTINCT worker FROM runs_inboxevent WHERE state = 'leased'")
        return {int(worker.split(":")[1]) for (worker,) in rows}

    def kill_holders(self) -> int:
        holders = self.holders()
        for pid in holders:
            os.kill(pid, signal.SIGKILL)
        return len(holders)

    def open_work(self) -> list[tuple]:
        return self.stack.query(
            "SELECT r.record_type, r.record_id, e.state, e.attempts FROM runs_inboxevent e "
            "JOIN runs_record r ON r.id = e.record_id"
        )

    def settle_down(self) -> None:
        """Until nothing is open and every order is equal in the books."""
        self.until("nothing open, all equal", RECOVERED_SECONDS, lambda: not self.open_work() and self._all_equal())

    def books(self):
        shop, ledger = (call("GET", f"{url}/control/state") for url in (self.stack.shop_url, self.stack.ledger_url))
        return compare(shop, ledger, order_ids=self.orders, prefix="NOP-", account="demo", zone="Europe/London")

    def _all_equal(self) -> bool:
        return len(self.books().equal) == len(self.orders)


@pytest.fixture(scope="module")
def world():
    with Stack(family="B", say=lambda text: None, pace=PACE) as stack:
        stack.query("""UPDATE flows_installation SET settings = '{"status_after_invoice": "processing"}'""")
        yield World(stack)


def _double_free(world: World) -> None:
    books = world.books()
    assert not books.duplicates
    assert not books.missing
    assert [(v.order_id, v.problems) for v in books.verdicts if v.problems] == []
    assert world.stack.query("SELECT count(*) FROM runs_alert WHERE kind = 'double_suspected'") == [(0,)]
    # A poll may open runs anew at any moment; none may be left open without anything in the queue.
    forgotten = (
        "SELECT count(*) FROM runs_run r LEFT JOIN runs_inboxevent e ON e.run_id = r.id "
        "WHERE r.state NOT IN ('done', 'skipped') AND e.id IS NULL"
    )
    assert world.stack.query(forgotten) == [(0,)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_every_write_each_effect_happens_once(world, moment):
    known = f"known.{moment}@example.test"
    to_cancel, to_pay = world.place(person=known, paid=False), world.place(person=known, paid=False)
    to_refund = world.place(person=known)
    world.settle_down()

    # First death: a new customer, invoices and credit notes, a payment.
    first = {"InsertCustomer": 1, "InsertInvoice": 3, "InsertInvoicePayment": 1}
    world.hold_back(moment, first)
    world.place()
    world.place(person=known, paid=False)
    world.act(to_pay, "pay")
    world.act(to_cancel, "cancel")
    world.act(to_refund, "refund")
    world.until(f"all of {first} in flight", 30, lambda: world.hits() == first)
    killed = world.kill_holders()
    assert killed

    # Second death, while the first is being recovered: money back, setting off the credit note, the order's status.
    second = {"applyCreditNoteToInvoice": 1, "InsertInvoicePayment": 1, "PUT */orders/*": 1}
    world.hold_back(moment, second)
    world.until(f"all of {second} in flight", RECOVERED_SECONDS, lambda: world.hits() == second)
    assert world.kill_holders()

    world.settle_down()
    world.hold_back(moment, {})
    _double_free(world)


def test_a_worker_frozen_beyond_its_lease_writes_nothing_twice(world):
    world.hold_back("after", {"InsertInvoice": 1})
    world.place()
    world.until("the invoice in flight", 30, lambda: world.hits() == {"InsertInvoice": 1})
    (frozen,) = world.holders()
    os.kill(frozen, signal.SIGSTOP)
    try:
        world.settle_down()  # another worker takes the event over, looks, and adopts the invoice
    finally:
        os.kill(frozen, signal.SIGCONT)
    world.place()
    world.settle_down()
    _double_free(world)


def test_fifty_first_orders_of_one_person_make_one_customer(world):
    for _ in range(50):
        world.place(person="fifty@example.test")
    world.settle_down()
    ledger = call("GET", f"{world.stack.ledger_url}/control/state")["accounts"]["demo"]
    assert [c["email"] for c in ledger["customers"]].count("fifty@example.test") == 1
    _double_free(world)


def test_stopping_the_runner_leaves_no_process_behind(world):
    leader = world.stack.process.pid
    children = _descendants(leader)
    assert len(children) >= 6
    world.stack.process.send_signal(signal.SIGTERM)
    assert world.stack.process.wait(timeout=40) == 0
    assert [pid for pid in children if _alive(pid)] == []


def _descendants(pid: int) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found += [int(entry), *_descendants(int(entry))]
    return found


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
