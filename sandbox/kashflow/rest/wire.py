"""REST bodies: JSON in and out, dates in their odd renderings, errors, lists with their envelope."""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any

from aiohttp import web

from sandbox.common.jsonable import to_json
from sandbox.kashflow.account import Account
from sandbox.kashflow.money import ZERO
from sandbox.kashflow.refusal import invented

Body = dict[str, Any]
REFERENCES = ("CustomerReference", "CustomerKey", "Comment", "Code")
_ERROR_CODES = {401: "InvalidSessionToken", 404: "NotFound", 405: "MethodNotAllowed", 429: "TooManyRequests"}


def rest_error(status: int, code: str | None, text: str | None) -> web.Response:
    phrase = HTTPStatus(status).phrase
    return web.json_response(
        {"Error": code or _ERROR_CODES.get(status, phrase.replace(" ", "")), "Message": text or phrase}, status=status
    )


def _number(value: Any) -> Any:
    # JSON numbers only at the very edge: the shortest repr of such a float is the decimal again.
    if isinstance(value, Decimal):
        return float(value)
    return to_json(value)


def reply(value: Any, *, status: int = 200, location: str | None = None) -> web.Response:
    headers = {"Location": location} if location is not None else None
    text = json.dumps(value, default=_number)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


async def read_body(request: web.Request) -> Any:
    """The body's JSON value with exact decimals.

    :raises Refused: no JSON.
    """
    try:
        return json.loads(await request.text(), parse_float=Decimal)
    except ValueError as error:
        raise invented("The request body is no valid JSON", code="InvalidRequest") from error


async def rest_reference(request: web.Request) -> str | None:
    """The caller's own key of the record, when the body has one."""
    if request.method not in ("POST", "PUT") or request.content_type != "application/json":
        return None
    try:
        body = json.loads(await request.text())
    except ValueError:
        return None
    found = (body.get(name) for name in REFERENCES) if isinstance(body, dict) else ()
    return next((str(value) for value in found if value), None)


async def read_object(request: web.Request) -> Body:
    """:raises Refused: no JSON object."""
    body = await read_body(request)
    if not isinstance(body, dict):
        raise invented("The request body is no object", code="InvalidRequest")
    return body


def amount(body: Mapping[str, Any], name: str, default: Decimal = ZERO) -> Decimal:
    """:raises Refused: no number."""
    value = body.get(name)
    if value is None:
        return default
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise invented(f"{name} is no number", code="InvalidRequest") from error


def whole_number(body: Mapping[str, Any], name: str, default: int = 0) -> int:
    """:raises Refused: no whole number."""
    value = amount(body, name, Decimal(default))
    if value != value.to_integral_value():
        raise invented(f"{name} is no whole number", code="InvalidRequest")
    return int(value)


def day(body: Mapping[str, Any], name: str, default: dt.date | None) -> dt.date | None:
    """The date part, whatever follows it.

    :raises Refused: no date.
    """
    value = body.get(name)
    if value is None:
        return default
    try:
        return dt.date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise invented(f"{name} is no date", code="InvalidRequest") from error


def text(body: Mapping[str, Any], name: str, default: str = "") -> str:
    value = body.get(name)
    return default if value is None else str(value)


def date_out(account: Account, value: dt.date | None) -> str | None:
    """A day as this account renders it: midnight as twelve o'clock, at times with an offset that means nothing."""
    if value is None:
        return None
    style = account.settings["rest_dates"]
    if style == "iso":
        return f"{value:%Y-%m-%d}T00:00:00"
    return f"{value:%Y-%m-%d} 12:00:00{' +05:30' if style == 'twelve_offset' else ''}"


@dataclass(frozen=True)
class Listing:
    """How one list is served. ``sorts`` maps ``sortby`` (numbers and names both work) to what rows are ordered by."""

    per_page: int
    most: int | None
    sorts: Mapping[str, Callable[[Any], Any]]


def listed(
    request: web.Request,
    rows: Sequence[Any],
    listing: Listing,
    show: Callable[[Any], Any],
    *,
    total: Decimal | None = None,
    more: Mapping[str, Any] | None = None,
) -> web.Response:
    """One page with MetaData and absolute addresses of its neighbours.

    :raises Refused: page or perpage is no number above zero.
    """
    page, per_page = _page(request, listing)
    sort = listing.sorts.get(request.query.get("sortby", "").casefold()) or next(iter(listing.sorts.values()))
    ordered = sorted(rows, key=sort, reverse=request.query.get("order", "").casefold() == "desc")
    latest = max(1, -(-len(ordered) // per_page))

    def at(number: int) -> str:
        return str(request.url.update_query(page=str(number), perpage=str(per_page)))

    meta = {
        "TotalRecords": len(ordered),
        "FirstPageUrl": at(1),
        "LastPageUrl": at(latest),
        "PreviousPageUrl": at(page - 1) if 1 < page <= latest + 1 else None,
        "NextPageUrl": at(page + 1) if page < latest else None,
        "TotalAmount": total,
        "InvoiceLimitReached": False,
        **(more or {}),
    }
    shown = ordered[(page - 1) * per_page : page * per_page]
    return reply({"MetaData": meta, "Data": [show(row) for row in shown]})


def _page(request: web.Request, listing: Listing) -> tuple[int, int]:
    try:
        page, per_page = int(request.query.get("page", 1)), int(request.query.get("perpage", listing.per_page))
    except ValueError as error:
        raise invented("page and perpage are whole numbers", code="InvalidRequest") from error
    if page < 1 or per_page < 1:
        raise invented("page and perpage count from 1", code="InvalidRequest")
    return page, min(per_page, listing.most) if listing.most else per_page
