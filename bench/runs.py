"""The six-call flow, measured: ours, the raw reference beside the same webhooks, and one queue task per order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from bench.figures import percentile
from bench.load import Cpu, Driver, drains_seem_alive, job, order_ids
from bench.sixcall.tenant import Tenant
from bench.stack import Stack
from bench.stub import REFERENCE

CONNECTIONS = 8
PROCESSES = 2


@dataclass
class Measured:
    """One run. ``orders_per_s`` from the first webhook to the last order's last call."""

    name: str
    orders: int
    milliseconds: float
    orders_per_s: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    calls_per_order: float = 0.0
    door_per_s: float = 0.0
    calls_alone_per_s: float = 0.0  # the raw loops by themselves, from their first call to their last
    cpu_ms_per_order: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "orders": self.orders,
            "target_ms": self.milliseconds,
            "orders_per_s": round(self.orders_per_s, 1),
            "p50_ms": round(self.p50_ms, 1),
            "p99_ms": round(self.p99_ms, 1),
            "calls_per_order": round(self.calls_per_order, 2),
            "door_per_s": round(self.door_per_s, 1),
            "calls_alone_per_s": round(self.calls_alone_per_s, 1),
            "cpu_ms_per_order": {name: round(value, 3) for name, value in self.cpu_ms_per_order.items()},
        }


def ours(stack: Stack, tenant: Tenant, *, orders: int, milliseconds: float, rate: float = 0) -> Measured:
    """Webhooks through the real door while the workers, already running, work them."""
    return _through_door(stack, tenant, "causeway", tenant.hook, orders, milliseconds, rate)


def tasks(stack: Stack, tenant: Tenant, *, orders: int, tuned: bool) -> Measured:
    """The same webhooks to a view that queues one task per order, its cluster running; the target answers at once."""
    name, path = ("tuned tasks", tenant.tuned_task_hook) if tuned else ("one task per order", tenant.task_hook)
    return _through_door(stack, tenant, name, path, orders, 0, 0)


def _through_door(
    stack: Stack, tenant: Tenant, name: str, path: str, orders: int, milliseconds: float, rate: float
) -> Measured:
    stack.stub.reset(milliseconds)
    ids = order_ids(orders)
    driver, cpu = Driver(job(stack, tenant, path, ids, connections=CONNECTIONS, rate=rate)), Cpu(stack)
    sent = driver.go().result()
    stack.stub.wait_done(orders, seconds=60 + orders * (0.05 + milliseconds / 1000))
    stats = stack.stub.check(orders)
    spent = cpu.per_order(orders, driver=sent["cpu_seconds"])
    last = {key: row[0] for key, row in stack.stub.done()["last"].items()}
    waits = [(last[key] - sent["sent"][key]) * 1000 for key in ids]
    return Measured(
        name,
        orders,
        milliseconds,
        orders / (max(last.values()) - sent["began"]),
        percentile(waits, 0.5),
        percentile(waits, 0.99),
        stats["calls"] / orders,
        orders / (sent["ended"] - sent["began"]),
        0.0,
        spent,
    )


_RAW_LINE = re.compile(r"n=\s*(\d+) orders/s=\s*([\d.]+) cpu/order=\s*([\d.]+)ms p50=([\d.]+)ms p99=([\d.]+)ms")


def raw(stack: Stack, tenant: Tenant, *, orders: int, milliseconds: float, rate: float = 0) -> Measured:
    """The reference in as many processes as we have workers, while the door takes the same webhooks; the queue is off.

    Done when the last order is done and the last webhook accepted: fed through the door it could not be faster.
    """
    from django.conf import settings
    from django.db import connection

    if "queue" in stack.running:
        raise RuntimeError("the queue must be stopped")
    journal = ["pggroup", database_address()["dsn"]] if stack.database_url else ["sqlite"]
    if stack.database_url:
        with connection.cursor() as cursor:  # two processes creating one table at once would collide
            cursor.execute("create table if not exists jraw(id bigserial primary key, oid text, d jsonb)")
    command = [
        sys.executable, str(REFERENCE / "raw_flow.py"), str(orders // PROCESSES), str(settings.DRAIN_CONCURRENCY),
        f"{milliseconds:g}", "hxaio", *journal,
    ]  # fmt: skip
    driver = Driver(job(stack, tenant, tenant.hook, order_ids(orders), connections=CONNECTIONS, rate=rate))
    stack.stub.reset(milliseconds)
    drains_seem_alive()
    cpu, running = Cpu(stack), [_reference(stack, command) for _ in range(PROCESSES)]
    while not stack.stub.stats()["started"] and running[0].poll() is None:
        time.sleep(0.005)
    sent = driver.go().result()
    each = [_raw_figures(process) for process in running]
    seconds = max(row["n"] / row["per_s"] for row in each)
    last = stack.stub.stats()["last_ts"]
    return Measured(
        "raw reference",
        orders,
        milliseconds,
        orders / (max(last, sent["ended"]) - (last - seconds)),
        max(row["p50"] for row in each),
        max(row["p99"] for row in each),
        6.0,
        orders / (sent["ended"] - sent["began"]),
        orders / seconds,
        cpu.per_order(orders, driver=sent["cpu_seconds"], reference=sum(row["n"] * row["cpu"] for row in each) / 1000),
    )


def _reference(stack: Stack, command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, env={**os.environ, "STUB": stack.stub.address}, cwd=stack.folder, stdout=subprocess.PIPE, text=True
    )


def _raw_figures(process: subprocess.Popen[str]) -> dict[str, float]:
    printed = process.communicate()[0]
    match = _RAW_LINE.search(printed)
    if match is None:
        raise RuntimeError(f"the raw reference failed: {printed}")
    return dict(zip(("n", "per_s", "cpu", "p50", "p99"), map(float, match.groups()), strict=True))


def database_address() -> dict[str, str]:
    """The bench's own database, for programs without Django: ``dsn`` or ``sqlite``."""
    from django.conf import settings

    block = settings.DATABASES["default"]
    if block["ENGINE"].endswith("sqlite3"):
        return {"sqlite": str(block["NAME"])}
    parts = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {"dsn": " ".join(f"{name}={block[key]}" for name, key in parts.items() if block.get(key))}
