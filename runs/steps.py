"""Steps as pages and commands read them, out of the rows that flushes have written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.engine.ports import StepRecord
from runs.models import Record, Run, StepBatch
from runs.payloads import STEPS, payload_open


@dataclass(frozen=True)
class Step:
    """One try of one step. ``batch_id`` and ``place`` name it in addresses; its payload is opened by itself."""

    batch_id: int
    place: int
    run_id: int
    attempt: int
    sequence: int
    path: str
    kind: str
    title: str
    state: str
    started_at: datetime
    seconds: float
    note: str = ""
    effect_key: str = ""
    external_id: str = ""
    error: dict[str, Any] | None = None


def step_clear(step: StepRecord) -> dict[str, Any]:
    """What is kept of a step in clear; empty values are left out."""
    said = {
        "path": step.path[:300],
        "kind": step.kind,
        "title": step.title[:200],
        "state": step.state,
        "started_at": step.started_at.isoformat(),
        "seconds": round(step.seconds, 6),
    }
    more = {
        "note": step.note,
        "effect_key": step.effect_key,
        "external_id": step.external_id[:200],
        "error": step.error,
    }
    return {**said, **{name: value for name, value in more.items() if value}}


def step_sealed(step: StepRecord) -> dict[str, Any]:
    """What is kept of a step under the tenant's key."""
    said = {"input": step.input, "output": step.output}
    return {**said, "exchanges": step.exchanges} if step.exchanges else said


def steps_of_batch(batch: StepBatch) -> list[Step]:
    return [
        Step(
            batch_id=batch.pk,
            place=place,
            run_id=batch.run_id,
            attempt=batch.attempt,
            sequence=batch.first_sequence + place,
            **{**said, "started_at": datetime.fromisoformat(said["started_at"])},
        )
        for place, said in enumerate(batch.steps)
    ]


def steps_of_runs(organisation_id: int, runs: Iterable[Run]) -> dict[int, list[Step]]:
    """By run, in the order in which they happened."""
    found: dict[int, list[Step]] = {run.pk: [] for run in runs}
    batches = StepBatch.objects.for_tenant(organisation_id).filter(run__in=list(found)).defer("sealed")
    for batch in batches.order_by("run", "attempt", "first_sequence"):
        found[batch.run_id].extend(steps_of_batch(batch))
    return found


def steps_of_run(run: Run) -> list[Step]:
    return steps_of_runs(run.organisation_id, [run])[run.pk]


def attempts_of(steps: Sequence[Step]) -> dict[int, list[Step]]:
    """The steps by attempt, both in order."""
    attempts: dict[int, list[Step]] = {}
    for step in steps:
        attempts.setdefault(step.attempt, []).append(step)
    return attempts


def step_at(batch: StepBatch, place: int) -> Step:
    """:raises IndexError: the batch has no such step."""
    if place < 0:
        raise IndexError(place)
    return steps_of_batch(batch)[place]


def step_payload(batch: StepBatch, place: int) -> dict[str, Any]:
    """Input, output and exchanges of a step, opened for a member of its tenant; empty when it has been purged."""
    if batch.sealed is None:
        return {}
    opened: list[dict[str, Any]] = payload_open(batch.organisation_id, STEPS, batch.sealed_object_id(), batch.sealed)
    return opened[place]


def has_written_since(record: Record, since: datetime) -> bool:
    """Whether an attempt has carried out a write for the record from that moment on."""
    batches = StepBatch.unscoped.filter(run__record=record, written_at__gte=since).defer("sealed")
    return any(
        step.effect_key and step.state == "done" and step.started_at >= since
        for batch in batches
        for step in steps_of_batch(batch)
    )
