"""Two hosts on one PostgreSQL and one Redis: the same results as one, and one of them cut off in mid-flight."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from chaos.count import Count, settled_count
from chaos.faults import Faults
from chaos.load import Load
from chaos.netns import Namespaces
from chaos.servers import OwnPostgres, OwnRedis
from chaos.world import ACCOUNT, PREFIX, Pace, Plan, Say, World

LOAD_SECONDS = 15.0
ORDERS_PER_SECOND = 4.0
SETTLE_AT_MOST = 90.0
CAUGHT_SECONDS = 30.0
AWAY_SECONDS = 12.0
HELD = 6
WANTED = 3
"""So many orders the second host has in its hands before it is cut off."""


@dataclass
class Part:
    name: str
    count: Count
    recovery_s: float | None = None
    notes: list[str] = field(default_factory=list)
    failed: str = ""


@dataclass
class Outcome:
    parts: list[Part]
    same: bool
    separation: str
    pace: Pace
    seconds: float

    @property
    def passed(self) -> bool:
        return self.same and all(part.count.clean and not part.failed for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        return {
            "same_as_one_host": self.same,
            "separation": self.separation,
            "lost": sum(len(part.count.lost) for part in self.parts),
            "doubled": sum(len(part.count.doubled) for part in self.parts),
            "stuck": sum(len(part.count.stuck) for part in self.parts),
            "lease_plus_settle_s": self.pace.lease + self.pace.settle,
            "parts": [
                {
                    "part": part.name,
                    "effects": part.count.effects,
                    "recovery_s": None if part.recovery_s is None else round(part.recovery_s, 1),
                    "lost": len(part.count.lost),
                    "doubled": len(part.count.doubled),
                    "stuck": len(part.count.stuck),
                    "failed": part.failed,
                    "notes": part.notes,
                    "details": [*part.count.lost, *part.count.doubled, *part.count.stuck][:10],
                }
                for part in self.parts
            ],
            "duration_s": round(self.seconds, 1),
        }


def run(*, seed: int, keep: bool, say: Say) -> Outcome:
    started = time.monotonic()
    with ExitStack() as stack:
        net = stack.enter_context(Namespaces(2)) if Namespaces.possible() else None
        address = net.root if net else "127.0.0.1"
        postgres = stack.enter_context(OwnPostgres(address=address))
        redis = stack.enter_context(OwnRedis(address=address))

        def plan(hosts: int) -> Plan:
            return Plan(
                hosts=hosts, database_server=postgres.url, redis=redis.url, keep=keep, net=net, proxied=True,
                pace=Pace(poll=2.0),
            )  # fmt: skip

        with World(plan(1), say) as world:
            alone = _under_load(world, "one host", seed, say)
            books_of_one = _books(world)
        with World(plan(2), say) as world:
            together = _under_load(world, "two hosts", seed, say)
            same = _books(world) == books_of_one
            say(f"  the same books as one host: {'yes' if same else 'NO'}")
            parts = [alone, together]
            if net is not None:
                parts.append(
                    _cut(world, "host cut off: its link is down", lambda: net.cut(1), lambda: net.join(1), say)
                )
            proxy = world.database_proxies[1]
            parts.append(
                _cut(
                    world,
                    "host cut off from the database only",
                    lambda: proxy.set_mode("blackhole"),
                    lambda: proxy.set_mode("pass"),
                    say,
                )
            )
        separation = "network namespaces" if net else "two process sets, the database behind a proxy of each"
        return Outcome(parts, same, separation, Pace(), time.monotonic() - started)


def _under_load(world: World, name: str, seed: int, say: Say) -> Part:
    load = Load(world, seed=seed, per_second=ORDERS_PER_SECOND, most=int(LOAD_SECONDS * ORDERS_PER_SECOND))
    load.start()
    seen: Counter[str] = Counter()
    while load.is_running():
        seen.update(host for host, _ in world.store.holders())
        time.sleep(0.05)
    load.stop()
    found = settled_count(world, at_most=SETTLE_AT_MOST)
    at_work = sorted(host.rpartition("-")[2] for host in seen)
    idle = len(at_work) < len(world.hosts)
    say(f"  {name}: {len(world.orders)} orders, {found.effects} effects, at work: hosts {', '.join(at_work)}")
    return Part(
        name, found, notes=[f"hosts at work: {', '.join(at_work)}"], failed="a host did nothing" if idle else ""
    )


def _books(world: World) -> Counter[tuple[str, str, str, str]]:
    """Every document by what it says; numbers are left out, because who comes first gets the lower one."""
    _, ledger = world.state()
    books = ledger["accounts"][ACCOUNT]
    emails = {row["customer_id"]: row["email"] for row in books["customers"]}
    return Counter(
        (
            emails.get(row["customer_id"], ""),
            row["customer_reference"],
            row["gross_amount"],
            str(sorted(payment["pay_amount"] for payment in row["payments"])),
        )
        for row in books["invoices"]
        if row["customer_reference"].startswith(PREFIX)
    )


def _cut(world: World, name: str, cut: Callable[[], None], join: Callable[[], None], say: Say) -> Part:
    """Take the second host away while it has writes in flight: held back, landed late, done without an answer."""
    victim = world.hosts[1].name
    faults = Faults(world.systems(), seed=1, standing=False)
    for number, moment in enumerate(("before", "during", "after")):
        faults.arm("kashflow", f"held-{number}", moment, ["InsertInvoice", "InsertInvoicePayment"], times=HELD)
    deadline = time.monotonic() + CAUGHT_SECONDS
    held: list[str] = []
    while len(held) < WANTED and time.monotonic() < deadline:
        _place(world)
        time.sleep(0.25)
        held = _records_of(world, victim)
    cut()
    cut_at = time.monotonic()
    held = _records_of(world, victim) or held
    faults.clear()
    part = Part(name, Count(0, [], [], []), notes=[f"held by the host that was cut off: {len(held)}"])
    try:
        part.recovery_s = world.until(
            "the other host finishes them", SETTLE_AT_MOST, lambda: not _open_among(world, held)
        )
    except TimeoutError as error:
        part.failed = str(error)
    time.sleep(max(0.0, AWAY_SECONDS - (time.monotonic() - cut_at)))
    join()
    for _ in range(8):  # both work again
        _place(world)
        time.sleep(0.2)
    part.count = settled_count(world, at_most=SETTLE_AT_MOST)
    part.failed = part.failed or ("" if held else "the host had nothing in flight when it was cut off")
    state = "ok" if part.count.clean and not part.failed else f"{part.failed} {part.count}"
    say(f"  {name}: {len(held)} in flight, finished by the other after {part.recovery_s or 0:.1f} s; {state}")
    return part


def _place(world: World) -> None:
    number = len(world.orders)
    world.place(
        {
            "customer": {"guest": True, "email": f"cut{number}@example.test", "last_name": "Palmer"},
            "lines": [{"sku": f"SKU-{1 + number % 40:03d}", "quantity": 1}],
            "payment_method": "Payments.Manual",
            "paid": True,
        }
    )


def _records_of(world: World, host: str) -> list[str]:
    pids = [pid for name, pid in world.store.holders() if name == host]
    return [event.record for pid in pids for event in world.store.held_by(host, pid)]


def _open_among(world: World, records: list[str]) -> bool:
    busy = {f"{kind} {number}" for kind, number, *_ in world.store.open_work()}
    return any(record in busy for record in records)
