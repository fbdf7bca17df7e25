"""Where one worker's time goes: a drain over preloaded orders in this process, first plain, then profiled."""

from __future__ import annotations

import concurrent.futures.thread as pools
import cProfile
import io
import pstats
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.flow import order_ids
from bench.stack import Stack
from bench.stub import Stub

LINES = 45


def profile(orders: int, *, sort: str) -> int:
    with Stack(workers=1) as stack:
        from bench.sixcall import seed

        tenant = seed.tenant("profile", stack.stub.address)
        _drain(stack, tenant, 40)
        seconds, cpu, own = _drain(stack, tenant, orders)
        print(
            f"{orders} orders: {orders / seconds:.1f} orders/s in one process, {cpu / orders * 1e6:.0f} us of CPU per "
            f"order, {own / orders * 1e6:.0f} us of it in the event loop's thread\n"
        )
        profiles: dict[str, cProfile.Profile] = {}
        undo = _profile_pools(profiles)
        loop = profiles["event loop"] = cProfile.Profile()
        _drain(stack, tenant, orders, loop)
        undo()
        for name, found in profiles.items():
            print(f"==== {name} ({orders} orders)")
            print(_text(found, sort))
    return 0


def _drain(
    stack: Stack, tenant: Any, orders: int, profiler: cProfile.Profile | None = None
) -> tuple[float, float, float]:
    """:returns: seconds, CPU seconds of the process, CPU seconds of this thread."""
    from connections.models import Connection
    from connectors.base.triggers import Hint
    from runs.hooks import hints_store
    from runs.tasks import drain

    stack.stub.reset(0)
    ids = order_ids(orders)
    connection = Connection.unscoped.get(webhook_public_id=tenant.hook.rpartition("/")[2])
    for start in range(0, orders, 200):
        hints_store(connection, [Hint("order", key, "order.paid", tenant.account) for key in ids[start : start + 200]])
    stop = Path(stack.environment["CAUSEWAY_STOP_FILE"])
    stop.unlink(missing_ok=True)
    _free_slots()
    watch = threading.Thread(target=_stop_when_done, args=(stack.stub, orders, stop))
    watch.start()
    began, cpu, own = time.perf_counter(), _cpu(), time.thread_time()
    if profiler:
        profiler.enable()
    drain(0)
    if profiler:
        profiler.disable()
    took = time.perf_counter() - began, _cpu() - cpu, time.thread_time() - own
    watch.join()
    stack.stub.check(orders)
    return took


def _free_slots() -> None:
    from runs.models import WorkerSlot

    WorkerSlot.objects.update(alive=False, worker="", heartbeat_at=None)


def _stop_when_done(stub: Stub, orders: int, stop: Path) -> None:
    try:
        stub.wait_done(orders, seconds=300)
    finally:
        stop.touch()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _profile_pools(profiles: dict[str, cProfile.Profile]) -> Callable[[], None]:
    """Profile every pool thread that starts from now on; they carry the database's part of the work."""
    plain = pools._worker

    def profiled(*args: Any) -> None:
        found = profiles[threading.current_thread().name] = cProfile.Profile()
        found.enable()
        try:
            plain(*args)
        finally:
            found.disable()

    pools._worker = profiled

    def undo() -> None:
        pools._worker = plain

    return undo


def _text(found: cProfile.Profile, sort: str) -> str:
    out = io.StringIO()
    pstats.Stats(found, stream=out).strip_dirs().sort_stats(sort).print_stats(LINES)
    return out.getvalue()
