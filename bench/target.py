"""Any other tool, driven by the same driver against the same stub. ``bench/README.md`` describes its six-call flow."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from bench import stub
from bench.figures import percentile
from bench.load import Driver, order_ids, requests_for
from bench.runs import CONNECTIONS
from bench.sixcall.tenant import Tenant


def drive_target(options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Stub on ``--stub-port``, webhooks to ``--target``; :raises WrongCounts: an order was lost or doubled."""
    address = urlsplit(options.target)
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    tenant = Tenant(0, 0, path, path, "bench-secret", "bench_shop-target")
    process = stub.start(options.stub_port)
    target = stub.Stub(f"127.0.0.1:{options.stub_port}")
    runs = []
    try:
        for milliseconds in [float(part) for part in (options.ms or "0,100").split(",")]:
            target.reset(milliseconds)
            ids = order_ids(options.orders or 1000)
            work = requests_for(
                address.hostname or "127.0.0.1", address.port or 80, tenant, path, ids, connections=CONNECTIONS
            )
            sent = Driver(work).go().result()
            target.wait_done(len(ids), seconds=120 + len(ids) / 5)
            stats = target.check(len(ids), exact_calls=False)
            last = {key: row[0] for key, row in target.done()["last"].items()}
            waits = [(last[key] - sent["sent"][key]) * 1000 for key in ids]
            runs.append(
                {
                    "name": options.target,
                    "target_ms": milliseconds,
                    "orders": len(ids),
                    "orders_per_s": round(len(ids) / (max(last.values()) - sent["began"]), 1),
                    "p50_ms": round(percentile(waits, 0.5), 1),
                    "p99_ms": round(percentile(waits, 0.99), 1),
                    "calls_per_order": round(stats["calls"] / len(ids), 2),
                }
            )
            say(f"{options.target} {milliseconds:g} ms: {runs[-1]['orders_per_s']} orders/s")
    finally:
        process.kill()
        process.wait()
    return {"flow_runs": runs}
