"""What one attempt of one event may touch: the engine's ports, implemented over the journal and the clients."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.base.actions import Action, ActionContext
from connectors.base.tape import current_tape
from connectors.registry import CONNECTORS
from flows.engine.effects import key_operation
from flows.engine.ports import LeaseLost, Link, Role, StepRecord
from runs.claim import Claimed
from runs.exchanges import with_exchanges
from runs.journal import Database, Ending, Entry, GroupCommit
from runs.models import RecordLink
from runs.payloads import LINK, payload_open
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


def link_read(row: RecordLink) -> Link:
    return Link(
        effect_key=row.effect_key,
        operation=row.operation,
        external_id=row.external_id,
        output=payload_open(row.organisation_id, LINK, row.effect_key, row.sealed),
        qualifier=row.qualifier,
        adopted=row.adopted,
        why=row.why,
        input_facts=row.facts,
    )


def links_load(record_id: int) -> list[Link]:
    """Every standing effect remembered for a record, oldest first; what was taken back is left out."""
    rows = RecordLink.unscoped.filter(record_id=record_id, taken_back_at__isnull=True).order_by("pk")
    return [link_read(row) for row in rows]


def links_of_names(organisation_id: int, lane: str, record: tuple[str, str]) -> list[Link]:
    """As ``links_load``, for a record that may not have been seen yet."""
    rows = RecordLink.unscoped.filter(
        organisation_id=organisation_id,
        record__lane=lane,
        record__record_type=record[0],
        record__record_id=record[1],
        taken_back_at__isnull=True,
    )
    return [link_read(row) for row in rows.order_by("pk")]


def link_find(organisation_id: int, effect_key: str) -> Link | None:
    row = RecordLink.unscoped.filter(
        organisation_id=organisation_id, effect_key=effect_key, taken_back_at__isnull=True
    ).first()
    return link_read(row) if row else None


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
        self.unsettled[effect_key] = settle_seconds

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
    """Remembered effects of the record at hand, loaded once; those of other records are asked one by one."""

    def __init__(self, host: RunHost, known: list[Link]) -> None:
        self._host = host
        self._known = {link.effect_key: link for link in known}

    async def find(self, effect_key: str) -> Link | None:
        if (link := self._known.get(effect_key)) is not None:
            return link
        link = await self._host.database.run(link_find, self._host.claimed.organisation_id, effect_key)
        if link is not None:
            self._known[effect_key] = link
        return link

    async def of_record(self, operation: str) -> list[Link]:
        return [link for link in self._known.values() if link.operation == operation]

    async def remember(self, link: Link) -> None:
        await self._host.flush(link=link)
        self._known[link.effect_key] = link


class RunHost:
    """The engine's ``Host`` for one attempt of one claimed event."""

    dry_run = False

    def __init__(
        self,
        *,
        claimed: Claimed,
        plan: Plan,
        known_links: list[Link],
        clients: ClientOf,
        database: Database,
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
        self.links = RecordLinks(self, known_links)
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
