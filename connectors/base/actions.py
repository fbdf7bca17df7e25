"""One operation against a provider, and how its effect happens once.

A read may be repeated at will. A write declares its once-strategy; ``flows.engine.effects`` carries the strategy out,
the connector supplies the look (``find``) and the write (``write``) and decides nothing about repeats by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import isnan, nan
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)


class Once(StrEnum):
    """How a repeated write stays one effect (architecture, section 3)."""

    NATIVE_KEY = "native_key"  # the provider takes an idempotency key
    NATURAL_KEY = "natural_key"  # upsert by a key that is unique there
    LOOK_FIRST = "look_first"  # our reference can be searched: look before a write that may be a repeat
    ABSOLUTE = "absolute"  # the same value written twice is the same state


class Verdict(StrEnum):
    """What a look found (rule C5)."""

    SAME = "same"  # ours, equal: adopt
    CHANGED = "changed"  # ours, but the order has changed since: remember, take the difference path
    FOREIGN = "foreign"  # carries our reference but is not ours: hold and show both


@dataclass(frozen=True)
class Found(Generic[Out]):
    """A record the look found. ``why`` tells people what differs when the verdict is not SAME.

    ``facts``: of one that is CHANGED, what it says in the terms of the flow's own facts, where that can be read there.
    """

    verdict: Verdict
    output: Out
    external_id: str
    why: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class ActionContext:
    """What an action may use.

    ``client`` is the connector's own client; ``account_id`` the provider's account; ``settings`` the installation's
    settings; ``remembered`` caches slow-moving account facts (nominals, payment methods) per connection and process:
    ``await ctx.remembered("vat_rates", ttl_seconds, loader)``.
    """

    client: Any
    account_id: str
    settings: dict[str, Any]
    now: Callable[[], datetime]
    remembered: Callable[[str, float, Callable[[], Awaitable[Any]]], Awaitable[Any]]
    effect_key: str = ""


class Action(Generic[In, Out]):
    """Base of both kinds. ``key`` is stable (definitions name it), ``title`` is for people."""

    key: ClassVar[str]
    title: ClassVar[str]
    input: ClassVar[type[BaseModel]]
    output: ClassVar[type[BaseModel]]


class ReadAction(Action[In, Out]):
    """A read. ``cacheable`` within one attempt: the same input answered once, until a write to the same connection."""

    cacheable: ClassVar[bool] = True

    async def run(self, ctx: ActionContext, data: In) -> Out | None:
        """:returns: None where the record does not exist (not an error)."""
        raise NotImplementedError


LONGEST_SETTLE_SECONDS = 86_400.0


def settle_bounded(seconds: object, declared: float) -> float:
    """A settle time as a person may have set it, within what a wait can be; the declared one where it is no number."""
    try:
        given = float(str(seconds))
    except ValueError:
        given = nan
    return min(max(declared if isnan(given) else given, 0.0), LONGEST_SETTLE_SECONDS)


class WriteAction(Action[In, Out]):
    """A write.

    ``settle_seconds``: longest server-side execution plus visibility lag; after an unknown outcome nobody looks
    earlier (rule C3). ``timeout_seconds``: of the call itself; a worker starts it only with more lease than that left.
    """

    once: ClassVar[Once]
    settle_seconds: ClassVar[float]
    timeout_seconds: ClassVar[float] = 30.0

    def settle(self, ctx: ActionContext) -> float:
        """Settle time for this connection, where a setting may change the declared one."""
        return self.settle_seconds

    def external_id(self, output: Out) -> str:
        """The target's own id of what was written, remembered in the record link."""
        raise NotImplementedError

    async def find(self, ctx: ActionContext, data: In) -> Found[Out] | None:
        """Look for the effect of ``data`` in the target. Only called for LOOK_FIRST writes."""
        raise NotImplementedError

    async def write(self, ctx: ActionContext, data: In) -> Out:
        """Carry it out. Raises OutcomeUnknown when sent and unanswered; Retryable only if certainly not done."""
        raise NotImplementedError

    def following(self, data: In, earlier: Out) -> In | None:
        """The input of a write of state, knowing the output of our latest write of it; None where nothing changed.

        :param earlier: as ``write`` returned it then, which may be long ago.
        """
        return data

    def remark(self, output: Out) -> str:
        """What people should know of this write, for the record's timeline; no personal data."""
        return ""

    def pretend(self, data: In) -> Out:
        """An output of the right shape for a dry run, where nothing is written (ids read ``(new)``)."""
        raise NotImplementedError

    async def plan(self, ctx: ActionContext, data: In) -> Out:
        """The output of a dry run; an action that would find a record there says which. Default: ``pretend``."""
        return self.pretend(data)

    async def foresee(self, ctx: ActionContext, data: In) -> list[str]:
        """What the write would change, in words, for previews. Default: its input says enough.

        A write of state (``following``) says every change: nothing foreseen means that nothing would be written.
        """
        return []
