"""End to end: ours, the raw reference and one task per order take turns on one stack."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench import runs
from bench.bench import Bench
from bench.figures import ratio

WARM_UP = 60
WHICH = ("causeway", "raw reference", "one task per order", "tuned tasks")


def measure(bench: Bench) -> dict[str, Any]:
    options = bench.options
    milliseconds = [float(part) for part in (options.ms or ("0,100" if bench.quick else "0,50,100,200")).split(",")]
    done: list[runs.Measured] = []
    bench.web()
    for _ in range(options.rounds or (1 if bench.quick else 2)):
        _round(bench, milliseconds, done)
    typical = {ms: [run for run in done if run.name == WHICH[0] and run.milliseconds == ms] for ms in milliseconds}
    return {
        "flow_runs": [run.as_dict() for run in done],
        **{f"flow_{ms:g}ms_per_s": round(median(run.orders_per_s for run in found)) for ms, found in typical.items()},
        **ratios(done),
        "calls_per_order": max(run.calls_per_order for run in done if run.name == WHICH[0]),
        "cpu_ms_per_order": typical[milliseconds[0]][-1].as_dict()["cpu_ms_per_order"],
    }


def _round(bench: Bench, milliseconds: list[float], done: list[runs.Measured]) -> None:
    from django.conf import settings

    stack, tenant = bench.stack, bench.tenant()

    def note(run: runs.Measured) -> None:
        done.append(run)
        bench.say(_line(run))

    bench.workers(True)
    runs.ours(stack, tenant, orders=WARM_UP, milliseconds=0)
    for ms in milliseconds:
        note(runs.ours(stack, tenant, orders=_orders(bench, ms), milliseconds=ms))
    bench.workers(False)
    for ms in milliseconds:
        note(runs.raw(stack, tenant, orders=_orders(bench, ms), milliseconds=ms))
        bench.clear()
    if 0 in milliseconds:
        for tuned, cluster in ((False, settings.TASK_CLUSTER), (True, settings.TUNED_TASK_CLUSTER)):
            stack.start_tasks(cluster)
            runs.tasks(stack, tenant, orders=WARM_UP, tuned=tuned)
            note(runs.tasks(stack, tenant, orders=_orders(bench, 0) // 2, tuned=tuned))
            stack.stop("tasks")


def _orders(bench: Bench, milliseconds: float) -> int:
    wanted = bench.options.orders or (1000 if bench.quick else 3000)
    return wanted if milliseconds < 50 else max(2, wanted // 2)


def _line(run: runs.Measured) -> str:
    cpu = " ".join(f"{name} {value:.2f}" for name, value in run.cpu_ms_per_order.items())
    alone = f" (alone {run.calls_alone_per_s:.0f})" if run.calls_alone_per_s else ""
    return (
        f"{run.name:18s} {run.milliseconds:4.0f} ms {run.orders_per_s:7.1f} orders/s{alone}  p50 {run.p50_ms:.1f}"
        f"  p99 {run.p99_ms:.1f} ms  door {run.door_per_s:.0f}/s  CPU ms/order: {cpu}"
    )


def ratios(done: list[runs.Measured]) -> dict[str, float]:
    """``flow_vs_raw_0ms`` and its relatives, over the medians of all rounds."""

    def typical(name: str, milliseconds: float) -> float:
        found = [run.orders_per_s for run in done if run.name == name and run.milliseconds == milliseconds]
        return median(found) if found else 0.0

    causeway, raw, task, tuned = WHICH
    made = {
        f"flow_vs_raw_{ms:g}ms": ratio(typical(causeway, ms), typical(raw, ms))
        for ms in sorted({run.milliseconds for run in done})
    }
    for key, name in (("flow_vs_task_0ms", task), ("flow_vs_tuned_task_0ms", tuned)):
        if tasks := typical(name, 0):
            made[key] = ratio(typical(causeway, 0), tasks)
    return made
