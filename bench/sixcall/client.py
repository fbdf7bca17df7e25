"""A client for the stub: JSON over the product's HTTP door, failures named by the standard table."""

from __future__ import annotations

from typing import Any

from connectors.base.http import Effect, HttpDoor, raise_for_status
from connectors.base.manifest import AccountFacts, AuthKind, ConnectionView, Field, FieldKind

FIELDS = (
    Field("address", "Address", kind=FieldKind.URL),
    Field("account", "Account"),
    Field("token", "Token", secret=True),
    Field("searchable", "Invoices can be searched by order", kind=FieldKind.SWITCH, required=False, default="false"),
)
AUTH = AuthKind.PASSWORD


class StubClient:
    """One account at the stub. ``probe`` is the read that proves the connection."""

    def __init__(self, door: HttpDoor, view: ConnectionView, probe: str) -> None:
        given = {**view.settings, **view.credentials}
        self._door = door
        self._base = str(given["address"]).rstrip("/")
        self._headers = {"authorization": f"Bearer {given['token']}", "accept": "application/json"}
        self._probe = probe
        self.account = str(given["account"])
        self.searchable = str(given.get("searchable", "")).lower() == "true"

    async def check(self) -> AccountFacts:
        await self.read(self._probe, operation="check", what="the connection")
        return AccountFacts(account_id=self.account, name=self.account, currency="EUR")

    async def read(self, path: str, *, operation: str, what: str, **params: str) -> Any:
        """The parsed answer; None where there is no such record."""
        reply = await self._door.call(
            "GET",
            self._base + path,
            operation=operation,
            effect=Effect.READ,
            headers=self._headers,
            params=params or None,
        )
        if reply.status == 404:
            return None
        raise_for_status(reply, Effect.READ, what=what)
        return reply.json()

    async def write(self, method: str, path: str, *, operation: str, what: str, body: Any) -> Any:
        reply = await self._door.call(
            method,
            self._base + path,
            operation=operation,
            effect=Effect.WRITE,
            headers=self._headers,
            json=body,
        )
        raise_for_status(reply, Effect.WRITE, what=what)
        return reply.json()
