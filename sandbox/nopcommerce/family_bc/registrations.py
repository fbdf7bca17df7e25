"""Webhook registrations of family B: filters, echo check, one set per client and store."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from sandbox.nopcommerce.family_bc.call import Call, Handler, Refused
from sandbox.nopcommerce.plugins import Registration

_VERBS = {
    "customers": ("create", "update", "delete"),
    "products": ("create", "update", "delete", "unmap"),
    "categories": ("create", "update", "delete"),
    "orders": ("create", "update", "delete"),
    "stores": ("update",),
    "product_category_maps": ("create", "update", "delete"),
    "languages": ("create", "update", "delete"),
    "news_letter_subscription": ("create", "update", "delete"),
}
FILTERS = tuple(f"{noun}/{verb}" for noun, verbs in _VERBS.items() for verb in verbs)
EVERYTHING = "*"

Echo = Callable[[str, str], Awaitable[bool]]
"""(address, text) → whether the receiver answered 200 with exactly that text."""


def registration_routes(echo: Echo) -> Iterator[tuple[str, str, Handler, str]]:
    """(method, path, handler, families)."""
    pages = _Registrations(echo)
    base = "/api/webhooks/registrations"
    yield "GET", base, pages.all, "B"
    yield "POST", base, pages.create, "B"
    yield "GET", f"{base}/{{id}}", pages.one, "B"
    yield "PUT", f"{base}/{{id}}", pages.update, "B"
    yield "DELETE", f"{base}/{{id}}", pages.delete, "B"
    yield "DELETE", base, pages.delete_all, "B"


def filters_answer() -> web.Response:
    return web.json_response([{"Name": name, "Description": f"The event {name}"} for name in FILTERS])


class _Registrations:
    def __init__(self, echo: Echo) -> None:
        self.echo = echo

    async def all(self, call: Call) -> web.StreamResponse:
        return web.json_response([_shown(row) for row in _own(call)])

    async def one(self, call: Call) -> web.StreamResponse:
        return web.json_response(_shown(_find(call)))

    async def create(self, call: Call) -> web.StreamResponse:
        given = await _body(call)
        number = str(given.get("Id") or call.plugins.next_text("webhook"))
        if number in call.plugins.registrations or any(_same(row, given) for row in _own(call)):
            raise Refused(409, "webhook", "A WebHook with this Id or address and filters is already registered")
        row = await self._checked(call, Registration(number, call.owner, "", "", []), given)
        call.plugins.registrations[row.id] = row
        where = f"/api/webhooks/registrations/{row.id}"
        return web.json_response(_shown(row), status=201, headers={"Location": where})

    async def update(self, call: Call) -> web.StreamResponse:
        old = _find(call)
        fresh = Registration(old.id, old.owner, "", old.secret, [])
        call.plugins.registrations[old.id] = await self._checked(call, fresh, await _body(call))
        return web.Response(status=200)

    async def delete(self, call: Call) -> web.StreamResponse:
        del call.plugins.registrations[_find(call).id]
        return web.Response(status=200)

    async def delete_all(self, call: Call) -> web.StreamResponse:
        for row in _own(call):
            del call.plugins.registrations[row.id]
        return web.Response(status=200)

    async def _checked(self, call: Call, row: Registration, given: dict[str, Any]) -> Registration:
        row.uri = _address(given)
        row.secret = _secret(given, row.secret or call.plugins.next_text("secret") + call.plugins.next_text("secret"))
        row.filters = _filters(given)
        row.description, row.is_paused = given.get("Description"), given.get("IsPaused") is True
        row.headers = {str(name): str(value) for name, value in (given.get("Headers") or {}).items()}
        row.properties = dict(given.get("Properties") or {})
        if not _no_echo(row.uri) and not await self.echo(row.uri, call.plugins.next_text("echo")):
            raise Refused(400, "webhook", "WebHook verification failed: the echo query parameter was not returned")
        return row


async def _body(call: Call) -> dict[str, Any]:
    try:
        given = await call.request.json()
    except ValueError as error:
        raise Refused(400, "webhook", "The body is not valid JSON") from error
    if not isinstance(given, dict):
        raise Refused(400, "webhook", "The body is not an object")
    return given


def _address(given: dict[str, Any]) -> str:
    uri = given.get("WebHookUri")
    if not isinstance(uri, str) or urlsplit(uri).scheme not in ("http", "https"):
        raise Refused(400, "WebHookUri", "WebHookUri must be an absolute http or https address")
    return uri


def _secret(given: dict[str, Any], default: str) -> str:
    secret = given.get("Secret") or default
    if not isinstance(secret, str) or not 32 <= len(secret) <= 64:
        raise Refused(400, "Secret", "The secret must be between 32 and 64 characters long")
    return secret


def _filters(given: dict[str, Any]) -> list[str]:
    wanted = given.get("Filters") or [EVERYTHING]
    names = [str(name).lower() for name in wanted] if isinstance(wanted, list) else []
    unknown = [name for name in names if name not in (*FILTERS, EVERYTHING)]
    if unknown or not names:
        raise Refused(400, "Filters", f"Invalid filters: {', '.join(unknown)}")
    return names


def _no_echo(uri: str) -> bool:
    return any(name.lower() == "noecho" for name, _ in parse_qsl(urlsplit(uri).query, keep_blank_values=True))


def _own(call: Call) -> list[Registration]:
    return [row for row in call.plugins.registrations.values() if row.owner == call.owner]


def _find(call: Call) -> Registration:
    row = call.plugins.registrations.get(call.request.match_info["id"])
    if row is None or row.owner != call.owner:
        raise Refused(404, "webhook", "not found")
    return row


def _same(row: Registration, given: dict[str, Any]) -> bool:
    wanted = {str(name).lower() for name in given.get("Filters") or [EVERYTHING]}
    return row.uri == given.get("WebHookUri") and set(row.filters) == wanted


def _shown(row: Registration) -> dict[str, Any]:
    return {
        "Id": row.id,
        "WebHookUri": row.uri,
        "Secret": row.secret,
        "Description": row.description,
        "IsPaused": row.is_paused,
        "Filters": row.filters,
        "Headers": row.headers,
        "Properties": row.properties,
    }
