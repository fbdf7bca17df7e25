"""Signing in to the fork: ``POST /token`` and ``GET /token/check``."""

import datetime as dt
from typing import Any

from aiohttp import web

from sandbox.nopcommerce import customers, tokens
from sandbox.nopcommerce.family_a.auth import check_password
from sandbox.nopcommerce.family_bc.call import caller_of
from sandbox.nopcommerce.plugins import PluginState
from sandbox.nopcommerce.row import as_utc_text
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Customer


async def create_token(shop: Shop, plugins: PluginState, request: web.Request) -> web.Response:
    given = await _given(request)
    if given.get("guest") is True:
        return _issued(shop, plugins, customers.new_guest(shop))
    if not given.get("username"):
        return _plain(400, "Missing username")
    if not given.get("password"):
        return _plain(400, "Missing password")
    name = str(given["username"])
    customer = check_password(shop, username=name, email=name, password=str(given["password"]))
    return _issued(shop, plugins, customer) if customer else _plain(403, "Wrong username or password")


async def check_token(shop: Shop, plugins: PluginState, request: web.Request) -> web.Response:
    caller = caller_of(shop, plugins, request)
    return web.Response(status=200 if caller is not None and caller.family == "C" else 401)


async def _given(request: web.Request) -> dict[str, Any]:
    try:
        given = await request.json()
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _issued(shop: Shop, plugins: PluginState, customer: Customer) -> web.Response:
    now = shop.now()
    expires = now + dt.timedelta(seconds=shop.settings["c_token_seconds"])
    claims = {"customer_id": customer.id, "family": "C", "exp": expires.timestamp(), "iat": now.timestamp()}
    return web.json_response(
        {
            "access_token": tokens.sign(claims, plugins.secret),
            "token_type": "Bearer",
            "created_at_utc": as_utc_text(now),
            "expires_at_utc": as_utc_text(expires),
            "username": customer.username,
            "customer_id": customer.id,
            "customer_guid": customer.customer_guid,
        }
    )


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/plain")
