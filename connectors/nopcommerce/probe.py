"""Which API plug-in the shop runs. Asked once per connection; the answer is stored with it."""

from __future__ import annotations

from connectors.base.http import Effect, HttpDoor, Reply
from connectors.nopcommerce.refusals import plugin_missing, refuse
from connectors.nopcommerce.setup import Family, Setup

PROBE_TIMEOUT_SECONDS = 90.0
_GONE = (404, 405)


async def find_family(door: HttpDoor, setup: Setup) -> Family:
    """The first plug-in that answers and that the given log-in can use: A, then C, then B.

    With several installed the official one wins, because it tells the most. A user and a password open A and C, a
    client id or an access token opens B.

    :raises NeedsAttention: none answers, or the server refuses us.
    """
    if setup.username or not (setup.access_token or setup.client_id):
        if await _answers_as_a(door, setup):
            return Family.A
        if await _answers_as_c(door, setup):
            return Family.C
    if await _answers_as_b(door, setup):
        return Family.B
    raise plugin_missing()


async def _answers_as_a(door: HttpDoor, setup: Setup) -> bool:
    """Its interactive description may be switched off, so its log-in route is asked too: empty, it answers 400."""
    page = await _ask(door, "GET", setup, "api/index.html", "GET /api/index.html")
    if page.status == 200 and "backend" in page.text.lower():
        return True
    return _is_reasoned(
        await _ask(door, "POST", setup, "api-backend/Authenticate/GetToken", "POST Authenticate/GetToken (empty)")
    )


async def _answers_as_c(door: HttpDoor, setup: Setup) -> bool:
    """``Missing username`` as plain text."""
    return _is_reasoned(await _ask(door, "POST", setup, "token", "POST /token (empty)"))


async def _answers_as_b(door: HttpDoor, setup: Setup) -> bool:
    orders = await _ask(door, "GET", setup, "api/orders", "GET /api/orders (unsigned)")
    if orders.status == 200 and orders.is_html:
        # "Store closed", served for every address: the plug-in may well be there.
        refuse(orders, Effect.READ, what="Connection test")
    if orders.status != 401:
        return False
    consent = await _ask(door, "GET", setup, "oauth/authorize", "GET /oauth/authorize (empty)")
    return consent.status not in _GONE


def _is_reasoned(reply: Reply) -> bool:
    return reply.status == 400 and not reply.is_html


async def _ask(door: HttpDoor, method: str, setup: Setup, path: str, operation: str) -> Reply:
    """Any status is an answer, but a firewall's 403 and a maintenance page say nothing about plug-ins."""
    reply = await door.call(
        method,
        f"{setup.shop_url}/{path}",
        operation=operation,
        effect=Effect.READ,  # empty log-ins are refused and change nothing
        json={} if method == "POST" else None,
        timeout_seconds=PROBE_TIMEOUT_SECONDS,
    )
    if reply.status >= 500 or (reply.status == 403 and reply.is_html):
        refuse(reply, Effect.READ, what="Connection test")
    return reply
