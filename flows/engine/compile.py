"""A flow document turned into what the walker runs: formulas and paths parsed, once per flow version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine.definition import (
    ActionNode,
    AnyNode,
    BranchNode,
    Effect,
    FlowDocument,
    ForEachNode,
    LinksLookup,
    LookupNode,
    MapNode,
    Node,
    PairBundle,
    Rule,
    ValidateNode,
)
from flows.engine.formulas import Formula, FormulaFailed, parse_formula
from flows.engine.mapping import FieldsMapping, InputMapping, mapping_failed
from flows.engine.paths import Path, parse_path
from flows.engine.settings import settings_defaults, settings_plain
from flows.engine.values import as_text

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.\[\]-]*)\}")


@dataclass(frozen=True)
class Step:
    id: str
    kind: str
    title: str
    when: Formula | None


@dataclass(frozen=True)
class CompiledEffect:
    qualifier: Formula
    record: Formula | None
    facts: Mapping[str, Formula]
    remember: bool | str
    as_of: Formula | None = None
    skip_unchanged: bool = True


@dataclass(frozen=True)
class ActionStep(Step):
    role: str
    operation: str
    input: InputMapping
    effect: CompiledEffect | None
    on_missing: str
    message: str
    cure: str


@dataclass(frozen=True)
class MapStep(Step):
    base: Path | None
    fields: FieldsMapping
    using: str | None
    arguments: Mapping[str, Formula]


@dataclass(frozen=True)
class LookupStep(Step):
    table: Path | None
    key: Formula | None
    links: LinksLookup | None
    default: Any
    on_missing: str
    message: str
    cure: str
    code: str


@dataclass(frozen=True)
class CompiledRule:
    check: Formula
    when: Formula | None
    details: Mapping[str, Formula]
    rule: Rule


@dataclass(frozen=True)
class ValidateStep(Step):
    rules: tuple[CompiledRule, ...]
    extra_rules: Path | None


@dataclass(frozen=True)
class BranchStep(Step):
    cases: tuple[tuple[Formula, str, tuple[Step, ...]], ...]
    otherwise: tuple[Step, ...]


@dataclass(frozen=True)
class ForEachStep(Step):
    items: Formula
    item: str
    item_key: Formula
    on_item_failure: str
    steps: tuple[Step, ...]
    collect: Formula | None


@dataclass(frozen=True)
class CompiledFlow:
    """Immutable and shareable between runs. Keep one per flow version."""

    key: str
    title: str
    source_role: str
    record_type: str
    enabled_when: Formula | None
    steps: tuple[Step, ...]
    facts: Mapping[str, Formula]
    search: Mapping[str, Formula]
    wants_pending: bool = False
    takes_back: tuple[str, ...] = ()

    def enabled(self, settings: Mapping[str, Any]) -> bool:
        """Whether the settings of an installation switch this flow on. :raises MappingFailed: the formula fails."""
        if self.enabled_when is None:
            return True
        return bool(evaluate(self.enabled_when, {"settings": settings_plain(settings)}, f"{self.key}.enabled_when"))


@dataclass(frozen=True)
class CompiledPair:
    """All flows of a pair, and what an installation needs to know of the document."""

    key: str
    flows: tuple[CompiledFlow, ...]
    source_role: str
    target_role: str
    roles: Mapping[str, str]
    setting_defaults: Mapping[str, Any]


def flow_compile(document: FlowDocument | Mapping[str, Any]) -> CompiledFlow:
    """:raises ValueError: the document is not sound; ``definition_check`` lists everything that is wrong with it."""
    flow = document if isinstance(document, FlowDocument) else FlowDocument.model_validate(document)
    return CompiledFlow(
        key=flow.key,
        title=flow.title,
        source_role=flow.trigger.role,
        record_type=flow.trigger.record_type,
        enabled_when=_optional(flow.enabled_when),
        steps=_steps(flow.steps),
        facts=_formulas(flow.facts),
        search={name: parse_formula(text) for name, text in flow.search.items()},
        wants_pending="pending" in flow.trigger.with_,
        takes_back=tuple(flow.takes_back),
    )


def compile_pair(document: PairBundle | Mapping[str, Any]) -> CompiledPair:
    """:param document: ``{"pair": {...}, "flows": [...]}``. :raises ValueError: the document is not sound."""
    bundle = document if isinstance(document, PairBundle) else PairBundle.model_validate(document)
    pair = bundle.pair
    return CompiledPair(
        key=pair.key,
        flows=tuple(flow_compile(bundle.flow(key)) for key in pair.flows),
        source_role=pair.source.name,
        target_role=pair.others[0].name,
        roles=pair.roles,
        setting_defaults=settings_defaults(pair),
    )


def evaluate(formula: Formula, scope: Mapping[str, Any], where: str) -> Any:
    """A formula of a definition. :raises MappingFailed: it does not suit the values; ``where`` names its place."""
    try:
        return formula.evaluate(scope)
    except FormulaFailed as error:
        raise mapping_failed(where, f"{error} (in the formula: {formula.text})") from error


def _steps(nodes: list[AnyNode]) -> tuple[Step, ...]:
    return tuple(_COMPILERS[node.kind](node) for node in nodes)


def _common(node: Node) -> dict[str, Any]:
    return {"id": node.id, "kind": node.kind, "title": node.title, "when": _optional(node.when)}  # type: ignore[attr-defined]


def _optional(text: str | None) -> Formula | None:
    return parse_formula(text) if text else None


def _formulas(texts: Mapping[str, str]) -> dict[str, Formula]:
    return {name: parse_formula(text) for name, text in texts.items()}


def _action(node: ActionNode) -> ActionStep:
    effect = node.effect
    return ActionStep(
        **_common(node),
        role=node.role,
        operation=node.operation,
        input=InputMapping(node.input),
        effect=None if effect is None else _effect(effect),
        on_missing=node.on_missing,
        message=node.message,
        cure=node.cure,
    )


def _effect(effect: Effect) -> CompiledEffect:
    return CompiledEffect(
        qualifier=parse_formula(effect.qualifier),
        record=_optional(effect.record),
        facts=_formulas(effect.facts),
        remember=effect.remember,
        as_of=_optional(effect.as_of),
        skip_unchanged=effect.when_unchanged == "skip",
    )


def _map(node: MapNode) -> MapStep:
    return MapStep(
        **_common(node),
        base=parse_path(node.from_) if node.from_ else None,
        fields=FieldsMapping(node.fields),
        using=node.using,
        arguments=_formulas(node.input),
    )


def _lookup(node: LookupNode) -> LookupStep:
    return LookupStep(
        **_common(node),
        table=parse_path(node.table) if node.table else None,
        key=_optional(node.key),
        links=node.links,
        default=node.default,
        on_missing=node.on_missing,
        message=node.message,
        cure=node.cure,
        code=node.code,
    )


def rule_compile(rule: Rule) -> CompiledRule:
    return CompiledRule(parse_formula(rule.check), _optional(rule.when), _formulas(rule.details), rule)


def _validate(node: ValidateNode) -> ValidateStep:
    return ValidateStep(
        **_common(node),
        rules=tuple(rule_compile(rule) for rule in node.rules),
        extra_rules=parse_path(node.extra_rules) if node.extra_rules else None,
    )


def _branch(node: BranchNode) -> BranchStep:
    return BranchStep(
        **_common(node),
        cases=tuple((parse_formula(case.when), case.title or case.when, _steps(case.steps)) for case in node.cases),
        otherwise=_steps(node.otherwise),
    )


def _for_each(node: ForEachNode) -> ForEachStep:
    return ForEachStep(
        **_common(node),
        items=parse_formula(node.items),
        item=node.item,
        item_key=parse_formula(node.item_key),
        on_item_failure=node.on_item_failure,
        steps=_steps(node.steps),
        collect=_optional(node.collect),
    )


_COMPILERS: dict[str, Callable[[Any], Step]] = {
    "action": _action,
    "map": _map,
    "lookup": _lookup,
    "validate": _validate,
    "branch": _branch,
    "for_each": _for_each,
}


def placeholders(text: str) -> list[str]:
    """The paths a message names in braces."""
    return _PLACEHOLDER.findall(text)


def message_fill(text: str, scope: Mapping[str, Any]) -> str:
    """``"Order {order.number} is …"`` with the values in place; a path that leads nowhere leaves nothing."""
    return _PLACEHOLDER.sub(lambda match: as_text(parse_path(match[1]).read(scope)), text)
