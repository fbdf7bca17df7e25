"""What stands between a call and the provider: budget and circuit. Implemented by ``connections``, used by http."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from enum import StrEnum
from typing import Protocol

# Whose turn a call is, where calls wait for a budget: those of one flow wait behind each other, flows take turns.
current_turn: ContextVar[str] = ContextVar("current_turn", default="")


class CallOutcome(StrEnum):
    OK = "ok"  # the provider answered, whatever it said of the record
    THROTTLED = "throttled"  # 429 or its like
    BROKEN = "broken"  # no answer, 5xx, or an HTML error page
    NOT_MADE = "not_made"  # nothing left us, for a reason of our own: no news about the provider


class Gate(Protocol):
    """One per connection. Shared state lives behind it, so that all workers see one budget and one circuit."""

    async def enter(self, operation: str) -> None:
        """:raises NotSent: circuit open or budget spent; has ``after_seconds``, ``counts`` is False (waiting)."""

    async def report(self, operation: str, outcome: CallOutcome, headers: Mapping[str, str]) -> None:
        """Tell how the call that was let in went; ``headers`` lower-cased. Never raises."""


class OpenGate:
    """Lets everything through: connection tests of a form, unit tests."""

    async def enter(self, operation: str) -> None:
        return None

    async def report(self, operation: str, outcome: CallOutcome, headers: Mapping[str, str]) -> None:
        return None
