"""What the engine asks of the world. ``runs`` implements these; tests use small fakes; the engine knows no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from connectors.base.actions import Action, ActionContext


@dataclass(frozen=True)
class Link:
    """A remembered effect: which record of ours became which record there (rule C1; unique on ``effect_key``).

    ``output`` is the action's output, JSON-able; ``adopted`` tells that a look found it, ``why`` what differed then.
    ``replaces``: it takes the place of what was remembered under this key before (the latest write of a state).
    """

    effect_key: str
    operation: str
    external_id: str
    output: dict[str, Any]
    qualifier: str = ""
    adopted: bool = False
    why: str = ""
    input_facts: dict[str, Any] = field(default_factory=dict)
    replaces: bool = False


@dataclass(frozen=True)
class StepRecord:
    """One step attempt for the journal. ``path`` is ``flow.step``, items in brackets: ``payments.each[cap-1].pay``.

    ``how`` an effect came about: written, remembered, adopted, changed, planned; empty for what is none.
    ``exchanges``: what was said on the wire, redacted, of a step that failed; the host adds it.
    """

    path: str
    kind: str
    title: str
    state: str  # done, skipped, held, failed, planned
    started_at: datetime
    seconds: float
    input: Any = None
    output: Any = None
    note: str = ""
    effect_key: str = ""
    external_id: str = ""
    error: dict[str, Any] | None = None
    how: str = ""
    exchanges: tuple[dict[str, Any], ...] = ()


class LeaseLost(BaseException):
    """This worker may no longer act for the event. Not an Exception: nothing on the way may swallow it."""


class Links(Protocol):
    async def find(self, effect_key: str) -> Link | None:
        """The remembered effect, from this attempt or any earlier one."""

    async def of_record(self, operation: str) -> list[Link]:
        """Every remembered effect of one operation for the record at hand, oldest first."""

    async def remember(self, link: Link) -> None:
        """Durable when it returns (rule C4). :raises LeaseLost: the flush failed or the lease is gone."""


class Journal(Protocol):
    def step(self, record: StepRecord) -> None:
        """Joins the next group commit."""

    def sending(self, effect_key: str, settle_seconds: float) -> None:
        """A write is about to leave: from here this attempt is not clean until its outcome is known."""

    def settled(self, effect_key: str) -> None:
        """The outcome is known (remembered, or certainly not done)."""


class Lease(Protocol):
    longest_call_seconds: float
    """A write is ended after this long, whatever its own time-out says: it must end inside the lease."""

    def ensure(self, seconds: float) -> None:
        """:raises LeaseLost: less than ``seconds`` of the lease is left, by a monotonic clock (rule C11)."""


@dataclass(frozen=True)
class Role:
    """One side of the installation: ``name`` as the definition calls it (``shop``, ``ledger``)."""

    name: str
    connector: str
    account_id: str
    connection_id: str


class Host(Protocol):
    """Everything one attempt of one event may touch.

    ``reads`` (role → answers) and ``facts`` start empty with the attempt; the engine fills them, and the flows of one
    attempt share them. ``facts`` say of the record what a page shows of it, also when a walk raises; ``search`` (kind →
    value, personal data) is what people look it up by and must be kept hashed only. ``generation`` counts how often a
    person had the record posted: taken back and posted again, its effects are new ones.
    """

    tenant_id: str
    source: Role
    record_type: str
    record_id: str
    generation: int
    settings: Mapping[str, Any]
    may_be_a_repeat: bool
    dry_run: bool
    facts: dict[str, Any]
    reads: dict[str, dict[tuple[str, str], Any]]
    search: dict[str, str]

    @property
    def links(self) -> Links: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def lease(self) -> Lease: ...

    def role(self, name: str) -> Role: ...

    def action(self, role: str, operation: str) -> Action: ...

    async def context(self, role: str) -> ActionContext: ...

    def now(self) -> datetime: ...
