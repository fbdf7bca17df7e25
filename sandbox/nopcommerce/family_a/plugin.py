"""The plug-in as a whole: its routes, each behind the token, and its description page."""

from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from sandbox.nopcommerce.family_a import aftersales, crud, orders, people, products
from sandbox.nopcommerce.family_a.auth import get_token, may_call, unauthorized
from sandbox.nopcommerce.family_a.call import (
    PREFIX,
    BadParameter,
    Call,
    Handler,
    NotFound,
    answer,
    problem,
    refusal,
)
from sandbox.nopcommerce.processing import RuleBroken
from sandbox.nopcommerce.row import BadBody
from sandbox.nopcommerce.shop import Shop

DESCRIPTION = """<!DOCTYPE html>
<html><head><title>nopCommerce Web API</title></head>
<body><h1>nopCommerce Web API</h1>
<p>Select a definition: <a href="/api-backend/">nopCommerce Web API Backend</a> (/api-backend)</p></body></html>"""


def plugin_routes(shop: Callable[[], Shop], secret: Callable[[], str]) -> Iterator[web.RouteDef]:
    """``shop`` and ``secret`` are asked at each call, since both are replaced by a reset."""

    async def token(request: web.Request) -> web.StreamResponse:
        return await get_token(shop(), secret(), request)

    async def description(request: web.Request) -> web.StreamResponse:
        return web.Response(text=DESCRIPTION, content_type="text/html")

    yield web.post(f"{PREFIX}Authenticate/GetToken", token)
    yield web.get("/api/index.html", description)
    for source in (orders, products, people, aftersales, crud):
        for method, path, handler in source.routes():
            yield web.route(method, PREFIX + path, _guarded(shop, secret, handler))


def _guarded(
    shop: Callable[[], Shop], secret: Callable[[], str], handler: Handler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answered(request: web.Request) -> web.StreamResponse:
        if not may_call(shop(), secret(), request):
            return unauthorized()
        try:
            return answer(await handler(Call(shop(), request)))
        except RuleBroken as error:
            # How the plug-in wraps the core's exceptions is not established; a switch offers both.
            return problem(shop().settings["rule_error_status"], str(error), request.path)
        except (BadParameter, BadBody, NotFound) as error:
            return refusal(error, request)

    return answered
