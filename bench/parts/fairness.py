"""A tenant with a long backlog, and another one's single order: how much later is it for that?"""

from __future__ import annotations

import time
from typing import Any

from bench.bench import Bench
from bench.figures import percentile
from bench.inprocess import store
from bench.load import Driver, job, order_ids

TRIES = 8


def measure(bench: Bench) -> dict[str, Any]:
    """``batches``: claims of the busy tenant between the other's webhook and its first call, in full batches."""
    from django.conf import settings

    bench.web()
    bench.workers(False)
    busy, single = bench.tenant("backlog"), bench.tenant("single")
    backlog = bench.options.backlog or (5_000 if bench.quick else 100_000)
    store(busy, order_ids(backlog))
    stub = bench.stack.stub
    stub.reset(0)
    bench.workers(True)
    _wait_started(stub, 2 * settings.DRAIN_CONCURRENCY)
    sent, answered = {}, {}
    for _ in range(TRIES):
        (key,) = order_ids(1)
        reply = Driver(job(bench.stack, single, single.hook, [key], connections=1)).go().result()
        sent[key], answered[key] = reply["sent"][key], reply["answered"][key]
        _wait_done(stub, key)
    calls = stub.done()
    left = backlog - (len(calls["last"]) - TRIES)
    bench.workers(False)
    bench.clear()
    if left <= 0:
        raise RuntimeError("the backlog was worked off before the single orders came; a longer one is needed")
    others = sorted(moment for key, moment in calls["first"].items() if key not in sent)
    between = [sum(answered[key] < moment < calls["first"][key] for moment in others) for key in sent]
    batches = [number / settings.DRAIN_CONCURRENCY for number in between]
    delays = [(calls["last"][key][0] - sent[key]) * 1000 for key in sent]
    bench.say(
        f"fairness: {backlog} waiting; another tenant's single order was begun after at most {max(between)} of them "
        f"({max(batches):.2f} batches), done in {percentile(delays, 0.5):.0f} ms (median), {max(delays):.0f} ms (most)"
    )
    return {
        "fairness_backlog": backlog,
        "fairness_batches_max": round(max(batches), 2),
        "fairness_p50_ms": round(percentile(delays, 0.5), 1),
        "fairness_max_ms": round(max(delays), 1),
    }


def _wait_started(stub: Any, orders: int) -> None:
    deadline = time.monotonic() + 60
    while stub.stats()["started"] < orders:
        if time.monotonic() > deadline:
            raise RuntimeError("the backlog was not begun")
        time.sleep(0.05)


def _wait_done(stub: Any, key: str) -> None:
    deadline = time.monotonic() + 120
    while key not in stub.done()["last"]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"order {key} was not done beside the backlog")
        time.sleep(0.05)
