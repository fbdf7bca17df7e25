"""A worker is killed in the middle of its orders: when are they done, and is each done once?"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from bench.bench import Bench
from bench.load import Driver, job, order_ids
from bench.sixcall.shop import SETTLE_SECONDS
from bench.stub import SEARCHABLE, Stub, start

LEASE_SECONDS = 6.0
ORDERS = 150
PER_SECOND = 50.0
TARGET_MS = 50.0


def measure(bench: Bench) -> dict[str, Any]:
    """At a stub that can be searched, or a repeat of a lost write could not be decided."""
    bench.web()
    bench.workers(False)
    stub = Stub(bench.stack.second_stub)
    process = start(int(bench.stack.second_stub.rpartition(":")[2]), SEARCHABLE)
    try:
        return _killed(bench, stub)
    finally:
        process.kill()
        process.wait()


def _killed(bench: Bench, stub: Stub) -> dict[str, Any]:
    tenant = bench.tenant("killed", stub=stub.address, searchable=True)
    bench.workers(True, CAUSEWAY_LEASE_SECONDS=str(LEASE_SECONDS))
    stub.reset(TARGET_MS)
    ids = order_ids(ORDERS)
    driver = Driver(job(bench.stack, tenant, tenant.hook, ids, connections=4, rate=PER_SECOND)).go()
    _wait_half(stub)
    held = _kill_busiest()
    killed_at = time.time()
    driver.result()
    stub.wait_done(ORDERS, seconds=120)
    stats = stub.check(ORDERS, exact_calls=False)
    last = {key: row[0] for key, row in stub.done()["last"].items()}
    bench.workers(False)
    took = max(last[key] for key in held) - killed_at
    bench.say(
        f"recovery: a worker killed with {len(held)} orders in flight; the last of them done {took:.1f} s later "
        f"(lease {LEASE_SECONDS:g} s, settle {SETTLE_SECONDS:g} s); lost 0, doubled {stats['dup_invoices']}"
    )
    return {
        "recovery_s": round(took, 2),
        "recovery_limit_s": LEASE_SECONDS + SETTLE_SECONDS,
        "recovery_in_flight": len(held),
        "recovery_lost": ORDERS - stats["done"],
        "recovery_doubled": stats["dup_invoices"],
    }


def _wait_half(stub: Stub) -> None:
    deadline = time.monotonic() + 60
    while stub.stats()["started"] < ORDERS // 2:
        if time.monotonic() > deadline:
            raise RuntimeError("the workers did not begin")
        time.sleep(0.01)


def _kill_busiest() -> list[str]:
    """:returns: the orders it had in flight."""
    from runs.models import InboxEvent

    leased = InboxEvent.unscoped.filter(state=InboxEvent.State.LEASED).select_related("record")
    for _ in range(500):
        by_worker: dict[str, list[str]] = {}
        for event in leased:
            by_worker.setdefault(event.worker, []).append(event.record.record_id)
        if by_worker:
            worker, held = max(by_worker.items(), key=lambda item: len(item[1]))
            os.kill(int(worker.split(":")[1]), signal.SIGKILL)
            return held
        time.sleep(0.01)
    raise RuntimeError("no worker had anything in flight")
