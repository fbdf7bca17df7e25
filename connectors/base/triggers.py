"""What can start a flow. An event is a hint: it names a record; the flow fetches the record and computes from that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from connectors.base.actions import ActionContext


@dataclass(frozen=True)
class Observation:
    """One record seen by a poll.

    ``fingerprint`` is a short hash over what matters of its state; a changed fingerprint is news (rule C9), an equal
    one is dropped. None means: always news.
    """

    record_type: str
    record_id: str
    fingerprint: str | None = None
    label: str = ""
    occurred_at: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Observations and the cursor that may be stored in the same commit (rule C13)."""

    observations: tuple[Observation, ...]
    cursor: dict[str, Any]


class PollTrigger:
    """Reads from a cursor, oldest first, and repeats the boundary rather than risk a gap.

    The docstring of each trigger says what it may emit twice.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    record_type: ClassVar[str]
    interval_seconds: ClassVar[float] = 30.0
    bounded: ClassVar[bool] = False  # reads a given stretch of the past once (imports); never polled by itself

    def read(self, ctx: ActionContext, cursor: dict[str, Any] | None) -> AsyncIterator[Page]:
        """:param cursor: as stored with the last page; None at the first poll (then start at ``ctx.now()``)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Delivery:
    """What a stream hands over at once.

    ``position`` is stored in the commit that stores the news; the next connection goes on from there. ``acknowledge``
    is awaited after that commit, never before: a provider that keeps unacknowledged messages then loses none.
    """

    hints: tuple[Hint, ...]
    position: dict[str, Any] | None = None
    acknowledge: Callable[[], Awaitable[None]] | None = None


class StreamTrigger:
    """A connection held open through which the provider tells what has changed. One reader per connection and trigger.

    Deliveries may come twice: after a reconnect, and when the reader dies between commit and acknowledgement.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    record_types: ClassVar[tuple[str, ...]]

    def listen(self, ctx: ActionContext, position: dict[str, Any] | None) -> AsyncGenerator[Delivery, None]:
        """Deliveries until the connection ends; ends are normal and followed by a new connection.

        :param position: as stored with the last delivery; None at the first.
        :raises ConnectorError: as everywhere; it is tried again after a pause, or stops where a person is needed.
        """
        raise NotImplementedError


class BadSignature(Exception):
    """The delivery is not from who it says. Answered 400 (or 2xx where the provider punishes refusals)."""


class MalformedHook(Exception):
    """The body is not what the provider documents. Answered 400 with a plain reason."""


@dataclass(frozen=True)
class Hint:
    """A record a webhook or a stream names.

    ``account_id`` is the store/seller named beside it, when there is one (rule C17).
    """

    record_type: str
    record_id: str
    topic: str
    account_id: str = ""
    label: str = ""


class Webhook:
    """The provider's way to call us. Everything here is pure except register/unregister."""

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """Text to echo for a registration check, or None when this is a delivery."""
        return None

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str) -> None:
        """:param headers: lower-cased names. :raises BadSignature: computed over the raw bytes, constant time."""
        raise NotImplementedError

    def parse(self, headers: Mapping[str, str], body: bytes) -> list[Hint]:
        """:raises MalformedHook: not the documented shape."""
        raise NotImplementedError

    async def register(self, client: Any, url: str, secret: str) -> str:
        """Make (or adopt) the registration at the provider; returns its id there."""
        raise NotImplementedError

    async def unregister(self, client: Any, registration_id: str) -> None:
        raise NotImplementedError
