"""The base of every stand-in: one outside system, its state, its switches, its faults."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from sandbox.common.arrivals import CallLog
from sandbox.common.control import control_routes
from sandbox.common.fault_kinds import KINDS, FaultKind
from sandbox.common.faults import FaultBook
from sandbox.common.middleware import counting_and_faults
from sandbox.common.operations import route_operation
from sandbox.common.settings import Setting, Settings

log = logging.getLogger(__name__)

LARGEST_REQUEST_BYTES = 20 * 2**20


class StandIn:
    """Subclass per outside system: ``routes`` answers its API, ``reset``, ``dump`` and ``restore`` keep its state.

    ``seed`` decides everything that looks random, so two runs with the same seed and calls end in the same state.
    """

    key = ""
    title = ""
    declared_settings: Mapping[str, Setting] = {}
    program_options: Mapping[str, Mapping[str, Any]] = {}
    """Options of the program besides the common ones: name → arguments of ``add_argument``; the constructor gets them
    by name."""
    own_fault_kinds: Mapping[str, FaultKind] = {}
    other_fault_kinds: frozenset[str] = frozenset()
    """Kinds that act on something else than incoming calls, for example on webhooks; drawn by the stand-in itself."""

    def __init__(self, *, seed: int = 1) -> None:
        self.seed = seed
        self.fault_kinds: Mapping[str, FaultKind] = {**KINDS, **self.own_fault_kinds}
        self.calls = CallLog()
        self.faults = FaultBook(known_kinds={*self.fault_kinds, *self.other_fault_kinds}, seed=seed)
        self.settings = Settings(self.declared_settings)
        self.base_url = ""
        self._on_change: Callable[[], None] = lambda: None
        self._later: set[asyncio.Task[None]] = set()
        self.latest_seconds = 0.0
        """How late work set for later was begun at worst: a busy stand-in lands late writes later than it was told."""

    # What a stand-in says about itself

    def routes(self) -> list[web.AbstractRouteDef]:
        """The provider's API, the pages to look inside and control endpoints of its own (``/control/…``)."""
        raise NotImplementedError

    def reset(self, seed: int) -> None:
        """Throw the state away and seed anew; switches, faults and counters are handled by ``start_over``."""
        raise NotImplementedError

    def state(self) -> Any:
        """Everything a test may want to look at, as a JSON value."""
        raise NotImplementedError

    def dump(self) -> Any:
        """What ``restore`` needs to come back, as a JSON value."""
        raise NotImplementedError

    def restore(self, stored: Any) -> None:
        """Take the state from what ``dump`` returned."""
        raise NotImplementedError

    async def operation_of(self, request: web.Request) -> str | None:
        return route_operation(request)

    async def reference_of(self, request: web.Request) -> str | None:
        """The caller's own key of the record, if it can be told before the call is carried out."""
        return None

    def error_answer(self, request: web.Request, status: int, text: str | None = None) -> web.Response:
        """An error as this system words it; the default is plain JSON."""
        return web.json_response({"message": text or HTTPStatus(status).phrase}, status=status)

    # What a stand-in may use

    def changed(self) -> None:
        """Say that the state has changed, so that a snapshot follows."""
        self._on_change()

    def on_change(self, listener: Callable[[], None]) -> None:
        self._on_change = listener

    def later(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do ``work`` after a while, unless the stand-in is reset or stopped before."""

        due = time.monotonic() + seconds

        async def wait_and_work() -> None:
            await asyncio.sleep(seconds)
            self.latest_seconds = max(self.latest_seconds, time.monotonic() - due)
            await work()

        task = asyncio.get_running_loop().create_task(wait_and_work(), context=contextvars.copy_context())
        self._later.add(task)
        task.add_done_callback(self._finished)

    def start_over(self, seed: int) -> None:
        """A fresh state, no faults, default switches, counters at zero."""
        self.cancel_later()
        self.seed = self.faults.seed = seed
        self.faults.clear()
        self.settings.reset()
        self.calls.clear()
        self.reset(seed)
        self.changed()

    def cancel_later(self) -> None:
        for task in self._later:
            task.cancel()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[counting_and_faults(self)], client_max_size=LARGEST_REQUEST_BYTES)
        app.add_routes([*control_routes(self), *self.routes()])
        app.on_startup.append(self._started)
        app.on_shutdown.append(self._stopping)
        return app

    async def started(self) -> None:
        """Called in the server's event loop before the first call; for background work of a stand-in."""

    async def stopping(self) -> None:
        """Called in the server's event loop when it stops."""

    async def _started(self, app: web.Application) -> None:
        await self.started()

    async def _stopping(self, app: web.Application) -> None:
        self.cancel_later()
        await self.stopping()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._later.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: work set for later failed", self.key, exc_info=task.exception())
