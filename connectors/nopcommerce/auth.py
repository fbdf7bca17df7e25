"""How a call to the shop becomes authorised, and the consent dance of family B. Stores nothing.

A and C: user and password buy a token. B: OAuth 2 authorization code with the scope ``nop_api``, or a pasted token.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from connectors.base.errors import ConnectorError, NeedsAttention, OutcomeUnknown, Retryable
from connectors.base.http import Effect, HttpDoor, Reply
from connectors.nopcommerce.refusals import plugin_missing, refuse, words_of
from connectors.nopcommerce.setup import Setup

SCOPE = "nop_api"
LOGIN_TIMEOUT_SECONDS = 90.0
"""A sleeping application pool needs up to a minute for its first answer."""

Send = Callable[[str], Awaitable[Reply]]


class Session(Protocol):
    async def authorised(self, send: Send) -> Reply:
        """Call ``send`` with the value of the Authorization header; renew once and send again after a 401.

        Sending again is safe for writes too: a 401 comes before anything is carried out.
        """


class TokenSession:
    """A token bought with a log-in, kept in memory, bought anew after a 401.

    Family A's documentation shows the token both bare and with ``Bearer``: a 401 with a fresh token is answered with
    the bare form once, and what worked is remembered (``bare_too``).
    """

    def __init__(self, log_in: Callable[[], Awaitable[str]], *, bare_too: bool = False) -> None:
        self._log_in = log_in
        self._bare_too = bare_too
        self._bare = False
        self._token = ""
        self._lock = asyncio.Lock()

    async def authorised(self, send: Send) -> Reply:
        used = self._token or await self._renew("")
        reply = await send(self._header(used))
        if reply.status != 401 or reply.is_html:
            return reply
        fresh = await self._renew(used)
        reply = await send(self._header(fresh))
        if reply.status != 401 or not self._bare_too:
            return reply
        return await self._other_form(send, fresh)

    async def _other_form(self, send: Send, token: str) -> Reply:
        self._bare = not self._bare
        reply = await send(self._header(token))
        if reply.status == 401:
            self._bare = not self._bare
        return reply

    def _header(self, token: str) -> str:
        return token if self._bare else f"Bearer {token}"

    async def _renew(self, refused: str) -> str:
        # Calls of one connection run side by side: the first to be refused logs in, the others use its token.
        async with self._lock:
            if self._token == refused:
                self._token = await self._log_in()
            return self._token


def log_in_a(door: HttpDoor, setup: Setup) -> Callable[[], Awaitable[str]]:
    """Family A takes a user name or an e-mail, depending on how the shop signs people in."""
    member = "email" if "@" in setup.username else "username"

    async def log_in() -> str:
        reply = await door.call(
            "POST",
            f"{setup.shop_url}/api-backend/Authenticate/GetToken",
            operation="POST Authenticate/GetToken",
            effect=Effect.READ,  # buying a token twice changes nothing
            json={member: setup.username, "password": setup.password},
            timeout_seconds=LOGIN_TIMEOUT_SECONDS,
        )
        return _token_in(reply, "token")

    return log_in


def log_in_c(door: HttpDoor, setup: Setup) -> Callable[[], Awaitable[str]]:
    async def log_in() -> str:
        reply = await door.call(
            "POST",
            f"{setup.shop_url}/token",
            operation="POST /token",
            effect=Effect.READ,
            json={"guest": False, "username": setup.username, "password": setup.password, "remember_me": True},
            timeout_seconds=LOGIN_TIMEOUT_SECONDS,
        )
        return _token_in(reply, "access_token")

    return log_in


def _token_in(reply: Reply, member: str) -> str:
    if reply.status in (400, 401, 403) and not reply.is_html:
        raise NeedsAttention(
            f"The shop refused the log-in: {words_of(reply) or 'wrong user name or password'}. "
            "Check user name and password.",
            operator_text=f"{reply.operation} answered {reply.status}",
            code="wrong_password",
            request_id=reply.request_id,
        )
    if reply.status == 404:
        raise plugin_missing(reply)
    refuse(reply, Effect.READ, what="Log-in")
    body = reply.json()
    token = body.get(member) if isinstance(body, dict) else None
    if not isinstance(token, str) or not token:
        raise NeedsAttention("The shop answered the log-in without a token.", code="no_token")
    return token


# Family B -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tokens:
    """What the token route hands out; ``refresh_token`` may be empty. Default life is ten years."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in: int = 0

    def as_credentials(self) -> dict[str, str]:
        return {"access_token": self.access_token, "refresh_token": self.refresh_token}


def authorize_url(shop_url: str, *, client_id: str, redirect_uri: str, state: str) -> str:
    """Where the browser goes for consent; ``state`` must be bound to user, tenant and connector by the caller (C18)."""
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": SCOPE,
        "state": state,
    }
    return f"{shop_url}/oauth/authorize?{urlencode(query)}"


def code_form(*, client_id: str, client_secret: str, code: str, redirect_uri: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": client_id,
        "client_secret": client_secret,
    }


def refresh_form(*, client_id: str, client_secret: str, refresh_token: str) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "client_id": client_id,
        "client_secret": client_secret,
    }


def read_tokens(body: Any, *, previous_refresh_token: str = "") -> Tokens:
    """:raises NeedsAttention: no access token in the answer."""
    given = body if isinstance(body, Mapping) else {}
    access = given.get("access_token")
    if not isinstance(access, str) or not access:
        raise NeedsAttention("The shop gave no access token. Connect again.", code="no_token")
    refresh = given.get("refresh_token") or previous_refresh_token
    return Tokens(access, str(refresh), int(given.get("expires_in") or 0))


async def exchange_code(door: HttpDoor, setup: Setup, *, code: str, redirect_uri: str) -> Tokens:
    """Trade the code of the redirect for tokens. A code works once, so this is never repeated by itself."""
    form = code_form(client_id=setup.client_id, client_secret=setup.client_secret, code=code, redirect_uri=redirect_uri)
    return read_tokens(await _ask_for_tokens(door, setup, form))


async def refresh(door: HttpDoor, setup: Setup, refresh_token: str) -> Tokens:
    form = refresh_form(client_id=setup.client_id, client_secret=setup.client_secret, refresh_token=refresh_token)
    return read_tokens(await _ask_for_tokens(door, setup, form), previous_refresh_token=refresh_token)


async def _ask_for_tokens(door: HttpDoor, setup: Setup, form: Mapping[str, str]) -> Any:
    reply = await door.call(
        "POST",
        f"{setup.shop_url}/api/token",
        operation="POST /api/token",
        effect=Effect.WRITE,  # codes and refresh tokens are used up
        form=form,
        timeout_seconds=LOGIN_TIMEOUT_SECONDS,
    )
    if reply.status in (400, 401, 403) and not reply.is_html:
        raise _consent_gone(f"{reply.operation} answered {reply.status}")
    refuse(reply, Effect.WRITE, what="Tokens")
    return reply.json()


class ConsentSession:
    """Family B's token, renewed with the refresh token; the new pair is stored before it is used (rule C19)."""

    def __init__(self, door: HttpDoor, setup: Setup, save: Callable[[Mapping[str, str]], Any] | None = None) -> None:
        self._door = door
        self._setup = setup
        self._save = save
        self._tokens = Tokens(setup.access_token, setup.refresh_token)
        self._lock = asyncio.Lock()

    async def authorised(self, send: Send) -> Reply:
        used = self._tokens.access_token
        if not used:
            raise _consent_gone("no access token is stored")
        reply = await send(f"Bearer {used}")
        if reply.status != 401 or reply.is_html:
            return reply
        return await send(f"Bearer {await self._renew(used)}")

    async def _renew(self, refused: str) -> str:
        async with self._lock:
            if self._tokens.access_token != refused:
                return self._tokens.access_token
            if not (self._tokens.refresh_token and self._setup.client_id):
                raise _consent_gone("the access token was refused and there is no way to renew it")
            try:
                tokens = await refresh(self._door, self._setup, self._tokens.refresh_token)
            except OutcomeUnknown as lost:
                # It is the renewal that is unknown: the call it was for met a 401, so it was certainly not carried out.
                raise Retryable(
                    "The shop did not answer when our access was renewed.", operator_text=lost.operator_text
                ) from lost
            await self._store(tokens)
            self._tokens = tokens
            return tokens.access_token

    async def _store(self, tokens: Tokens) -> None:
        if self._save is not None:
            stored = self._save(tokens.as_credentials())
            if inspect.isawaitable(stored):
                await stored


def _consent_gone(operator_text: str) -> ConnectorError:
    return NeedsAttention(
        "The shop no longer accepts our access. Connect it again, or paste a new access token.",
        operator_text=operator_text,
        code="signed_out",
    )
