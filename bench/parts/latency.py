"""Webhook to last call where there is little to do: orders one by one, a target that answers at once."""

from __future__ import annotations

from typing import Any

from bench import runs
from bench.bench import Bench

PER_SECOND = 5.0


def measure(bench: Bench) -> dict[str, Any]:
    bench.web()
    bench.workers(True)
    runs.ours(bench.stack, bench.tenant(), orders=20, milliseconds=0, rate=20)
    orders = 50 if bench.quick else 500
    run = runs.ours(bench.stack, bench.tenant(), orders=orders, milliseconds=0, rate=PER_SECOND)
    bench.say(f"low rate: {orders} orders at {PER_SECOND:.0f}/s, p50 {run.p50_ms:.1f} ms, p99 {run.p99_ms:.1f} ms")
    return {"low_rate_p50_ms": round(run.p50_ms, 1), "low_rate_p99_ms": round(run.p99_ms, 1), "low_rate_orders": orders}
