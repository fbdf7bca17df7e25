"""Rounds of the six-call flow: ours, the raw reference and one task per order take turns on one stack."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from typing import Any

from bench import flow
from bench.figures import ratio
from bench.stack import Stack

WARM_UP = 60


def measure(options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    milliseconds = [float(part) for part in (options.ms or "0,100").split(",")]
    rounds = options.rounds or (1 if options.quick else 2)
    runs: list[flow.Measured] = []
    with Stack() as stack:
        from django.conf import settings

        from bench.sixcall import seed

        tenant = seed.tenant("flow", stack.stub.address)
        stack.start_web()

        def note(run: flow.Measured) -> None:
            runs.append(run)
            cpu = " ".join(f"{name} {value:.2f}" for name, value in run.cpu_ms_per_order.items())
            say(
                f"{run.name:20s} {run.milliseconds:4.0f} ms  {run.orders_per_s:7.1f} orders/s  p50 {run.p50_ms:7.1f}"
                f"  p99 {run.p99_ms:7.1f} ms  door {run.door_per_s:6.0f}/s  cpu ms/order: {cpu}"
            )

        for _ in range(rounds):
            stack.start_queue()
            flow.ours(stack, tenant, orders=WARM_UP, milliseconds=0)
            for ms in milliseconds:
                note(flow.ours(stack, tenant, orders=_orders(options, ms), milliseconds=ms))
            stack.stop("sweep", "queue")
            for ms in milliseconds:
                note(flow.raw(stack, tenant, orders=_orders(options, ms), milliseconds=ms))
                flow.inbox_empty()
            if 0 in milliseconds:
                stack.start_tasks(settings.TASK_CLUSTER)
                flow.tasks(stack, tenant, orders=WARM_UP, milliseconds=0)
                note(flow.tasks(stack, tenant, orders=_orders(options, 0) // 2, milliseconds=0))
                stack.stop("tasks")
    return {"flow_runs": [run.as_dict() for run in runs], **ratios(runs)}


def _orders(options: argparse.Namespace, milliseconds: float) -> int:
    wanted = options.orders or (1000 if options.quick else 2000)
    return wanted if milliseconds < 50 else max(2, wanted // 2)


def ratios(runs: list[flow.Measured]) -> dict[str, float]:
    """``flow_vs_raw_0ms`` and its relatives, over the medians of all rounds."""

    def typical(name: str, milliseconds: float) -> float:
        found = [run.orders_per_s for run in runs if run.name == name and run.milliseconds == milliseconds]
        return median(found) if found else 0.0

    made = {
        f"flow_vs_raw_{ms:g}ms": ratio(typical("causeway", ms), typical("raw reference", ms))
        for ms in sorted({run.milliseconds for run in runs})
    }
    if tasks := typical("one task per order", 0):
        made["flow_vs_task_0ms"] = ratio(typical("causeway", 0), tasks)
    return made
