"""Control endpoints under ``/control/``: look inside, inject faults, switch, start over. No credentials, local only."""

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.common.faults import BadRule
from sandbox.common.jsonable import to_json
from sandbox.common.operations import uncounted
from sandbox.common.settings import BadSetting

if TYPE_CHECKING:
    from sandbox.common.standin import StandIn


def bad_request(text: str) -> web.Response:
    return web.json_response({"error": text}, status=400)


async def json_body(request: web.Request) -> Any:
    """The body's JSON value, None for an empty body.

    :raises ValueError: no JSON.
    """
    raw = await request.text()
    return json.loads(raw) if raw.strip() else None


def control(handler: Callable[[web.Request], Awaitable[Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Wrap a function that returns a JSON-able value; what it refuses with ValueError becomes a 400."""

    @uncounted
    async def answer(request: web.Request) -> web.Response:
        try:
            return web.json_response(to_json(await handler(request)))
        except ValueError as error:
            return bad_request(str(error))

    return answer


def control_routes(standin: "StandIn") -> list[web.AbstractRouteDef]:
    return [*_state_routes(standin), *_call_routes(standin), *_fault_routes(standin), *_setting_routes(standin)]


def _state_routes(standin: "StandIn") -> list[web.AbstractRouteDef]:
    async def state(request: web.Request) -> Any:
        return standin.state()

    async def reset(request: web.Request) -> Any:
        body = await json_body(request) or {}
        seed = body.get("seed", standin.seed)
        if not isinstance(seed, int):
            raise ValueError("seed is a whole number")
        standin.start_over(seed)
        return {"seed": seed}

    return [web.get("/control/state", control(state)), web.post("/control/reset", control(reset))]


def _call_routes(standin: "StandIn") -> list[web.AbstractRouteDef]:
    async def calls(request: web.Request) -> Any:
        return dict(sorted(standin.calls.counts.items()))

    async def calls_reset(request: web.Request) -> Any:
        standin.calls.clear()
        return {}

    async def lateness(request: web.Request) -> Any:
        return {"latest_seconds": standin.latest_seconds}

    async def arrivals(request: web.Request) -> Any:
        return standin.calls.arrivals(after=int(request.query.get("after", 0)))

    return [
        web.get("/control/calls", control(calls)),
        web.post("/control/calls/reset", control(calls_reset)),
        web.get("/control/arrivals", control(arrivals)),
        web.get("/control/lateness", control(lateness)),
    ]


def _fault_routes(standin: "StandIn") -> list[web.AbstractRouteDef]:
    async def show(request: web.Request) -> Any:
        return standin.faults.as_json()

    async def replace(request: web.Request) -> Any:
        try:
            standin.faults.replace(await json_body(request))
        except BadRule as error:
            raise ValueError(str(error)) from error
        return standin.faults.as_json()

    async def clear(request: web.Request) -> Any:
        standin.faults.clear()
        return []

    return [
        web.get("/control/faults", control(show)),
        web.put("/control/faults", control(replace)),
        web.delete("/control/faults", control(clear)),
    ]


def _setting_routes(standin: "StandIn") -> list[web.AbstractRouteDef]:
    async def show(request: web.Request) -> Any:
        return standin.settings.as_json()

    async def patch(request: web.Request) -> Any:
        try:
            standin.settings.patch(await json_body(request))
        except BadSetting as error:
            raise ValueError(str(error)) from error
        standin.changed()
        return standin.settings.as_json()

    return [web.get("/control/settings", control(show)), web.patch("/control/settings", control(patch))]
