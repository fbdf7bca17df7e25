"""Where one worker's time goes: a drain over preloaded orders in this process, first plain, then profiled."""

from __future__ import annotations

import concurrent.futures.thread as pools
import cProfile
import io
import pstats
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.inprocess import work
from bench.stack import Stack

LINES = 45


def profile(orders: int, *, sort: str) -> int:
    with Stack(workers=1) as stack:
        from bench.sixcall import seed

        tenants = [seed.tenant("profile", stack.stub.address)]
        work(stack, tenants, 40)
        plain = work(stack, tenants, orders)
        print(
            f"{orders} orders: {orders / plain.seconds:.1f} orders/s in one process, "
            f"{plain.cpu / orders * 1e6:.0f} us of CPU per order, "
            f"{plain.loop_cpu / orders * 1e6:.0f} us of it in the event loop's thread\n"
        )
        profiles: dict[str, cProfile.Profile] = {}
        with _pools_profiled(profiles):
            loop = profiles["event loop"] = cProfile.Profile()
            work(stack, tenants, orders, loop)
        for name, found in profiles.items():
            print(f"==== {name} ({orders} orders)")
            print(_text(found, sort))
    return 0


@contextmanager
def _pools_profiled(profiles: dict[str, cProfile.Profile]) -> Iterator[None]:
    """Profile every pool thread that starts meanwhile; they carry the database's part of the work."""
    plain = pools._worker

    def profiled(*args: Any) -> None:
        found = profiles[threading.current_thread().name] = cProfile.Profile()
        found.enable()
        try:
            plain(*args)
        finally:
            found.disable()

    pools._worker = profiled
    try:
        yield
    finally:
        pools._worker = plain


def _text(found: cProfile.Profile, sort: str) -> str:
    out = io.StringIO()
    pstats.Stats(found, stream=out).strip_dirs().sort_stats(sort).print_stats(LINES)
    return out.getvalue()
