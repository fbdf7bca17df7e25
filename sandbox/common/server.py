"""Running a stand-in: in this process's event loop, in a thread of its own, or as a program."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from aiohttp import web

from sandbox.common.snapshot import Snapshot
from sandbox.common.standin import StandIn

STOP_SECONDS = 1.0
"""How long calls in work may take to end when the server stops."""


@contextlib.asynccontextmanager
async def serving(
    standin: StandIn, *, host: str = "127.0.0.1", port: int = 0, state_file: Path | None = None
) -> AsyncIterator[str]:
    """Serve in the running loop; yields the address, such as ``http://127.0.0.1:9102``. Port 0 picks a free one."""
    snapshot = _with_snapshot(standin, state_file) if state_file is not None else None
    runner = web.AppRunner(standin.app(), access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound_host, bound_port = runner.addresses[0][:2]
        standin.base_url = f"http://{bound_host}:{bound_port}"
        yield standin.base_url
    finally:
        await runner.cleanup()
        if snapshot is not None:
            snapshot.save()


def _with_snapshot(standin: StandIn, state_file: Path) -> Snapshot:
    snapshot = Snapshot(state_file, standin.dump)
    stored = snapshot.load()
    if stored is not None:
        standin.restore(stored)
    standin.on_change(snapshot.changed)
    return snapshot


@contextlib.contextmanager
def running(standin: StandIn, *, port: int = 0, state_file: Path | None = None) -> Iterator[str]:
    """Serve from a thread with its own loop, for callers that block (tests, synchronous clients)."""
    ready = threading.Event()
    stop: asyncio.Event | None = None
    loop: asyncio.AbstractEventLoop | None = None
    failure: list[BaseException] = []

    async def serve() -> None:
        nonlocal stop, loop
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with serving(standin, port=port, state_file=state_file):
            ready.set()
            await stop.wait()

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failure.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work, name=f"stand-in {standin.key}", daemon=True)
    thread.start()
    ready.wait()
    if failure:
        raise failure[0]
    try:
        yield standin.base_url
    finally:
        if loop is not None and stop is not None and thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
    if failure:
        raise failure[0]


async def run_program(standin: StandIn, *, host: str, port: int, state_file: Path | None) -> None:
    """Serve until SIGINT or SIGTERM; prints one line with the address once it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(standin, host=host, port=port, state_file=state_file) as address:
        print(f"{standin.title} stand-in listening on {address}", flush=True)
        await stop.wait()
