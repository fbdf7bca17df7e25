"""Authorised calls to one shop: JSON in, JSON out, refusals named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.base.http import Effect, HttpDoor, Reply
from connectors.nopcommerce.auth import Session
from connectors.nopcommerce.refusals import refuse

READ_TIMEOUT_SECONDS = 60.0
WRITE_TIMEOUT_SECONDS = 60.0
"""A sleeping application pool answers its first call after 10 to 60 seconds."""


class Calls:
    """``base`` is what every path of this family starts with, for instance ``https://shop.example/api-backend``."""

    def __init__(self, door: HttpDoor, base: str, session: Session) -> None:
        self._door = door
        self._base = base
        self._session = session

    async def read(
        self, path: str, *, operation: str, what: str, params: Mapping[str, Any] | None = None
    ) -> Any | None:
        """The parsed answer; None where the record does not exist (404, or an empty body)."""
        reply = await self._send("GET", path, operation, Effect.READ, params)
        if reply.status == 404 and not reply.is_html:
            return None
        refuse(reply, Effect.READ, what=what)
        return reply.json() if reply.content.strip() else None

    async def write(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        what: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> Any | None:
        """Carry out once. Several of the official plug-in's state changes are GETs: the effect is the caller's to say.

        :returns: the parsed answer, None when the shop sends no body.
        """
        reply = await self._send(method, path, operation, Effect.WRITE, params, body)
        refuse(reply, Effect.WRITE, what=what)
        return reply.json() if reply.content.strip() else None

    async def status_of(self, path: str, *, operation: str) -> int:
        """The bare status of a read, for probing which routes exist."""
        return (await self._send("GET", path, operation, Effect.READ, None)).status

    async def _send(
        self,
        method: str,
        path: str,
        operation: str,
        effect: Effect,
        params: Mapping[str, Any] | None,
        body: Any = None,
    ) -> Reply:
        async def send(authorization: str) -> Reply:
            return await self._door.call(
                method,
                f"{self._base}/{path}",
                operation=operation,
                effect=effect,
                headers={"Authorization": authorization, "Accept": "application/json"},
                params={name: value for name, value in (params or {}).items() if value is not None} or None,
                json=body,
                timeout_seconds=READ_TIMEOUT_SECONDS if effect is Effect.READ else WRITE_TIMEOUT_SECONDS,
            )

        return await self._session.authorised(send)
