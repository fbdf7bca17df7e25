"""How an attempt begins that a person asked for, or whose run began on another version than its installation has now.

Resuming from the failed step means: effects are remembered anyway, and what the attempt before has read is taken from
the journal instead of asked again. Only where that is safe: the same run, the same version, no news since, within a
day, and of each system only what was read before anything was written to it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from connectors.base.actions import ReadAction
from connectors.registry import CONNECTORS
from flows.engine.compile import ActionStep, BranchStep, ForEachStep, Step
from flows.engine.values import plain
from runs.causes import step_plain
from runs.claim import Claimed
from runs.database import Database
from runs.models import InboxEvent, Replay, Run, StepBatch
from runs.payloads import STEPS, payload_open
from runs.plans import Plan, plan_on_version
from tenants.clock import database_now

log = logging.getLogger(__name__)

RESUME_WITHIN = timedelta(days=1)

Reads = dict[str, dict[tuple[str, str], Any]]


@dataclass(frozen=True)
class Beginning:
    """What to walk, and what need not be read again (role → answers by operation and input)."""

    plan: Plan
    reads: Reads = field(default_factory=dict)


async def beginning_of(claimed: Claimed, plan: Plan, database: Database) -> Beginning:
    """Costs nothing unless the run is a replay or began on another version."""
    if claimed.run.pair_version_id != plan.pair_version_id:
        plan = await database.run(plan_on_version, plan, claimed.run.pair_version_id)
    if claimed.via != Run.Via.REPLAY:
        return Beginning(plan)
    return Beginning(plan, await database.run(_reads_kept, claimed, plan))


def _reads_kept(claimed: Claimed, plan: Plan) -> Reads:
    replay = Replay.objects.for_tenant(claimed.organisation_id).filter(run=claimed.run, attempt=claimed.attempt).first()
    if replay is None or not replay.resume or replay.pair_version_id != plan.pair_version_id:
        return {}
    news_since = InboxEvent.unscoped.filter(pk=claimed.event_id, merged__gt=replay.merged).exists()
    if news_since:
        return {}
    try:
        return reads_of_attempt(claimed, plan)
    except Exception:  # nothing is lost but some calls
        log.exception("%s: what was read before cannot be used; it is read again", claimed.run)
        return {}


def reads_of_attempt(claimed: Claimed, plan: Plan) -> Reads:
    """Answers of the run's attempt before this one, by role; empty where they are gone or too old."""
    rows = StepBatch.unscoped.filter(run_id=claimed.run.pk, attempt__lt=claimed.attempt)
    rows = rows.filter(written_at__gte=database_now() - RESUME_WITHIN).exclude(sealed=None)
    latest = rows.order_by("-attempt").values_list("attempt", flat=True).first()
    if latest is None:
        return {}
    actions = {path: step for flow in plan.pair.flows for path, step in _actions(flow.steps, flow.key)}
    reads: Reads = {}
    written: set[str] = set()
    for said, payload in _told(rows.filter(attempt=latest).order_by("first_sequence")):
        step = actions.get(step_plain(said["path"]))
        if step is None or said["state"] == "skipped":
            continue
        action = CONNECTORS[plan.roles[step.role].connector].action(step.operation)()
        if not isinstance(action, ReadAction):
            written.add(step.role)  # whatever is read there from here on may have been changed by us
        elif said["state"] == "done" and action.cacheable and step.role not in written:
            _keep(reads, step, action, payload)
    return reads


def _keep(reads: Reads, step: ActionStep, action: ReadAction[Any, Any], payload: dict[str, Any]) -> None:
    """As the walk would have put it into its cache; what does not fit its type any more is read again."""
    try:
        asked = action.input.model_validate(payload["input"]).model_dump_json()
        answer = payload["output"]
        kept = None if answer is None else plain(action.output.model_validate(answer))
    except (ValidationError, KeyError):
        log.info("an answer of %s is not what it was; it is read again", step.operation)
        return
    reads.setdefault(step.role, {})[step.operation, asked] = kept


def _told(batches: Iterable[StepBatch]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every step with its payload, in order."""
    for batch in batches:
        sealed = batch.sealed
        if sealed is not None:
            yield from zip(
                batch.steps, payload_open(batch.organisation_id, STEPS, batch.sealed_object_id(), sealed), strict=True
            )


def _actions(steps: Iterable[Step], prefix: str) -> Iterator[tuple[str, ActionStep]]:
    """Action steps by the path under which the journal has them, without item keys."""
    for step in steps:
        path = f"{prefix}.{step.id}"
        if isinstance(step, ActionStep):
            yield step_plain(path), step
        elif isinstance(step, BranchStep):
            for _, _, inside in step.cases:
                yield from _actions(inside, path)
            yield from _actions(step.otherwise, path)
        elif isinstance(step, ForEachStep):
            yield from _actions(step.steps, f"{path}[]")
