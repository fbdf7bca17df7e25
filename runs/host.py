"""What one attempt of one event may touch: the engine's ports, implemented over the journal and the clients."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.base.actions import LONGEST_SETTLE_SECONDS, Action, ActionContext, settle_bounded
from connectors.base.tape import current_tape
from connectors.registry import CONNECTORS
from flows.engine.effects import key_operation, key_record
from flows.engine.ports import LeaseLost, Link, Role, StepRecord
from runs.claim import Claimed
from runs.database import Database
from runs.exchanges import with_exchanges
from runs.journal import Ending, Entry, GroupCommit
from runs.links import LinkFinder
from runs.plans import Plan
from telemetry import tracing
from telemetry.metrics import EFFECTS

ClientOf = Callable[[str], Awaitable["OpenClient"]]


@dataclass
class OpenClient:
    """A connector's client as one process holds it, with the account facts remembered for it."""

    client: Any
    remembered: Callable[[str, float, Callable[[], Awaitable[Any]]], Awaitable[Any]]
    settings: dict[str, Any]
    account_id: str

    def context(self, account_id: str, settings: dict[str, Any]) -> ActionContext:
        """:param settings: the installation's; they win over the connection's own."""
        return ActionContext(
            client=self.client,
            account_id=account_id,
            settings={**self.settings, **settings},
            now=lambda: datetime.now(UTC),
            remembered=self.remembered,
        )


class AttemptJournal:
    """Buffers steps; knows which writes are on their way with an unknown outcome."""

    def __init__(self) -> None:
        self.steps: list[StepRecord] = []
        self.taken = 0
        self.unsettled: dict[str, float] = {}

    def step(self, record: StepRecord) -> None:
        self.steps.append(with_exchanges(record, current_tape.get()) if record.error else record)
        if record.how:
            EFFECTS.add(*key_operation(record.effect_key), record.how)

    def sending(self, effect_key: str, settle_seconds: float) -> None:
        self.unsettled[effect_key] = settle_bounded(settle_seconds, LONGEST_SETTLE_SECONDS)

    def settled(self, effect_key: str) -> None:
        self.unsettled.pop(effect_key, None)

    def take(self) -> tuple[list[StepRecord], int]:
        """The steps not yet handed to a flush, and the sequence number of the first."""
        steps, first = self.steps, self.taken
        self.steps, self.taken = [], self.taken + len(steps)
        return steps, first


class AttemptLease:
    """The worker's own view of its lease, by a monotonic clock (rule C11)."""

    def __init__(
        self, claimed: Claimed, lease_seconds: float, *, journal_broken: Callable[[], bool] = lambda: False
    ) -> None:
        self._claimed = claimed
        self._journal_broken = journal_broken
        # Leases are renewed when a third is over, so half of one is there at almost any moment.
        self.longest_call_seconds = lease_seconds / 2

    def ensure(self, seconds: float) -> None:
        if self._journal_broken():
            raise LeaseLost("a flush failed; this worker starts no further effect")  # rule C4
        left = self._claimed.lease_until - time.monotonic()
        if self._claimed.lost or left <= seconds:
            raise LeaseLost(f"{left:.1f} s of the lease are left, the call may take {seconds:.1f} s")


class RecordLinks:
    """Remembered effects of the record at hand, loaded with the claim; those of other records are asked for."""

    def __init__(self, host: RunHost, known: list[Link], finder: LinkFinder) -> None:
        self._host = host
        self._finder = finder
        self._known = {link.effect_key: link for link in known}

    async def find(self, effect_key: str) -> Link | None:
        if (link := self._known.get(effect_key)) is not None:
            return link
        if key_record(effect_key) == (self._host.record_type, self._host.record_id):
            return None  # all of this record's are known: nobody else adds to them while this worker has it
        link = await self._finder.find(self._host.claimed.organisation_id, effect_key)
        if link is not None:
            self._known[effect_key] = link
        return link

    async def of_record(self, operation: str) -> list[Link]:
        return [link for link in self._known.values() if link.operation == operation]

    async def remember(self, link: Link) -> None:
        await self._host.flush(link=link)
        if link.effect_key not in self._known:
            self._host.claimed.counted_failures = 0  # as the flush has it: failures count in a row
        self._known[link.effect_key] = link


class RunHost:
    """The engine's ``Host`` for one attempt of one claimed event."""

    dry_run = False

    def __init__(
        self,
        *,
        claimed: Claimed,
        plan: Plan,
        clients: ClientOf,
        database: Database,
        finder: LinkFinder,
        commits: GroupCommit,
        lease_seconds: float,
    ) -> None:
        self.claimed = claimed
        self.plan = plan
        self.database = database
        self._clients = clients
        self._commits = commits
        self.tenant_id = str(claimed.organisation_id)
        self.record_type = claimed.record.record_type
        self.record_id = claimed.record.record_id
        self.generation = claimed.record.generation
        self.taken_back = claimed.record.take_back_id is not None
        self.settings: Mapping[str, Any] = plan.settings_of(claimed.record.reference_suffix)
        self.may_be_a_repeat = claimed.may_be_a_repeat
        self.journal = AttemptJournal()
        self.lease = AttemptLease(claimed, lease_seconds, journal_broken=lambda: commits.broken)
        self.links = RecordLinks(self, claimed.links, finder)
        self.source = plan.roles[plan.pair.source_role]
        self.latest_role: Role | None = None
        self.facts: dict[str, Any] = {}
        self.reads: dict[str, dict[tuple[str, str], Any]] = {}
        self.search: dict[str, str] = {}

    def start_flow(self, source_role: str) -> None:
        """The record at hand belongs to ``source_role`` of the flow that is walked next."""
        self.source = self.plan.roles[source_role]

    def role(self, name: str) -> Role:
        return self.plan.roles[name]

    def action(self, role: str, operation: str) -> Action:
        return CONNECTORS[self.plan.roles[role].connector].action(operation)()

    async def context(self, role: str) -> ActionContext:
        side = self.plan.roles[role]
        self.latest_role = side
        opened = await self._clients(side.connection_id)
        return opened.context(side.account_id, dict(self.settings))

    def log_fields(self) -> dict[str, object]:
        """What log lines of this attempt carry."""
        fields: dict[str, object] = {
            "tenant": self.claimed.organisation_id,
            "run": str(self.claimed.run.public_id),
            "attempt": self.claimed.attempt,
        }
        if self.latest_role is not None:
            fields["connection"] = self.latest_role.connection_id
        return fields

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def flush(self, *, link: Link | None = None, ending: Ending | None = None) -> None:
        """Hand the buffered steps, and a link or the ending, to the next group commit; durable when it returns."""
        steps, first = self.journal.take()
        account = next((role.account_id for role in self.plan.roles.values() if role is self.latest_role), "")
        await self._commits.commit(
            Entry(
                claimed=self.claimed,
                steps=steps,
                first_sequence=first,
                link=link,
                target_account=account,
                ending=ending,
                pending_followers=self.plan.pending_followers if ending is not None else (),
                takes_back=self.plan.takes_back(self.record_type) if ending is not None and self.taken_back else (),
                search=dict(self.search) if ending is not None else {},
                settle_seconds=max(self.journal.unsettled.values(), default=0.0),
                trace=tracing.traceparent(),
            )
        )
