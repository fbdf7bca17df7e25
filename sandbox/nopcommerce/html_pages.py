"""HTML that a shop sends where an API client expects JSON: not found, closed, broken, refused."""

from html import escape

from aiohttp import web

from sandbox.common.fault_kinds import FaultedCall


def shop_page(title: str, text: str, status: int) -> web.Response:
    body = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        f'<body><div class="page"><h1>{escape(title)}</h1><p>{escape(text)}</p></div></body></html>'
    )
    return web.Response(text=body, content_type="text/html", status=status)


def not_found() -> web.Response:
    return shop_page("Page not found", "The page you requested was not found.", 404)


async def maintenance(call: FaultedCall) -> web.StreamResponse:
    """Nothing done; "store closed" page, with ``status`` 200 (some shops) or 503 (default)."""
    text = call.rule.text or "This store is currently closed. Please check back in a little while."
    return shop_page("Our store is currently closed", text, call.rule.status or 503)


async def ip_refused(call: FaultedCall) -> web.StreamResponse:
    """Nothing done; what an address filter in front of the shop says."""
    return shop_page("403 - Forbidden: Access is denied.", "Your IP address is not on the list.", 403)


FAULT_KINDS = {"maintenance": maintenance, "ip_refused": ip_refused}
