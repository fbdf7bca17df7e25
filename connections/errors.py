"""Refusals a person can act on. Pages show the text as it is."""

from __future__ import annotations


class ConnectionRefusal(Exception):
    """Base. ``str(error)`` is for the customer; ``code`` is stable; ``field`` names the form field to blame, if any."""

    code = "refused"

    def __init__(self, text: str, *, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class UnknownConnector(ConnectionRefusal):
    code = "unknown_connector"


class CredentialsIncomplete(ConnectionRefusal):
    code = "credentials_incomplete"


class AccountTaken(ConnectionRefusal):
    """The account is connected already. ``elsewhere``: by another organisation, so only a take-over helps."""

    code = "account_taken"

    def __init__(self, text: str, *, elsewhere: bool) -> None:
        super().__init__(text)
        self.elsewhere = elsewhere


class OtherAccount(ConnectionRefusal):
    """New credentials open a different account than the one this connection stands for."""

    code = "other_account"


class WrongState(ConnectionRefusal):
    code = "wrong_state"


class CredentialsMissing(ConnectionRefusal):
    code = "credentials_missing"
