"""One call of the resource plug-ins: who asks, which dialect, which page; errors as they word them."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from aiohttp import web

from sandbox.nopcommerce import customers, tokens
from sandbox.nopcommerce.family_bc.dtos import View
from sandbox.nopcommerce.plugins import PluginState
from sandbox.nopcommerce.row import Row, parse_moment
from sandbox.nopcommerce.shop import Rows, Shop

R = TypeVar("R", bound=Row)

LIMIT, MOST = 50, 250


class Refused(Exception):
    """``{"errors": {key: [message]}}`` with this status."""

    def __init__(self, status: int, key: str, message: str) -> None:
        super().__init__(message)
        self.status, self.key = status, key

    def answer(self) -> web.Response:
        return web.json_response({"errors": {self.key: [str(self)]}}, status=self.status)


class Crashed(Exception):
    """An exception the plug-in does not handle."""


@dataclass(frozen=True)
class Caller:
    """``family`` B or C; ``owner`` separates webhook registrations."""

    family: str
    customer_id: int
    client_id: str = ""


class Call:
    def __init__(self, shop: Shop, plugins: PluginState, request: web.Request, caller: Caller) -> None:
        self.shop, self.plugins, self.request, self.caller = shop, plugins, request, caller
        self.view = View(shop)
        # Bounds are asked for each row of a list, so they are parsed once.
        self._moments: dict[str, datetime | None] = {}

    @property
    def owner(self) -> str:
        return f"{self.caller.client_id}-{self.shop.store.id}"

    def row(self, rows: Rows[R], noun: str, name: str = "id") -> R:
        """:raises Refused: 400 for an id that cannot be one, 404 for an unknown one."""
        try:
            number = int(self.request.match_info[name])
        except ValueError:
            number = 0
        if number <= 0:
            raise Refused(400, name, "invalid id")
        found = rows.read(number)
        if found is None or getattr(found, "deleted", False):
            raise Refused(404, noun, "not found")
        return found

    def moment(self, name: str) -> datetime | None:
        if name not in self._moments:
            self._moments[name] = self._parse_moment(name)
        return self._moments[name]

    def _parse_moment(self, name: str) -> datetime | None:
        raw = self.request.query.get(name)
        try:
            return parse_moment(raw.replace(" ", "+")) if raw else None
        except ValueError as error:
            raise Refused(400, name, "Invalid date") from error

    def between(self, value: datetime, prefix: str) -> bool:
        """Both bounds are strict: a record of exactly that moment is left out."""
        least, most = self.moment(f"{prefix}_min"), self.moment(f"{prefix}_max")
        return (least is None or value > least) and (most is None or value < most)

    def ids(self) -> set[int]:
        parts = self.request.query.get("ids", "").split(",")
        return {int(part) for part in parts if part.strip().isdigit()}

    def page(self, rows: Sequence[R]) -> list[R]:
        """Ascending by id, after ``since_id``, cut to ``limit`` and ``page``.

        :raises Refused: 400 with the plug-in's texts.
        """
        limit, page, since = self._number("limit", LIMIT), self._number("page", 1), self._number("since_id", 0)
        if not 1 <= limit <= MOST:
            raise Refused(400, "limit", "Invalid limit parameter")
        if page < 1:
            raise Refused(400, "page", "Invalid page parameter")
        ordered = sorted((row for row in rows if row.id > since), key=lambda row: row.id)
        return ordered[(page - 1) * limit : page * limit]

    def wanted_ids(self, rows: Sequence[R]) -> list[R]:
        ids = self.ids()
        return [row for row in rows if not ids or row.id in ids]

    def wrapped(self, root: str, dtos: Sequence[dict[str, Any]]) -> web.Response:
        """``{"orders": […]}``, members cut to ``fields`` when given."""
        names = [name.strip().lower() for name in self.request.query.get("fields", "").split(",") if name.strip()]
        if names:
            dtos = [{name: value for name, value in dto.items() if name in names} for dto in dtos]
        return web.json_response({root: list(dtos)})

    async def body(self, root: str) -> dict[str, Any]:
        """The object below ``root``.

        :raises Refused: 422 when it is not there.
        """
        try:
            whole = json.loads(await self.request.text())
        except ValueError as error:
            raise Refused(422, root, f"The JSON root '{root}' is missing or the JSON is not valid") from error
        inner = whole.get(root) if isinstance(whole, dict) else None
        if not isinstance(inner, dict):
            raise Refused(422, root, f"The JSON root '{root}' is missing or the JSON is not valid")
        return inner

    def _number(self, name: str, default: int) -> int:
        raw = self.request.query.get(name)
        if raw is None:
            return default
        try:
            return int(raw)
        except ValueError:
            return -1  # refused by the same checks as a number out of range


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


def caller_of(shop: Shop, plugins: PluginState, request: web.Request) -> Caller | None:
    """Whom the bearer token belongs to, if its family is installed and it is still good."""
    header = request.headers.get("Authorization", "")
    if not header.lower().startswith("bearer "):
        return None
    token, now, installed = header[7:].strip(), shop.now().timestamp(), shop.settings["families"]
    grant = plugins.access_tokens.get(token)
    if grant is not None:
        good = "B" in installed and grant.expires > now and _is_active(plugins, grant.client_id)
        return Caller("B", grant.customer_id, grant.client_id) if good else None
    try:
        claims = tokens.read(token, plugins.secret, now=now)
    except tokens.BadToken:
        return None
    if claims.get("family") != "C" or "C" not in installed:
        return None
    return Caller("C", claims["customer_id"])


def may_use_api(shop: Shop, caller: Caller) -> bool:
    """Family C: the account needs the role for API users."""
    customer = shop.customers.get(caller.customer_id)
    return caller.family == "B" or (
        customer is not None and customer.active and customers.is_in_role(shop, customer, customers.API_USERS)
    )


def _is_active(plugins: PluginState, client_id: str) -> bool:
    client = plugins.clients.get(client_id)
    return client is not None and client.active
