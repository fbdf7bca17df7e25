"""The gate before a provider while an operator has its connector paused: nothing passes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from django.db import Error as DatabaseError

from connections.pauses import pauses_in_force
from connections.threads import in_database
from connectors.base.errors import NotSent
from connectors.base.gate import CallOutcome, Gate
from connectors.base.shared_reads import SharedReads

log = logging.getLogger(__name__)

PICTURE_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 15.0


class PausePicture:
    """Notices by connector as this process saw them, at most a second ago; a call that need not look costs nothing."""

    def __init__(self) -> None:
        self._notices: dict[str, str] = {}
        self._read_at = float("-inf")
        self._looks: WeakKeyDictionary[asyncio.AbstractEventLoop, SharedReads] = WeakKeyDictionary()

    async def notice(self, connector: str) -> str | None:
        if time.monotonic() - self._read_at >= PICTURE_SECONDS:
            # One look for all who come meanwhile: after a rest nobody passes by a picture of minutes ago.
            looks = self._looks.setdefault(asyncio.get_running_loop(), SharedReads())
            await looks("pauses", self._look, join_under_way=True)
        return self._notices.get(connector)

    async def _look(self) -> None:
        try:
            self._notices = await in_database(_notices)
        except DatabaseError:
            log.exception("connector_pauses_unreadable")  # the claim asks, too, and cannot do without the database
        self._read_at = time.monotonic()

    def forget(self) -> None:
        self._read_at = float("-inf")


def _notices() -> dict[str, str]:
    return dict(pauses_in_force().values_list("connector", "notice"))


_picture = PausePicture()


def picture() -> PausePicture:
    """The one of this process."""
    return _picture


class PausableGate:
    """``gate``, unless the connector is paused for everybody."""

    def __init__(self, gate: Gate, connector: str) -> None:
        self._gate = gate
        self._connector = connector

    async def enter(self, operation: str) -> None:
        """:raises NotSent: paused; never counts as a failure."""
        if (notice := await _picture.notice(self._connector)) is not None:
            raise NotSent(
                f"We have paused this connection for everybody: {notice}",
                code="connector_paused",
                cure="Nothing for you to do: what waits goes on by itself when the pause is over.",
                after_seconds=LOOK_AGAIN_SECONDS,
                counts=False,
            )
        await self._gate.enter(operation)

    async def report(self, operation: str, outcome: CallOutcome, headers: Mapping[str, str]) -> None:
        await self._gate.report(operation, outcome, headers)
