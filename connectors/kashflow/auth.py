"""How a call becomes authorised. SOAP: name and password in every body. REST: a session from a two-step log-in.

The REST session lives in memory only (60 idle minutes at KashFlow), so nothing renewed has to be stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.base.errors import ConnectorError, NeedsAttention, OutcomeUnknown, Retryable
from connectors.base.http import Effect, HttpDoor, Reply, raise_for_status
from connectors.kashflow import refusals

LOGIN_SECONDS = 30.0


@dataclass(frozen=True)
class Login:
    """What the owner typed; ``memorable_word`` is only needed for REST, ``auto_auth_key`` only with an address list."""

    username: str
    password: str = field(repr=False)
    memorable_word: str = field(default="", repr=False)
    auto_auth_key: str = field(default="", repr=False)


class RestSession:
    """Hands out a session token, one log-in at a time however many calls wait for it."""

    def __init__(self, door: HttpDoor, base: str, login: Login) -> None:
        self._door = door
        self._base = base
        self._login = login
        self._lock = asyncio.Lock()
        self._token = ""

    async def token(self, *, stale: str = "") -> str:
        """:param stale: a token that was refused; a newer one is returned, made by whoever comes first."""
        if self._token and self._token != stale:
            return self._token
        async with self._lock:
            if not self._token or self._token == stale:
                try:
                    self._token = await self._log_in()
                except OutcomeUnknown as error:
                    # A log-in is no effect on the books: whatever became of it, the call behind it was not sent.
                    raise Retryable(error.customer_text, operator_text=error.operator_text) from error
            return self._token

    async def _log_in(self) -> str:
        if not self._login.memorable_word:
            raise _word_missing()
        first = await self._step(
            "POST", {"UserName": self._login.username, "Password": self._login.password}, Effect.READ
        )
        asked = [int(entry["Position"]) for entry in first.get("MemorableWordList") or ()]
        # WRITE, so that it is never repeated in place: the temporary token is good for one try, and tries lock out.
        second = await self._step(
            "PUT",
            {"TemporaryToken": first.get("TemporaryToken"), "MemorableWordList": self._letters(asked)},
            Effect.WRITE,
        )
        token = second.get("SessionToken")
        if not token:
            raise Retryable("KashFlow gave no session.", code="no_session")
        return str(token)

    async def _step(self, method: str, body: Mapping[str, Any], effect: Effect) -> Mapping[str, Any]:
        reply = await self._door.call(
            method,
            f"{self._base}/sessiontoken",
            operation=f"{method} /v2/sessiontoken",
            effect=effect,
            json=body,
            timeout_seconds=LOGIN_SECONDS,
        )
        if reply.status >= 300:
            raise _login_refused(reply, effect)
        return reply.json()

    def _letters(self, positions: list[int]) -> list[dict[str, Any]]:
        word = self._login.memorable_word
        if any(not 1 <= position <= len(word) for position in positions):
            raise _word_missing()
        return [{"Position": position, "Value": word[position - 1]} for position in positions]


def _word_missing() -> NeedsAttention:
    return NeedsAttention(
        "KashFlow asks for letters of the memorable word and this connection does not have (all of) it.",
        code="memorable_word",
        cure="Enter the memorable word of the KashFlow user, or choose the SOAP transport, which needs none.",
    )


def _login_refused(reply: Reply, effect: Effect) -> ConnectorError:
    text = reply.text
    if "AccountLocked" in text:
        return NeedsAttention(
            "KashFlow has locked this user after failed log-ins.",
            code="account_locked",
            cure="Unlock the user in KashFlow, then correct user name, password and memorable word here.",
            operator_text=text[:500],
        )
    if reply.status == 400 and "InvalidCredentials" in text:
        return refusals.wrong_password(text[:500])
    try:
        raise_for_status(reply, effect, what="KashFlow log-in")
    except ConnectorError as error:
        return error
    return Retryable("KashFlow did not log us in.", operator_text=f"HTTP {reply.status}: {text[:500]}")
