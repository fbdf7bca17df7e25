"""What a run would do, without doing it: past orders before they are imported, a replay before it is confirmed.

The same flows are walked with the same reads and looks; writes are planned instead of sent, nothing is remembered and
no event is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.base.errors import ConnectorError
from flows.engine.ports import LeaseLost, Link, Role, StepRecord
from flows.engine.walker import walk
from flows.models import Installation
from runs.attempts import error_facts
from runs.clients import Clients
from runs.database import Database
from runs.events import taken_back_data
from runs.host import ClientOf
from runs.links import links_find, links_of_names
from runs.models import Record
from runs.plans import Plan, plan_of

MOST_AT_ONCE = 8


@dataclass(frozen=True)
class PreviewItem:
    """What would happen to one record. ``planned`` lists the writes in words; ``facts`` as the flow states them."""

    record_type: str
    record_id: str
    outcome: str  # would_write, nothing_to_do, held, refused, temporary
    reason: str = ""
    planned: tuple[dict[str, Any], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None


class _NoJournal:
    def __init__(self) -> None:
        self.steps: list[StepRecord] = []

    def step(self, record: StepRecord) -> None:
        self.steps.append(record)

    def sending(self, effect_key: str, settle_seconds: float) -> None:
        raise LeaseLost("a preview never writes")

    def settled(self, effect_key: str) -> None:
        return None


class _NoLease:
    longest_call_seconds = 0.0

    def ensure(self, seconds: float) -> None:
        raise LeaseLost("a preview never writes")


class _ReadOnlyLinks:
    def __init__(self, host: PreviewHost, known: list[Link]) -> None:
        self._host, self._known = host, {link.effect_key: link for link in known}

    async def find(self, effect_key: str) -> Link | None:
        if effect_key in self._known:
            return self._known[effect_key]
        key = (int(self._host.tenant_id), effect_key)
        return (await self._host.database.run(links_find, [key])).get(key)

    async def of_record(self, operation: str) -> list[Link]:
        return [link for link in self._known.values() if link.operation == operation]

    async def remember(self, link: Link) -> None:
        self._known[link.effect_key] = link


class PreviewHost:
    """The engine's ``Host`` for a dry run of one record; always looks, as an import would."""

    dry_run = True
    may_be_a_repeat = True

    def __init__(
        self,
        *,
        plan: Plan,
        record: tuple[str, str],
        known_links: list[Link],
        clients: ClientOf,
        database: Database,
        seen: Record | None = None,
    ) -> None:
        self.generation = seen.generation if seen else 1
        self.plan, self.database, self._clients = plan, database, clients
        self.tenant_id = str(plan.organisation_id)
        self.record_type, self.record_id = record
        self.settings: Mapping[str, Any] = plan.settings_of(seen.reference_suffix if seen else "")
        self.journal, self.lease = _NoJournal(), _NoLease()
        self.links = _ReadOnlyLinks(self, known_links)
        self.source = plan.roles[plan.pair.source_role]
        self.reads: dict[str, dict[tuple[str, str], Any]] = {}
        self.search: dict[str, str] = {}
        self.facts: dict[str, Any] = {}

    def role(self, name: str) -> Role:
        return self.plan.roles[name]

    def action(self, role: str, operation: str) -> Any:
        from connectors.registry import CONNECTORS

        return CONNECTORS[self.plan.roles[role].connector].action(operation)()

    async def context(self, role: str) -> Any:
        side = self.plan.roles[role]
        opened = await self._clients(side.connection_id)
        return opened.context(side.account_id, dict(self.settings))

    def now(self) -> datetime:
        return datetime.now(UTC)


def preview(
    installation: Installation, records: Sequence[tuple[str, str]], *, taking_back: bool = False
) -> list[PreviewItem]:
    """Dry-run every (record type, record id); blocking, for a request or a command.

    :param taking_back: what taking them back would do, instead of what their next event would.
    """
    return asyncio.run(_preview_all(installation, records, taking_back))


async def _preview_all(
    installation: Installation, records: Sequence[tuple[str, str]], taking_back: bool
) -> list[PreviewItem]:
    database = Database()
    clients = Clients(database)
    plan = await database.run(plan_of, installation)  # may still have to read its version and connections
    turn = asyncio.Semaphore(MOST_AT_ONCE)

    async def one(record: tuple[str, str]) -> PreviewItem:
        async with turn:
            known = await database.run(links_of_names, plan.organisation_id, installation.lane, record)
            seen = await database.run(_seen, plan.organisation_id, installation.lane, record)
            host = PreviewHost(
                plan=plan, record=record, known_links=known, clients=clients.of, database=database, seen=seen
            )
            return await _preview_one(host, await database.run(_event, record, seen, taking_back))

    try:
        return list(await asyncio.gather(*(one(record) for record in records)))
    finally:
        await clients.close()
        await database.close()


def _seen(organisation_id: int, lane: str, record: tuple[str, str]) -> Record | None:
    """None for a record that nobody has heard of yet."""
    rows = Record.unscoped.select_related("take_back", "organisation").filter(organisation_id=organisation_id)
    return rows.filter(lane=lane, record_type=record[0], record_id=record[1]).first()


def _event(record: tuple[str, str], seen: Record | None, taking_back: bool) -> dict[str, Any]:
    event = {"record_type": record[0], "record_id": record[1], "via": "import", "imported": True, "pending": {}}
    taken_back = taken_back_data(seen) if seen else None
    if taking_back:
        taken_back = {"on": "", "by": "", "done": False}
    if seen and taken_back:  # what is ours is decided by how the record came to us, not by how it is looked at
        event |= {"imported": seen.imported, "unclean": seen.unclean or seen.attempt_open}
    return {**event, "taken_back": taken_back}


async def _preview_one(host: PreviewHost, event: dict[str, Any]) -> PreviewItem:
    facts = host.facts  # what the walks say of the record, also of one that is refused
    reasons: list[str] = []
    try:
        for flow in host.plan.flows_for(host.record_type, taken_back=event["taken_back"] is not None):
            host.source = host.plan.roles[flow.source_role]
            result = await walk(flow, event, host)
            reasons.append(result.reason)
    except ConnectorError as error:
        outcome = {"Held": "held", "Retryable": "temporary", "NotSent": "temporary", "RateLimited": "temporary"}.get(
            type(error).__name__, "refused"
        )
        return PreviewItem(
            host.record_type, host.record_id, outcome, error.customer_text, _planned(host), facts, error_facts(error)
        )
    planned = _planned(host)
    reason = "; ".join(dict.fromkeys(filter(None, reasons)))
    return PreviewItem(
        host.record_type, host.record_id, "would_write" if planned else "nothing_to_do", reason, planned, facts
    )


def _planned(host: PreviewHost) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"step": step.path, "title": step.title, "note": step.note, "input": step.input}
        for step in host.journal.steps
        if step.state == "planned"
    )
