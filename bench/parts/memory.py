"""Proportional memory of every process of ours under load: web, workers, runner. Long form: does it grow?"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from bench import processes
from bench.bench import Bench
from bench.load import Driver, job, order_ids

OURS = ("web", "queue", "sweep")
PER_SECOND = 60.0
SAMPLE_SECONDS = 1.0


def measure(bench: Bench) -> dict[str, Any]:
    """``pss_growth_mb``: the last tenth of the samples less the second one, once everything has been loaded."""
    bench.web()
    bench.workers(True)
    seconds = bench.options.minutes * 60 if bench.options.minutes else (8 if bench.quick else 60)
    orders = int(PER_SECOND * seconds)
    bench.stack.stub.reset(0)
    driver = Driver(
        job(bench.stack, bench.tenant(), bench.tenant().hook, order_ids(orders), connections=8, rate=PER_SECOND)
    )
    driver.go()
    samples, listed = _sample(bench, seconds)
    driver.result()
    bench.stack.stub.wait_done(orders, seconds=60 + orders / 20)
    bench.stack.stub.check(orders, exact_calls=False)  # over half an hour a read may be asked again
    tenth = max(1, len(samples) // 10)
    grown = median(samples[-tenth:]) - median(samples[tenth : 2 * tenth] or samples[:1])
    for name, row in listed.items():
        bench.say(f"memory: {name:8s} {sum(row.values()):6.1f} MB in {len(row)} processes")
    return {
        "pss_mb": round(max(samples), 1),
        "pss_growth_mb": round(grown, 1),
        "pss_minutes": round(seconds / 60, 2),
        "pss_by_process": {
            name: [{"process": text, "mb": round(size, 1)} for text, size in row.items()]
            for name, row in listed.items()
        },
    }


def _sample(bench: Bench, seconds: float) -> tuple[list[float], dict[str, dict[str, float]]]:
    """Sums over time, and the processes of the largest one."""
    roots = {name: process.pid for name, process in bench.stack.running.items() if name in OURS}
    samples: list[float] = []
    largest: dict[str, dict[str, float]] = {}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(SAMPLE_SECONDS)
        found = {name: processes.pss_mb(pid) for name, pid in roots.items()}
        samples.append(sum(sum(row.values()) for row in found.values()))
        if samples[-1] >= max(samples):
            largest = {
                name: {f"{processes.name_of(pid)} [{pid}]": size for pid, size in row.items()}
                for name, row in found.items()
            }
    return samples, largest
