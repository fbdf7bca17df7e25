"""Walks a compiled flow for one event. Sequential on purpose: an effect starts only when the one before is durable."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.base.errors import ConnectorError, Held, MappingFailed, Rejected, Retryable
from flows.engine.actions import action_step
from flows.engine.builtins import BUILTINS, Builtin, builtin_call
from flows.engine.compile import (
    BranchStep,
    CompiledFlow,
    CompiledRule,
    ForEachStep,
    LookupStep,
    MapStep,
    Step,
    ValidateStep,
    evaluate,
    message_fill,
)
from flows.engine.formula_functions import FunctionFailed, day
from flows.engine.formulas import Formula, FormulaFailed
from flows.engine.lookups import links_of_record, table_row
from flows.engine.mapping import mapping_failed
from flows.engine.ports import Host, StepRecord
from flows.engine.rules import RuleBroken, rules_check, rules_of_settings
from flows.engine.settings import settings_plain
from flows.engine.state import Walk
from flows.engine.values import as_text, jsonable, plain


@dataclass(frozen=True)
class HeldItem:
    """One element of a for-each that did not go through (rule C12). ``error`` is the whole news."""

    path: str
    key: str
    error: ConnectorError

    @property
    def text(self) -> str:
        return self.error.customer_text

    @property
    def code(self) -> str:
        return self.error.code

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"path": self.path, "key": self.key, **error_facts(self.error)}


@dataclass(frozen=True)
class WalkResult:
    """How a walk ended. ``outcome``: done, skipped (``reason`` says why) or done_with_held.

    ``outputs`` holds every write by step path: ``{"operation", "how", "external_id", "effect_key", "output"}``,
    JSON-able; ``facts`` what the flow says of the record. A record that is held as a whole does not come back as a
    result: ``Held`` is raised.
    """

    outcome: str
    reason: str = ""
    held_items: tuple[HeldItem, ...] = ()
    outputs: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


class _Skip(Exception):
    """Nothing to do for this record (or item): a result with a reason, carried up to where it is caught."""


async def walk(flow: CompiledFlow, event: Mapping[str, Any], host: Host) -> WalkResult:
    """Run the flow for one event.

    :param event: plain values: ``record_type``, ``record_id`` and whatever else the host supplies beside them.
    :raises ConnectorError: with ``details["step"]``, the path of the step; its class says what happens next.
    :raises LeaseLost: this worker may no longer act.
    """
    if not flow.enabled(host.settings):
        return WalkResult("skipped", "this flow is switched off in the settings")
    state = Walk(host, _first_scope(event, host))
    outcome, reason = "done", ""
    try:
        await _run(state, flow.steps, flow.key)
    except _Skip as skip:
        outcome, reason = "skipped", str(skip)
    finally:
        # Told to the host as well, because what is at stake matters most when the walk does not end well.
        facts = _told(flow.facts, state)
        host.facts.update(facts)
        host.search.update({kind: str(value) for kind, value in _told(flow.search, state).items() if value})
    if state.held:
        outcome = "done_with_held"
    return WalkResult(outcome, reason, tuple(state.held), state.outputs, facts)


def _told(formulas: Mapping[str, Formula], state: Walk) -> dict[str, Any]:
    """What can be said of the record as far as the walk came; formulas whose values are not there are left out."""
    told: dict[str, Any] = {}
    for name, formula in formulas.items():
        with contextlib.suppress(FormulaFailed):
            told[name] = jsonable(formula.evaluate(state.scope))
    return told


def _first_scope(event: Mapping[str, Any], host: Host) -> dict[str, Any]:
    now = host.now()
    source = host.source
    settings = settings_plain(host.settings)
    return {
        "event": plain(event),
        "settings": settings,
        "source": {
            "role": source.name,
            "connector": source.connector,
            "account_id": source.account_id,
            "record_type": host.record_type,
            "record_id": host.record_id,
        },
        "now": now,
        "today": _today(now, settings),
        "effects": {},
        "preview": host.dry_run,
    }


def _today(now: datetime, settings: Mapping[str, Any]) -> Any:
    try:
        return day(now, settings.get("time_zone") or "UTC")
    except FunctionFailed as error:
        raise mapping_failed("settings.time_zone", str(error)) from error


async def _run(state: Walk, steps: tuple[Step, ...], prefix: str) -> None:
    for step in steps:
        await _run_step(state, step, f"{prefix}.{step.id}")


async def _run_step(state: Walk, step: Step, path: str) -> None:
    started, clock = state.host.now(), time.perf_counter()
    state.begin()
    try:
        if step.when is not None and not evaluate(step.when, state.scope, f"{path}.when"):
            state.note = "its condition does not apply"
            _record(state, step, path, "skipped", started, clock)
            return
        state.scope[step.id] = await _RUNNERS[step.kind](state, step, path)
        _record(state, step, path, "planned" if state.planned else "done", started, clock)
    except _Skip as skip:
        if not isinstance(step, (BranchStep, ForEachStep)):
            state.note = str(skip)
            _record(state, step, path, "skipped", started, clock)
        raise
    except ConnectorError as error:
        # The innermost step tells it; the containers around it would only repeat the same words.
        if "step" not in error.details:
            error.details = {**error.details, "step": path}
            _record(state, step, path, "held" if isinstance(error, Held) else "failed", started, clock, error)
        raise
    except Exception as bug:
        if state.reported is not bug:
            state.reported = bug
            _record(state, step, path, "failed", started, clock, bug)
        raise


def _record(
    state: Walk,
    step: Step,
    path: str,
    outcome: str,
    started: datetime,
    clock: float,
    error: Exception | None = None,
) -> None:
    state.host.journal.step(
        StepRecord(
            path=path,
            kind=step.kind,
            title=step.title,
            state=outcome,
            started_at=started,
            seconds=time.perf_counter() - clock,
            input=jsonable(state.input),
            output=jsonable(state.output),
            note=state.note,
            effect_key=state.effect_key,
            external_id=state.external_id,
            error=None if error is None else error_facts(error),
            how=state.how,
        )
    )


def error_facts(error: Exception) -> dict[str, Any]:
    """An error as the journal keeps it; of a bug only the class and text."""
    if not isinstance(error, ConnectorError):
        return {"class": type(error).__name__, "operator_text": str(error)[:500]}
    return {
        "class": type(error).__name__,
        "code": error.code,
        "customer_text": error.customer_text,
        "operator_text": error.operator_text,
        "field": error.field,
        "cure": error.cure,
        "provider_code": error.provider_code,
        "request_id": error.request_id,
        "details": jsonable(error.details),
    }


async def _run_map(state: Walk, step: MapStep, path: str) -> Any:
    if step.using is None:
        base = step.base.read(state.scope) if step.base is not None else None
        if step.base is not None and not isinstance(base, Mapping):
            raise mapping_failed(step.base.text, "there is no record at this place")
        result: Any = step.fields.apply(state.scope, base)
    else:
        builtin: Builtin = BUILTINS[step.using]
        arguments = {name: evaluate(formula, state.scope, f"{path}.{name}") for name, formula in step.arguments.items()}
        result = builtin_call(builtin, arguments)
        if builtin.quiet:
            return result
    state.output = result
    return result


async def _run_lookup(state: Walk, step: LookupStep, path: str) -> Any:
    if step.links is not None:
        state.output = await links_of_record(state.host, step.links)
        return state.output
    assert step.table is not None and step.key is not None  # noqa: S101 - the definition check saw to it
    key = evaluate(step.key, state.scope, f"{path}.key")
    state.input = {"table": step.table.text, "key": key}
    state.output = table_row(step, key, state.scope)
    return state.output


_RULE_FAMILIES: dict[str, type[ConnectorError]] = {"hold": Held, "reject": Rejected, "again": Retryable}


async def _run_validate(state: Walk, step: ValidateStep, path: str) -> Any:
    rules: tuple[CompiledRule, ...] = step.rules
    if step.extra_rules is not None:
        rules = (*rules, *rules_of_settings(step.extra_rules, state.scope))
    try:
        state.output = {"rules_checked": rules_check(rules, state.scope)}
    except RuleBroken as broken:
        if broken.rule.otherwise == "skip":
            raise _Skip(broken.message) from broken
        raise _RULE_FAMILIES[broken.rule.otherwise](
            broken.message,
            code=broken.rule.code or f"rule_{step.id}",
            field=broken.rule.field,
            cure=message_fill(broken.rule.cure, state.scope),
            details={"check": broken.rule.check, **broken.details},
        ) from broken
    return state.output


async def _run_branch(state: Walk, step: BranchStep, path: str) -> Any:
    for place, (when, title, steps) in enumerate(step.cases):
        if evaluate(when, state.scope, f"{path}.cases[{place}].when"):
            await _run(state, steps, path)
            return _after(state, {"taken": title})
    await _run(state, step.otherwise, path)
    return _after(state, {"taken": "otherwise"})


async def _run_for_each(state: Walk, step: ForEachStep, path: str) -> Any:
    outcomes: list[dict[str, Any]] = []
    collected: list[Any] = []
    for key, item in _keyed_items(state, step, path):
        outcome = await _run_item(state, step, f"{path}[{key}]", key, item, collected)
        outcomes.append({"key": key, "outcome": outcome})
    counts = {name: sum(1 for one in outcomes if one["outcome"] == name) for name in ("done", "skipped", "held")}
    return _after(state, {**counts, "items": outcomes, "collected": collected})


async def _run_item(state: Walk, step: ForEachStep, path: str, key: str, item: Any, collected: list[Any]) -> str:
    outer = state.scope
    state.scope = {**outer, step.item: item, "effects": dict(outer["effects"])}
    try:
        await _run(state, step.steps, path)
        contribution = evaluate(step.collect, state.scope, f"{path}.collect") if step.collect is not None else None
        collected.extend([] if contribution is None else [contribution])
    except _Skip:
        return "skipped"
    except (Held, Rejected, MappingFailed) as error:
        if step.on_item_failure == "hold_all":
            raise
        state.held.append(HeldItem(path, key, error))
        return "held"
    finally:
        state.scope = outer
    return "done"


def _keyed_items(state: Walk, step: ForEachStep, path: str) -> list[tuple[str, Any]]:
    items = evaluate(step.items, state.scope, f"{path}.items")
    if items is not None and not isinstance(items, list):
        raise mapping_failed(f"{path}.items", "a list is needed here")
    keyed: dict[str, Any] = {}
    for item in items or ():
        key = as_text(evaluate(step.item_key, {**state.scope, step.item: item}, f"{path}.item_key"))
        # Two elements under one key would share one effect, and one of them would silently never be written.
        if not key or key in keyed:
            raise mapping_failed(f"{path}.item_key", f"the key '{key}' is empty or names two elements")
        keyed[key] = item
    return list(keyed.items())


def _after(state: Walk, output: dict[str, Any]) -> dict[str, Any]:
    """The record of a container starts afresh: what its steps noted is theirs."""
    state.begin()
    state.output = output
    return output


_RUNNERS: dict[str, Callable[[Walk, Any, str], Awaitable[Any]]] = {
    "action": action_step,
    "map": _run_map,
    "lookup": _run_lookup,
    "validate": _run_validate,
    "branch": _run_branch,
    "for_each": _run_for_each,
}
