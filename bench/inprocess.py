"""Orders worked by a drain in this process: for profiles, and for the orders whose rows growth multiplies."""

from __future__ import annotations

import resource
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import order_ids
from bench.sixcall.tenant import Tenant
from bench.stack import Stack
from bench.stub import Stub

LONGEST_SECONDS = 600.0  # one drain for all orders; the stop file ends it


@dataclass(frozen=True)
class Worked:
    """Seconds by the clock, of the process's CPU, and of this thread's part of it (the event loop)."""

    seconds: float
    cpu: float
    loop_cpu: float


def store(tenant: Tenant, ids: list[str]) -> None:
    """Put orders into the inbox as the door would, without HTTP."""
    from connectors.base.triggers import Hint
    from runs.hook_targets import HookTarget, hook_target
    from runs.hooks import hints_store

    target = hook_target(tenant.hook.rpartition("/")[2])
    assert isinstance(target, HookTarget)
    for start in range(0, len(ids), 500):
        hints_store(target, [Hint("order", key, "order.paid", tenant.account) for key in ids[start : start + 500]])


def work(stack: Stack, tenants: list[Tenant], orders: int, measured: Any = None) -> Worked:
    """Store ``orders`` per tenant and work them all. ``measured``: a context manager around the drain, a profile."""
    from django.conf import settings

    from runs.models import WorkerSlot
    from runs.tasks import drain

    settings.DRAIN_SECONDS = LONGEST_SECONDS

    stack.stub.reset(0)
    for tenant in tenants:
        store(tenant, order_ids(orders))
    stop = Path(stack.environment["CAUSEWAY_STOP_FILE"])
    stop.unlink(missing_ok=True)
    WorkerSlot.objects.update(alive=False, worker="", heartbeat_at=None)
    watch = threading.Thread(target=_stop_when_done, args=(stack.stub, orders * len(tenants), stop))
    watch.start()
    began, cpu, own = time.perf_counter(), _cpu(), time.thread_time()
    with measured or nullcontext():
        drain(0)
    worked = Worked(time.perf_counter() - began, _cpu() - cpu, time.thread_time() - own)
    watch.join()
    stack.stub.check(orders * len(tenants))
    return worked


def _stop_when_done(stub: Stub, orders: int, stop: Path) -> None:
    try:
        stub.wait_done(orders, seconds=300)
    finally:
        stop.touch()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
