"""Action nodes: input mapped and typed, reads answered once per walk, writes handed to ``effects``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from connectors.base.actions import Action, ReadAction, WriteAction
from connectors.base.errors import Held, Rejected
from flows.engine.compile import ActionStep, CompiledEffect, evaluate, message_fill
from flows.engine.effects import EffectRequest, EffectResult, Latest, effect_perform
from flows.engine.mapping import input_refused, mapping_failed
from flows.engine.state import Walk
from flows.engine.values import Record, as_text, jsonable, plain


async def action_step(state: Walk, step: ActionStep, path: str) -> Any:
    """Run one action node. :returns: its output as plain values, null where a read found nothing."""
    action = state.host.action(step.role, step.operation)
    data = input_model(action, step.input.apply(state.scope))
    state.input = data
    if isinstance(action, ReadAction):
        return await _read(state, step, action, data)
    if isinstance(action, WriteAction):
        return await _write(state, step, path, action, data)
    raise TypeError(f"{step.role}.{step.operation} is neither a read nor a write")


def input_model(action: Action[Any, Any], values: Mapping[str, Any]) -> BaseModel:
    """The typed input of an action. A record that already is one is handed on as it is.

    :raises MappingFailed: names the first field that does not fit, e.g. ``lines[2].sku``.
    """
    if isinstance(values, Record) and isinstance(values.model, action.input):
        return values.model
    try:
        return action.input.model_validate(dict(values))
    except ValidationError as error:
        raise input_refused(error, action.title) from error


async def _read(state: Walk, step: ActionStep, action: ReadAction[Any, Any], data: BaseModel) -> Any:
    cache, key = state.cached_reads(step.role), (step.operation, data.model_dump_json())
    if action.cacheable and key in cache:
        state.note = "answered from an earlier step"
        result = cache[key]
    else:
        result = plain(await action.run(await state.context(step.role), data))
        if action.cacheable:
            cache[key] = result
    state.output = result
    if result is None and step.on_missing != "continue":
        family = Held if step.on_missing == "hold" else Rejected
        text = message_fill(step.message, state.scope)
        raise family(
            text or f"{action.title}: there is no such record.",
            code=f"missing_{step.id}",
            cure=message_fill(step.cure, state.scope),
            details={"input": jsonable(data)},
        )
    return result


async def _write(state: Walk, step: ActionStep, path: str, action: WriteAction[Any, Any], data: BaseModel) -> Any:
    request = _request(state, step, action, data)
    try:
        result = await effect_perform(state.host, request)
    finally:
        state.forget_reads(step.role)
    _note(state, step, path, result)
    return result.output


def _request(state: Walk, step: ActionStep, action: WriteAction[Any, Any], data: BaseModel) -> EffectRequest:
    role = state.host.role(step.role)
    if step.effect is None:
        return EffectRequest(role, action, data, remember=False)
    effect: CompiledEffect = step.effect
    record = evaluate(effect.record, state.scope, f"{step.id}.effect.record") if effect.record is not None else None
    qualifier = as_text(evaluate(effect.qualifier, state.scope, f"{step.id}.effect.qualifier"))
    if not qualifier:
        raise mapping_failed(f"{step.id}.effect.qualifier", "it must not be empty")
    facts = {
        name: evaluate(formula, state.scope, f"{step.id}.effect.facts.{name}") for name, formula in effect.facts.items()
    }
    return EffectRequest(
        role=role,
        action=action,
        data=data,
        qualifier=qualifier,
        record=None if record is None else as_text(record),
        facts=facts,
        remember=effect.remember is True,
        latest=_latest(state, step, effect),
    )


def _latest(state: Walk, step: ActionStep, effect: CompiledEffect) -> Latest | None:
    if effect.remember != "latest":
        return None
    path = f"{step.id}.effect.as_of"
    as_of = evaluate(effect.as_of, state.scope, path) if effect.as_of is not None else state.host.now()
    if not isinstance(as_of, datetime):
        raise mapping_failed(path, "a moment is needed here")
    return Latest(as_of, effect.skip_unchanged)


_NOTES = {
    "written": "",
    "remembered": "done before: {id}",
    "adopted": "found there already: {id}",
    "changed": "found there already, but it says something else: {id}. {why}",
    "planned": "would be written",
}


def _note(state: Walk, step: ActionStep, path: str, result: EffectResult) -> None:
    state.output = result.output
    state.effect_key, state.external_id, state.how = result.effect_key, result.external_id, result.how
    state.planned = result.how == "planned"
    usual = _NOTES[result.how].format(id=result.external_id, why=result.why)
    state.note = "; ".join(result.foreseen) or result.remark or usual
    seen = {"how": result.how, "changed": result.changed, "why": result.why, "external_id": result.external_id}
    state.scope["effects"][step.id] = seen
    state.outputs[path] = {
        "operation": step.operation,
        "role": step.role,
        "how": result.how,
        "why": result.why,
        "external_id": result.external_id,
        "effect_key": result.effect_key,
        "output": jsonable(result.output),
    }
