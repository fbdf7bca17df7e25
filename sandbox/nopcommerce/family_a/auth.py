"""Signing in to the official plug-in."""

from typing import Any

from aiohttp import web

from sandbox.nopcommerce import customers, tokens
from sandbox.nopcommerce.customers import ADMINISTRATORS
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Customer

WRONG = "Username or password is incorrect"


def check_password(shop: Shop, *, username: str | None, email: str | None, password: str | None) -> Customer | None:
    """The active customer with this e-mail or user name and password."""
    name = (username or email or "").strip().lower()
    for customer in shop.customers.all():
        known = {(customer.email or "").lower(), (customer.username or "").lower()} - {""}
        if name in known and customer.active and not customer.deleted:
            return customer if customer.password and customer.password == password else None
    return None


async def get_token(shop: Shop, secret: str, request: web.Request) -> web.Response:
    try:
        given: Any = await request.json()
    except ValueError:
        given = {}
    if not isinstance(given, dict):
        given = {}
    customer = check_password(
        shop, username=given.get("username"), email=given.get("email"), password=given.get("password")
    )
    if customer is None or not customers.is_in_role(shop, customer, ADMINISTRATORS):
        return web.Response(status=400, text=WRONG, content_type="text/plain")
    now = shop.now().timestamp()
    claims = {"customer_id": customer.id, "family": "A", "nbf": int(now), "exp": now + shop.settings["token_seconds"]}
    token = tokens.sign(claims, secret)
    return web.json_response({"username": customer.username, "customer_id": customer.id, "token": token})


def may_call(shop: Shop, secret: str, request: web.Request) -> bool:
    """Bare or after ``Bearer``, as far as the switch ``token_header`` allows."""
    if shop.settings["developer_mode"]:
        return True
    given, accepted = request.headers.get("Authorization", ""), shop.settings["token_header"]
    bearer = given.lower().startswith("bearer ")
    if (bearer and accepted == "bare") or (not bearer and accepted == "bearer"):
        return False
    try:
        claims = tokens.read(given[7:].strip() if bearer else given.strip(), secret, now=shop.now().timestamp())
    except tokens.BadToken:
        return False
    customer = shop.customers.get(claims["customer_id"]) if claims.get("family") == "A" else None
    return customer is not None and customer.active and not customer.deleted


def unauthorized() -> web.Response:
    return web.Response(status=401, text="Unauthorized", content_type="text/plain")
