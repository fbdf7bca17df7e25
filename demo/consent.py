"""The shop administrator's part of the consent dance: sign in, press Allow, come back with a code."""

from __future__ import annotations

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from html import unescape
from typing import Any

ADMIN = {"Email": "admin@shop.test", "Password": "shop-admin-password"}
CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}


class _StopAtRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **named: Any) -> None:
        return None


def shop_tokens(shop_url: str, redirect_uri: str) -> dict[str, str]:
    """Access and refresh token of the sandbox shop, won the way an administrator's browser does.

    :raises RuntimeError: a page did not look as expected.
    """
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), _StopAtRedirect())
    query = {
        "client_id": CLIENT["client_id"],
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "nop_api",
    }
    authorize = f"{shop_url}/oauth/authorize?{urllib.parse.urlencode({**query, 'state': 'demo'})}"
    _open(browser, f"{shop_url}/login?ReturnUrl=/", ADMIN)
    page, _ = _open(browser, authorize)
    hidden = {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', page)}
    _, location = _open(browser, f"{shop_url}/oauth/authorize", {**hidden, "decision": "allow"})
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query).get("code", [""])[0]
    if not code:
        raise RuntimeError(f"the shop gave no code: {location or page[:300]}")
    form = {**CLIENT, "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    answer, _ = _open(browser, f"{shop_url}/api/token", form)
    found = dict(re.findall(r'"(access_token|refresh_token)":\s*"([^"]+)"', answer))
    if "access_token" not in found:
        raise RuntimeError(f"the shop gave no token: {answer[:300]}")
    return found


def _open(browser: urllib.request.OpenerDirector, url: str, form: dict[str, str] | None = None) -> tuple[str, str]:
    """The page's text and, for a redirect, where it leads."""
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    try:
        with browser.open(url, data, timeout=30) as reply:
            return reply.read().decode(), ""
    except urllib.error.HTTPError as error:
        if error.code in (301, 302, 303):
            return "", error.headers.get("Location", "")
        raise RuntimeError(f"{url} answered {error.code}: {error.read()[:300]!r}") from error
