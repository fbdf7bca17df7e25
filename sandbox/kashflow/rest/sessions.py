"""Signing in on REST: password, then three characters of the memorable word, then a token that dies of idleness."""

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sandbox.kashflow.account import Account
from sandbox.kashflow.refusal import Refused

ASKED_CHARACTERS = 3


def invalid_credentials() -> Refused:
    return Refused("The credentials provided are invalid. [stand-in wording]", code="InvalidCredentials")


def invalid_session() -> Refused:
    return Refused("Session token provided is invalid.", code="InvalidSessionToken", http_status=401)


def account_locked() -> Refused:
    return Refused("User account is locked, please contact administrator.", code="AccountLocked", http_status=401)


@dataclass
class _Temporary:
    account: Account
    positions: list[int]
    dies_at: dt.datetime


@dataclass
class _Session:
    account: Account
    latest_call_at: dt.datetime


@dataclass
class Sessions:
    """Tokens by account; none survives a restart. Wrong tries are counted per user until the next success."""

    seed: int = 1
    _temporary: dict[str, _Temporary] = field(default_factory=dict)
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _wrong: dict[str, int] = field(default_factory=dict)
    _dice: random.Random = field(default_factory=lambda: random.Random("sessions"))

    def clear(self) -> None:
        self._temporary.clear()
        self._sessions.clear()
        self._wrong.clear()

    def begin(self, account: Account | None, password: str) -> tuple[str, list[int]]:
        """First step: a temporary token and the positions asked for, from 1.

        :raises Refused: InvalidCredentials or AccountLocked.
        """
        if account is None:
            raise invalid_credentials()
        self._refuse_locked(account)
        if password != account.company.password:
            self._count_wrong(account)
        token = self._token()
        length = len(account.company.memorable_word)
        positions = sorted(self._dice.sample(range(1, length + 1), ASKED_CHARACTERS))
        lives = dt.timedelta(seconds=account.settings["temporary_token_seconds"])
        self._temporary[token] = _Temporary(account, positions, account.now() + lives)
        return token, positions

    def finish(self, token: str, characters: dict[int, str]) -> tuple[str, Account]:
        """Second step: the session token. The temporary token works once, right or wrong.

        :raises Refused: InvalidCredentials or AccountLocked.
        """
        temporary = self._temporary.pop(token, None)
        if temporary is None or temporary.account.now() >= temporary.dies_at:
            raise invalid_credentials()
        account = temporary.account
        self._refuse_locked(account)
        word = account.company.memorable_word.casefold()
        wanted = {position: word[position - 1] for position in temporary.positions}
        if {position: value.casefold() for position, value in characters.items()} != wanted:
            self._count_wrong(account)
        self._wrong.pop(account.company.user_name, None)
        session = self._token()
        self._sessions[session] = _Session(account, account.now())
        return session, account

    def account_of(self, token: str) -> Account:
        """Whose session this is; the call keeps it alive.

        :raises Refused: InvalidSessionToken.
        """
        session = self._sessions.get(token.casefold())
        if session is None:
            raise invalid_session()
        idle = dt.timedelta(minutes=session.account.settings["session_idle_minutes"])
        now = session.account.now()
        if now - session.latest_call_at >= idle:
            del self._sessions[token.casefold()]
            raise invalid_session()
        session.latest_call_at = now
        return session.account

    def end(self, token: str) -> bool:
        return self._sessions.pop(token.casefold(), None) is not None

    def _token(self) -> str:
        return str(UUID(int=self._dice.getrandbits(128), version=4))

    def _refuse_locked(self, account: Account) -> None:
        if self._wrong.get(account.company.user_name, 0) >= account.settings["lock_out_after"]:
            raise account_locked()

    def _count_wrong(self, account: Account) -> None:
        self._wrong[account.company.user_name] = self._wrong.get(account.company.user_name, 0) + 1
        raise invalid_credentials()


def characters_of(entries: Any) -> dict[int, str]:
    """``[{"Position": 2, "Value": "e"}, …]``.

    :raises Refused: InvalidCredentials when it is no such list.
    """
    try:
        return {int(entry["Position"]): str(entry["Value"]) for entry in entries}
    except (TypeError, KeyError, ValueError) as error:
        raise invalid_credentials() from error
