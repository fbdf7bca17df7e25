"""What a connector declares about itself: facts only. The core reads these fields instead of branching on a key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

if TYPE_CHECKING:
    from connectors.base.actions import Action
    from connectors.base.http import HttpDoor
    from connectors.base.limit_headers import Learned
    from connectors.base.triggers import PollTrigger, StreamTrigger, Webhook


class FieldKind(StrEnum):
    TEXT = "text"
    URL = "url"
    CHOICE = "choice"
    NUMBER = "number"
    SWITCH = "switch"


@dataclass(frozen=True)
class Field:
    """One thing a person types when connecting. ``secret`` fields are sealed and never shown again."""

    name: str
    label: str
    kind: FieldKind = FieldKind.TEXT
    secret: bool = False
    required: bool = True
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    most: float | None = None  # of a number


class AuthKind(StrEnum):
    PASSWORD = "password"  # noqa: S105 - the name of a way to log in
    OAUTH_CODE = "oauth_code"


@dataclass(frozen=True)
class RateLimit:
    """A limit the provider states; None in the manifest when it states none (then no bucket is kept).

    :param calls: at most so many in any ``per_seconds``.
    :param burst: given where the provider keeps a bucket of this size that fills steadily: so many at once, then
        ``calls`` per ``per_seconds``.
    """

    calls: float
    per_seconds: float
    source: str
    burst: int | None = None


class AccountFacts(BaseModel):
    """Answer of a connection test. ``account_id`` is the provider's own stable id of the account (never our row)."""

    account_id: str
    name: str
    currency: str = ""
    time_zone: str = "UTC"
    details: dict[str, str] = {}


class Client(Protocol):
    """A connector's client: one per connection and process. ``credentials_changed`` hands renewed ones back."""

    async def check(self) -> AccountFacts:
        """Cheapest proof that the credentials work.

        :raises NeedsAttention: refused; the text says what to correct.
        """


@dataclass(frozen=True)
class ConnectionView:
    """What a client may know of a connection: opened credentials and settings, for the life of the client object.

    ``save_credentials`` stores renewed tokens (already sealed by the caller) before they are used (rule C19).
    """

    connection_id: str
    credentials: Mapping[str, str]
    settings: Mapping[str, Any]
    save_credentials: Callable[[Mapping[str, str]], Any] | None = None

    def __repr__(self) -> str:  # a view holds secrets; it must never print them
        return f"ConnectionView({self.connection_id!r})"


@dataclass(frozen=True)
class Connector:
    """One provider. ``fields`` draw the connect form; ``settings`` the step and installation forms.

    ``limit`` holds for all calls of a connection together; calls named in ``operation_limits`` spend a budget of their
    own instead. ``limit_headers`` reads what an answer says of the budget its call was spent from
    (connectors/base/limit_headers.py).
    """

    key: str
    name: str
    summary: str
    docs: str
    auth: AuthKind
    fields: tuple[Field, ...]
    open_client: Callable[[HttpDoor, ConnectionView], Client]
    actions: tuple[type[Action], ...] = ()
    triggers: tuple[type[PollTrigger], ...] = ()
    streams: tuple[type[StreamTrigger], ...] = ()
    webhook: Webhook | None = None
    limit: RateLimit | None = None
    operation_limits: Mapping[str, RateLimit] = field(default_factory=dict)
    limit_headers: Callable[[Mapping[str, str]], Learned | None] | None = None
    settings: tuple[Field, ...] = ()
    punishes_refused_hooks: bool = False
    host_of: Callable[[ConnectionView], str] = field(default=lambda view: "")

    def action(self, key: str) -> type[Action]:
        """:raises KeyError: no operation of that name."""
        return {action.key: action for action in self.actions}[key]

    def trigger(self, key: str) -> type[PollTrigger]:
        """:raises KeyError: no trigger of that name."""
        return {trigger.key: trigger for trigger in self.triggers}[key]

    def stream(self, key: str) -> type[StreamTrigger]:
        """:raises KeyError: no stream of that name."""
        return {stream.key: stream for stream in self.streams}[key]
