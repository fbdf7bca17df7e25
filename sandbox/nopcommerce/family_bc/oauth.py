"""The authorisation code flow of family B: sign-in page, consent page, token endpoint."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from yarl import URL

from sandbox.nopcommerce import customers, tokens
from sandbox.nopcommerce.customers import ADMINISTRATORS
from sandbox.nopcommerce.family_a.auth import check_password
from sandbox.nopcommerce.plugins import ApiClient, Grant, PluginState
from sandbox.nopcommerce.seeding import ADMIN_EMAIL, ADMIN_PASSWORD
from sandbox.nopcommerce.shop import Shop

SCOPE = "nop_api"
CODE_SECONDS = 300
SESSION_COOKIE = "shop_session"
SESSION_SECONDS = 3600

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>
:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;margin:0;padding:1rem}}
main{{max-width:26rem;margin:2rem auto;padding:1.5rem;border:1px solid #8886;border-radius:.5rem}}
main{{overflow-wrap:anywhere}}
h1{{font-size:1.25rem;margin-top:0}}label{{display:block;margin:.75rem 0}}
input[type=email],input[type=password]{{width:100%;font:inherit;padding:.4rem;box-sizing:border-box}}
button{{font:inherit;padding:.45rem 1.1rem;margin:.5rem .5rem 0 0}}.hint{{color:#777;font-size:.9rem}}.bad{{color:#c33}}
</style></head><body><main><h1>{title}</h1>{body}</main></body></html>"""


class OAuthPages:
    """Handlers bound to one shop and its plug-in state; made anew for each request."""

    def __init__(self, shop: Shop, plugins: PluginState) -> None:
        self.shop, self.plugins = shop, plugins

    # In the browser

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Consent for a signed-in administrator; everybody else is sent to the sign-in page first."""
        session = self._session(request)
        if session is None:
            raise web.HTTPFound(f"/login?{urlencode({'ReturnUrl': request.path_qs})}")
        query = request.query
        if (error := self._request_error(query)) is not None:
            return _html("Error", f'<p class="bad">{escape(error)}</p>', 400)
        client = self.plugins.clients[query["client_id"]]
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(query.get(name, ""), quote=True)}">'
            for name in ("client_id", "redirect_uri", "response_type", "scope", "state")
        )
        body = (
            f"<p><b>{escape(client.client_id)}</b> asks for access to the data of "
            f"<b>{escape(self.shop.store.name or '')}</b>: customers, orders, products.</p>"
            f'<form method="post" action="/oauth/authorize">{hidden}'
            f'<input type="hidden" name="__RequestVerificationToken" value="{self._form_token(session)}">'
            '<button name="decision" value="allow">Allow</button>'
            '<button name="decision" value="deny">Deny</button></form>'
        )
        return _html("Allow access?", body)

    async def decide(self, request: web.Request) -> web.StreamResponse:
        session, form = self._session(request), await _form(request)
        if session is None:
            raise web.HTTPFound("/login")
        if not hmac.compare_digest(
            form.get("__RequestVerificationToken", "").encode(), self._form_token(session).encode()
        ):
            return _html("Error", '<p class="bad">The form has expired, please start again.</p>', 400)
        if (error := self._request_error(form)) is not None:
            return _html("Error", f'<p class="bad">{escape(error)}</p>', 400)
        answer = {"state": form["state"]} if form.get("state") else {}
        if form.get("decision") == "allow":
            grant = Grant(form["client_id"], session, self._now() + CODE_SECONDS, form["redirect_uri"])
            code = self.plugins.next_text("code")
            self.plugins.codes[code] = grant
            answer = {"code": code, "scope": SCOPE, **answer}
        else:
            answer = {"error": "access_denied", **answer}
        raise web.HTTPFound(URL(form["redirect_uri"]).update_query(answer))

    async def login(self, request: web.Request) -> web.StreamResponse:
        wrong, target, form = "", request.query.get("ReturnUrl", "/"), await _form(request)
        if request.method == "POST":
            customer = check_password(self.shop, username=None, email=form.get("Email"), password=form.get("Password"))
            if customer is not None and customers.is_in_role(self.shop, customer, ADMINISTRATORS):
                answer = web.HTTPFound(target if _is_local(target) else "/")
                answer.set_cookie(SESSION_COOKIE, self._new_session(customer.id), httponly=True, samesite="Lax")
                raise answer
            wrong = '<p class="bad">Login was unsuccessful. The credentials provided are incorrect.</p>'
        body = (
            f'{wrong}<form method="post" action="/login?{escape(urlencode({"ReturnUrl": target}), quote=True)}">'
            '<label>Email <input type="email" name="Email" autocomplete="username" required></label>'
            '<label>Password <input type="password" name="Password" autocomplete="current-password" required></label>'
            "<button>Log in</button></form>"
            f'<p class="hint">A stand-in shop: {ADMIN_EMAIL} / {ADMIN_PASSWORD}</p>'
        )
        return _html("Welcome, please sign in", body)

    # From server to server

    async def token(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request)
        client = self._client(request, form)
        if client is None:
            return _oauth_error("invalid_client")
        kind = form.get("grant_type")
        if kind == "authorization_code":
            grant = self.plugins.codes.pop(form.get("code", ""), None)
            fits = grant is not None and grant.redirect_uri == form.get("redirect_uri")
        elif kind == "refresh_token":
            # One-time: a renewed connection must store the new refresh token.
            grant = self.plugins.refresh_tokens.pop(form.get("refresh_token", ""), None)
            fits = grant is not None
        else:
            return _oauth_error("unsupported_grant_type")
        if grant is None or not fits or grant.client_id != client.client_id or grant.expires <= self._now():
            return _oauth_error("invalid_grant")
        return self._issue(client, grant.customer_id)

    def _issue(self, client: ApiClient, customer_id: int) -> web.Response:
        life = self.shop.settings["b_token_seconds"]
        access, refresh = self.plugins.next_text("access"), self.plugins.next_text("refresh")
        expires = self._now() + life
        self.plugins.access_tokens[access] = Grant(client.client_id, customer_id, expires)
        self.plugins.refresh_tokens[refresh] = Grant(client.client_id, customer_id, self._now() + 10 * 365 * 86_400)
        identity = tokens.sign({"sub": str(customer_id), "aud": client.client_id, "exp": expires}, self.plugins.secret)
        return web.json_response(
            {
                "id_token": identity,
                "access_token": access,
                "expires_in": int(life),
                "token_type": "Bearer",
                "refresh_token": refresh,
            },
            headers={"Cache-Control": "no-store"},
        )

    def _client(self, request: web.Request, form: Mapping[str, str]) -> ApiClient | None:
        """By secret in the form, or in a Basic header."""
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        header = request.headers.get("Authorization", "")
        if header.startswith("Basic "):
            try:
                name, _, secret = base64.b64decode(header[6:]).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
        client = self.plugins.clients.get(name)
        good = client is not None and client.active
        return client if good and hmac.compare_digest(client.client_secret.encode(), secret.encode()) else None  # type: ignore[union-attr]

    def _request_error(self, given: Mapping[str, str]) -> str | None:
        client = self.plugins.clients.get(given.get("client_id", ""))
        if client is None or not client.active:
            return "unauthorized_client: unknown client application"
        redirect = given.get("redirect_uri", "")
        if client.callback_url not in (None, redirect) or urlsplit(redirect).scheme not in ("http", "https"):
            return "invalid_request: the redirect_uri is not the registered callback URL"
        if given.get("response_type") != "code":
            return "unsupported_response_type"
        if SCOPE not in given.get("scope", SCOPE).split():
            return "invalid_scope"
        return None

    def _now(self) -> float:
        return self.shop.now().timestamp()

    def _new_session(self, customer_id: int) -> str:
        claims = {"session": customer_id, "exp": self._now() + SESSION_SECONDS}
        return tokens.sign(claims, self.plugins.secret)

    def _session(self, request: web.Request) -> int | None:
        try:
            claims = tokens.read(request.cookies.get(SESSION_COOKIE, ""), self.plugins.secret, now=self._now())
        except tokens.BadToken:
            return None
        return claims.get("session")

    def _form_token(self, session: int) -> str:
        return hmac.new(self.plugins.secret.encode(), f"form {session}".encode(), "sha256").hexdigest()


def _html(title: str, body: str, status: int = 200) -> web.Response:
    text = _PAGE.format(title=escape(title), body=body)
    return web.Response(text=text, content_type="text/html", status=status)


def _oauth_error(code: str) -> web.Response:
    return web.json_response({"error": code}, status=400)


def _is_local(target: str) -> bool:
    return target.startswith("/") and not target.startswith(("//", "/\\"))


async def _form(request: web.Request) -> dict[str, str]:
    values: Mapping[str, Any] = await request.post()
    return {name: value for name, value in values.items() if isinstance(value, str)}
