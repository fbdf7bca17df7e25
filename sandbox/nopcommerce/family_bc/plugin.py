"""The two plug-ins as a whole: which routes exist in which family, tokens, errors."""

from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from sandbox.nopcommerce.family_bc import catalogue, orders, people
from sandbox.nopcommerce.family_bc.call import Call, Crashed, Handler, Refused, caller_of, may_use_api
from sandbox.nopcommerce.family_bc.oauth import OAuthPages
from sandbox.nopcommerce.family_bc.registrations import Echo, filters_answer, registration_routes
from sandbox.nopcommerce.family_bc.tokens_c import check_token, create_token
from sandbox.nopcommerce.plugins import PluginState
from sandbox.nopcommerce.shop import Shop

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Plugins:
    """Routes of families B and C. ``shop`` and ``state`` are asked at each call, since a reset replaces both."""

    def __init__(self, shop: Callable[[], Shop], state: Callable[[], PluginState], echo: Echo) -> None:
        self.shop, self.state, self.echo = shop, state, echo

    def routes(self) -> Iterator[web.RouteDef]:
        yield from self._sign_in_routes()
        yield web.get("/api/webhooks/filters", self._filters)
        for source in (orders.routes(), people.routes(), catalogue.routes(), registration_routes(self.echo)):
            for method, path, handler, families in source:
                yield web.route(method, path, self._guarded(handler, families, needs_webhooks="/webhooks/" in path))

    def _sign_in_routes(self) -> Iterator[web.RouteDef]:
        def page(name: str) -> WebHandler:
            async def answer(request: web.Request) -> web.StreamResponse:
                self._require("B")
                return await getattr(OAuthPages(self.shop(), self.state()), name)(request)

            return answer

        async def create(request: web.Request) -> web.StreamResponse:
            self._require("C")
            return await create_token(self.shop(), self.state(), request)

        async def check(request: web.Request) -> web.StreamResponse:
            self._require("C")
            return await check_token(self.shop(), self.state(), request)

        yield web.get("/oauth/authorize", page("authorize"))
        yield web.post("/oauth/authorize", page("decide"))
        yield web.get("/login", page("login"))
        yield web.post("/login", page("login"))
        yield web.post("/api/token", page("token"))
        yield web.post("/oauth/token", page("token"))
        yield web.post("/token", create)
        yield web.get("/token/check", check)

    def _require(self, families: str, *, webhooks: bool = False) -> None:
        """A route of a plug-in that is not installed is a page the shop does not have."""
        shop = self.shop()
        missing = not set(families) & set(shop.settings["families"])
        if missing or (webhooks and not shop.settings["webhooks"]):
            raise web.HTTPNotFound

    async def _filters(self, request: web.Request) -> web.StreamResponse:
        self._require("B", webhooks=True)
        return filters_answer()

    def _guarded(self, handler: Handler, families: str, *, needs_webhooks: bool) -> WebHandler:
        async def answered(request: web.Request) -> web.StreamResponse:
            self._require(families, webhooks=needs_webhooks)
            shop, state = self.shop(), self.state()
            caller = caller_of(shop, state, request)
            if caller is None:
                return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
            if caller.family not in families:
                raise web.HTTPNotFound
            if not may_use_api(shop, caller):
                return web.Response(status=403)
            try:
                return await handler(Call(shop, state, request, caller))
            except Refused as error:
                return error.answer()
            except Crashed as error:
                raise web.HTTPInternalServerError(text=str(error)) from error

        return answered
