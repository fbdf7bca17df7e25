"""The door: beside a bare one-insert view on the same server, beside committed inserts, and under a burst."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from typing import Any

from bench.bench import Bench
from bench.figures import percentile, ratio
from bench.load import Driver, drains_seem_alive, job, order_ids
from bench.runs import database_address
from bench.stack import ROOT

CONNECTIONS = 32
BURST_PER_S = 10_000 / 60


def measure(bench: Bench) -> dict[str, Any]:
    bench.web()
    tenant = bench.tenant()
    per_round, rounds = (1500, 2) if bench.quick else (4000, 3)
    found: dict[str, list[float]] = {"door": [], "bare": [], "inserts": []}
    bench.workers(False)
    _send(bench, "/bench/bare", 200)
    _send(bench, tenant.hook, 200)
    for _ in range(rounds):
        drains_seem_alive()
        for name, path in (("bare", "/bench/bare"), ("door", tenant.hook)):
            sent = _send(bench, path, per_round)
            found[name].append(per_round / (sent["ended"] - sent["began"]))
        found["inserts"].append(_inserts(2.0 if bench.quick else 5.0)["per_s"])
        bench.clear()
    door, bare, inserts = (median(found[name]) for name in ("door", "bare", "inserts"))
    bench.say(f"accept: door {door:.0f}/s  bare view {bare:.0f}/s  committed inserts {inserts:.0f}/s")
    return {
        "accept_per_s": round(door),
        "bare_view_per_s": round(bare),
        "insert_per_s": round(inserts),
        "accept_vs_bare_view": ratio(door, bare),
        "accept_vs_insert": ratio(door, inserts),
        **_at_half_rate(bench, door / 2),
        **_burst(bench),
    }


def _send(bench: Bench, path: str, orders: int, rate: float = 0) -> dict[str, Any]:
    work = job(bench.stack, bench.tenant(), path, order_ids(orders), connections=CONNECTIONS, rate=rate)
    return Driver(work).go().result()


def _inserts(seconds: float, rate: float = 0) -> dict[str, float]:
    work = {**database_address(), "connections": CONNECTIONS, "processes": 2, "seconds": seconds, "rate": rate}
    done = subprocess.run(
        [sys.executable, "-m", "bench.inserts"], input=json.dumps(work), capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def _at_half_rate(bench: Bench, rate: float) -> dict[str, Any]:
    """99 of 100 answers within how long, beside the bare insert's at the same rate; turns, and the median of them."""
    seconds, rounds = (2.0, 3) if bench.quick else (10.0, 3)
    door, insert = [], []
    for _ in range(rounds):
        drains_seem_alive()
        sent = _send(bench, bench.tenant().hook, int(rate * seconds), rate)
        door.append(percentile([wait * 1000 for wait in sent["waited"].values()], 0.99))
        insert.append(_inserts(seconds, rate)["p99_ms"])
        bench.clear()
    bench.say(f"at {rate:.0f}/s: door p99 {median(door):.2f} ms, bare insert p99 {median(insert):.2f} ms")
    return {
        "accept_p99_ms": round(median(door), 2),
        "insert_p99_ms": round(median(insert), 2),
        "accept_p99_vs_insert": ratio(median(door), median(insert)),
    }


def _burst(bench: Bench) -> dict[str, Any]:
    """10,000 webhooks in a minute (quick: the same rate for 10 s), workers on: none refused, every order done once."""
    orders = bench.options.burst or (int(10 * BURST_PER_S) if bench.quick else 10_000)
    bench.workers(True)
    bench.stack.stub.reset(0)
    sent = _send(bench, bench.tenant().hook, orders, BURST_PER_S)  # refuses to go on where one was not accepted
    bench.stack.stub.wait_done(orders, seconds=120 + orders / 20)
    bench.stack.stub.check(orders)
    waited = percentile([wait * 1000 for wait in sent["waited"].values()], 0.99)
    after = bench.stack.stub.stats()["last_ts"] - sent["ended"]
    bench.say(f"burst: {orders} webhooks at {BURST_PER_S:.0f}/s, none refused, all done {after:.1f} s after the last")
    return {
        "burst_orders": orders,
        "burst_refused": 0,
        "burst_done": orders,
        "burst_p99_ms": round(waited, 1),
        "burst_done_after_s": round(after, 2),
    }
