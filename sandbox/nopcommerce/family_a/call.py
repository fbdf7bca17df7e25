"""One call of the official plug-in: reading its parameters, wording its answers."""

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from aiohttp import web

from sandbox.nopcommerce.row import BadBody, Row, dto, parse_moment
from sandbox.nopcommerce.shop import Rows, Shop

R = TypeVar("R", bound=Row)

PREFIX = "/api-backend/"
UNLIMITED = 2_147_483_647
NOTHING = object()
"""What a handler returns for 200 with an empty body."""


class BadParameter(ValueError):
    """A parameter the plug-in refuses with 400 and ProblemDetails."""


class NotFound(LookupError):
    """404 with a plain text."""


class Call:
    """A request and the shop; names of parameters are those of the route or the query."""

    def __init__(self, shop: Shop, request: web.Request) -> None:
        self.shop = shop
        self.request = request
        # Filters are asked for each row of a list, so what costs time to parse is kept.
        self._moments: dict[str, datetime | None] = {}
        self._ids: dict[str, set[int]] = {}

    def id(self, name: str = "id") -> int:
        """:raises BadParameter: zero, negative or no number."""
        number = _whole(name, self.request.match_info[name])
        if number <= 0:
            raise BadParameter(f"{name} must be greater than zero")
        return number

    def row(self, rows: Rows[R], name: str = "id") -> R:
        """The row of the id in the path, as readers see it.

        :raises NotFound: no such row.
        """
        found = rows.read(self.id(name))
        if found is None:
            raise NotFound(f"{rows.kind.__name__} Id={self.request.match_info[name]} not found")
        return found

    def text(self, name: str, default: str | None = None) -> str | None:
        return self.request.query.get(name, default)

    def number(self, name: str, default: int = 0) -> int:
        raw = self.request.query.get(name)
        return default if raw in (None, "") else _whole(name, str(raw))

    def flag(self, name: str, default: bool | None = False) -> bool | None:
        raw = self.request.query.get(name, "").lower()
        if raw not in ("", "true", "false"):
            raise BadParameter(f"The value '{raw}' is not valid for {name}.")
        return default if not raw else raw == "true"

    def amount(self, name: str) -> Decimal:
        raw = self.request.query.get(name, "0")
        try:
            return Decimal(raw)
        except InvalidOperation as error:
            raise BadParameter(f"The value '{raw}' is not valid for {name}.") from error

    def moment(self, name: str) -> datetime | None:
        if name not in self._moments:
            self._moments[name] = self._parse_moment(name)
        return self._moments[name]

    def _parse_moment(self, name: str) -> datetime | None:
        raw = self.request.query.get(name)
        try:
            # An unescaped plus sign of an offset arrives as a blank.
            return parse_moment(raw.replace(" ", "+")) if raw else None
        except ValueError as error:
            raise BadParameter(f"The value '{raw}' is not valid for {name}.") from error

    def path_list(self, name: str) -> list[str]:
        return split_list(self.request.match_info[name])

    def path_ids(self, name: str) -> list[int]:
        return [_whole(name, part) for part in self.path_list(name)]

    def query_ids(self, name: str) -> set[int]:
        if name not in self._ids:
            self._ids[name] = {_whole(name, part) for part in split_list(self.request.query.get(name))}
        return self._ids[name]

    async def body(self) -> Any:
        """:raises BadParameter: no JSON."""
        try:
            return json.loads(await self.request.text())
        except ValueError as error:
            raise BadParameter("The body is not valid JSON.") from error

    def paged(self, rows: Sequence[Any]) -> dict[str, Any]:
        """The envelope of paged lists; without ``pageSize`` everything comes at once."""
        index, size = self.number("pageIndex"), self.number("pageSize", UNLIMITED)
        if index < 0 or size < 1:
            raise BadParameter("pageIndex and pageSize must be positive")
        only_count = self.flag("getOnlyTotalCount")
        pages = -(-len(rows) // size)
        return {
            "total_count": len(rows),
            "total_pages": pages,
            "has_previous_page": index > 0,
            "has_next_page": index + 1 < pages,
            "items": [] if only_count else dtos(rows[index * size : (index + 1) * size]),
            "page_index": index,
            "page_size": size,
        }


Handler = Callable[[Call], Awaitable[Any]]


def dtos(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [dto(row) for row in rows]


def split_list(text: str | None) -> list[str]:
    """Ids and SKUs are joined by semicolons in this plug-in."""
    return [part.strip() for part in (text or "").split(";") if part.strip()]


def found(row: R | None, what: str) -> R:
    """:raises NotFound: there is none."""
    if row is None:
        raise NotFound(f"{what} not found")
    return row


def answer(value: Any) -> web.Response:
    """Texts are plain, everything else is JSON; members in snake_case."""
    if value is NOTHING:
        return web.Response(status=200)
    if isinstance(value, str):
        return web.Response(text=value, content_type="text/plain")
    if isinstance(value, Row):
        value = dto(value)
    return web.json_response(value)


def problem(status: int, detail: str, path: str) -> web.Response:
    titles = {400: "Bad Request", 500: "Internal Server Error"}
    body = {"Type": None, "Title": titles.get(status, "Error"), "Status": status, "Detail": detail, "Instance": path}
    return web.json_response(body, status=status, content_type="application/problem+json")


def refusal(error: Exception, request: web.Request) -> web.Response:
    if isinstance(error, NotFound):
        return web.Response(status=404, text=str(error), content_type="text/plain")
    if isinstance(error, BadParameter | BadBody):
        return problem(400, str(error), request.path)
    raise error


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise BadParameter(f"The value '{text}' is not valid for {name}.") from error
