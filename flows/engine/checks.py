"""Everything that is wrong with a definition, said before it is saved: all at once, in words, with their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from connectors.base.actions import Action, Once, WriteAction
from connectors.base.manifest import Connector
from flows.engine.builtins import BUILTINS
from flows.engine.compile import placeholders
from flows.engine.definition import (
    ActionNode,
    AnyNode,
    BranchNode,
    FieldMap,
    FlowDocument,
    ForEachNode,
    LookupNode,
    MapNode,
    PairBundle,
    PairDocument,
    Rule,
    ValidateNode,
)
from flows.engine.formulas import FormulaError, parse_formula
from flows.engine.mapping import location
from flows.engine.paths import PathError, parse_path
from flows.engine.transforms import transform_problem

BASE_NAMES = frozenset({"event", "settings", "source", "now", "today", "effects", "preview"})
INSTALLATION_SETTINGS = frozenset({"reference_prefix", "reference_suffix", "start_at"})
"""Kept with the installation itself, so that the database can hold constraints on them; offered beside the settings."""


@dataclass(frozen=True)
class Problem:
    """``path`` as in ``order-to-invoice.steps[2].effect``; ``text`` says what is wrong and what would be right."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def definition_check(document: PairBundle | Mapping[str, Any], connectors: Mapping[str, Connector]) -> list[Problem]:
    """Check a pair with its flows (``{"pair": {...}, "flows": [...]}``); an empty list means it can be installed."""
    try:
        bundle = document if isinstance(document, PairBundle) else PairBundle.model_validate(document)
    except ValidationError as error:
        return _shape_problems(error, "")
    problems = [*_pair_problems(bundle, connectors)]
    for flow in bundle.flows:
        problems += flow_check(flow, bundle.pair, connectors)
    return problems


def flow_check(
    flow: FlowDocument | Mapping[str, Any], pair: PairDocument, connectors: Mapping[str, Connector]
) -> list[Problem]:
    """Check one flow of a pair, for example a draft from the designer."""
    try:
        flow = flow if isinstance(flow, FlowDocument) else FlowDocument.model_validate(flow)
    except ValidationError as error:
        return _shape_problems(error, "")
    roles = {name: connectors[key] for name, key in pair.roles.items() if key in connectors}
    settings = {setting.name for setting in pair.settings} | INSTALLATION_SETTINGS
    return _FlowCheck(flow, roles, settings).run()


def _shape_problems(error: ValidationError, prefix: str) -> list[Problem]:
    return [Problem(prefix + location(one["loc"]), one["msg"]) for one in error.errors(include_url=False)]


def _pair_problems(bundle: PairBundle, connectors: Mapping[str, Connector]) -> Iterable[Problem]:
    pair = bundle.pair
    for name, key in pair.roles.items():
        if key not in connectors:
            yield Problem(f"pair.roles.{name}", f"there is no connector '{key}'")
    yield from _repeated("pair.settings", [setting.name for setting in pair.settings])
    yield from _repeated("flows", [flow.key for flow in bundle.flows])
    for key in sorted(set(pair.flows) ^ {flow.key for flow in bundle.flows}):
        yield Problem("pair.flows", f"'{key}' is not both listed and supplied")
    for setting in pair.settings:
        values = {choice.value for choice in setting.choices}
        if setting.type == "choice" and setting.default is not None and setting.default not in values:
            yield Problem(f"pair.settings.{setting.name}", f"the default '{setting.default}' is not among the choices")


def _repeated(path: str, names: list[str]) -> Iterable[Problem]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(path, f"'{name}' is there more than once")


@dataclass
class _FlowCheck:
    flow: FlowDocument
    roles: Mapping[str, Connector]
    settings: set[str]
    problems: list[Problem] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    _all_ids: set[str] = field(default_factory=set)

    def run(self) -> list[Problem]:
        flow, key = self.flow, self.flow.key
        self._all_ids = _ids(flow.steps)
        if flow.enabled_when:
            self._formula(f"{key}.enabled_when", flow.enabled_when, {"settings"})
        self._trigger(f"{key}.trigger")
        self._takes_back(f"{key}.takes_back")
        visible = self._steps(f"{key}.steps", flow.steps, set(BASE_NAMES), "")
        for name, formula in flow.facts.items():
            self._formula(f"{key}.facts.{name}", formula, visible)
        for kind, formula in flow.search.items():
            self._formula(f"{key}.search.{kind}", formula, visible)
        return self.problems

    def _say(self, path: str, text: str) -> None:
        self.problems.append(Problem(path, text))

    def _trigger(self, path: str) -> None:
        trigger = self.flow.trigger
        connector = self._role(path, trigger.role)
        if connector is not None and "poll" in trigger.via:
            offered = {offer.record_type for offer in connector.triggers}
            if trigger.record_type not in offered:
                known = ", ".join(sorted(offered)) or "none"
                self._say(path, f"{connector.name} offers no records '{trigger.record_type}'; it offers {known}")

    def _takes_back(self, path: str) -> None:
        offered = {action.key for role in self.roles.values() for action in role.actions}
        for operation in self.flow.takes_back:
            if operation not in offered:
                self._say(path, f"neither side has an operation '{operation}'")

    def _role(self, path: str, name: str) -> Connector | None:
        if name not in self.roles:
            self._say(path, f"there is no role '{name}'; there are {', '.join(sorted(self.roles))}")
        return self.roles.get(name)

    def _steps(self, path: str, nodes: list[AnyNode], visible: set[str], item: str) -> set[str]:
        """Check in order; returns what may be read afterwards. ``item`` is the element's name inside a for-each."""
        for place, node in enumerate(nodes):
            at = f"{path}[{place}]"
            if node.id in self.ids or node.id in BASE_NAMES:
                self._say(at, f"the id '{node.id}' is taken; ids are unique in a flow")
            self.ids.add(node.id)
            if node.when:
                self._formula(f"{at}.when", node.when, visible)
            visible = visible | self._node(at, node, visible, item)
        return visible

    def _node(self, path: str, node: AnyNode, visible: set[str], item: str) -> set[str]:
        """Returns the ids that can be read after this node."""
        match node:
            case ActionNode():
                self._action(path, node, visible, item)
            case MapNode():
                self._map(path, node, visible)
            case LookupNode():
                self._lookup(path, node, visible)
            case ValidateNode():
                for place, rule in enumerate(node.rules):
                    self._rule(f"{path}.rules[{place}]", rule, visible)
                self._optional_path(f"{path}.extra_rules", node.extra_rules, visible)
            case BranchNode():
                return {node.id} | self._branch(path, node, visible, item)
            case ForEachNode():
                self._for_each(path, node, visible)
        return {node.id}

    def _branch(self, path: str, node: BranchNode, visible: set[str], item: str) -> set[str]:
        seen: set[str] = set()
        for place, case in enumerate(node.cases):
            self._formula(f"{path}.cases[{place}].when", case.when, visible)
            seen |= self._steps(f"{path}.cases[{place}].steps", case.steps, set(visible), item) - visible
        return seen | (self._steps(f"{path}.otherwise", node.otherwise, set(visible), item) - visible)

    def _for_each(self, path: str, node: ForEachNode, visible: set[str]) -> None:
        self._formula(f"{path}.items", node.items, visible)
        inside = visible | {node.item}
        self._formula(f"{path}.item_key", node.item_key, inside)
        key = _parsed(node.item_key)
        if key is not None and node.item not in key.names:
            self._say(f"{path}.item_key", f"it does not read '{node.item}', so every element would have the same key")
        after = self._steps(f"{path}.steps", node.steps, inside, node.item)
        if node.collect:
            self._formula(f"{path}.collect", node.collect, after)

    def _action(self, path: str, node: ActionNode, visible: set[str], item: str) -> None:
        connector = self._role(path, node.role)
        action = _operation(connector, node.operation) if connector is not None else None
        if connector is not None and action is None:
            known = ", ".join(sorted(one.key for one in connector.actions))
            self._say(path, f"{connector.name} has no operation '{node.operation}'; it has {known}")
        self._optional_path(f"{path}.input.from", node.input.from_, visible)
        self._fields(f"{path}.input.fields", node.input.fields, visible)
        if action is not None:
            self._input(f"{path}.input", node, action.input)
            self._effect(f"{path}.effect", node, action, item)
        if node.effect is not None:
            self._formula(f"{path}.effect.qualifier", node.effect.qualifier, visible)
            if node.effect.record:
                self._formula(f"{path}.effect.record", node.effect.record, visible)
            if node.effect.as_of:
                self._formula(f"{path}.effect.as_of", node.effect.as_of, visible)
            for name, formula in node.effect.facts.items():
                self._formula(f"{path}.effect.facts.{name}", formula, visible)
        self._message(f"{path}.message", node.message, visible)

    def _input(self, path: str, node: ActionNode, model: type[BaseModel]) -> None:
        given = {target.split(".")[0].split("[")[0] for one in node.input.fields for target in _targets(one)}
        for name in sorted(given - set(model.model_fields)):
            self._say(path, f"{node.operation} takes no '{name}'; it takes {', '.join(model.model_fields)}")
        if node.input.from_:
            return
        for name, info in model.model_fields.items():
            if info.is_required() and name not in given:
                self._say(path, f"{node.operation} needs '{name}'")

    def _effect(self, path: str, node: ActionNode, action: type[Action[Any, Any]], item: str) -> None:
        if not issubclass(action, WriteAction):
            if node.effect is not None:
                self._say(path, f"{node.operation} only reads; an effect is for writes")
            return
        if node.on_missing != "continue":
            self._say(path, "on_missing is for reads; a write is never missing")
        if node.effect is None:
            if action.once not in (Once.ABSOLUTE, Once.NATURAL_KEY):
                self._say(
                    path, f"{node.operation} writes: it needs an effect with a qualifier, or a repeat would double it"
                )
            return
        if node.effect.remember == "latest" and action.once is Once.LOOK_FIRST:
            self._say(path, f"{node.operation} makes a new record each time; 'latest' is for writes of a state")
        qualifier = _parsed(node.effect.qualifier)
        if item and qualifier is not None and item not in qualifier.names:
            self._say(path, f"the qualifier does not read '{item}', so all elements would be one effect")

    def _map(self, path: str, node: MapNode, visible: set[str]) -> None:
        self._optional_path(f"{path}.from", node.from_, visible)
        self._fields(f"{path}.fields", node.fields, visible)
        for name, formula in node.input.items():
            self._formula(f"{path}.input.{name}", formula, visible)
        if node.using is None:
            if not node.fields and node.from_ is None:
                self._say(path, "a map needs fields, or the name of a built-in in 'using'")
            if node.input:
                self._say(f"{path}.input", "input belongs to a built-in; name it in 'using'")
            return
        if node.fields or node.from_:
            self._say(path, "a map has either fields or a built-in, not both")
        builtin = BUILTINS.get(node.using)
        if builtin is None:
            self._say(path, f"there is no built-in '{node.using}'; there are {', '.join(sorted(BUILTINS))}")
            return
        for name in sorted(set(node.input) - set(builtin.arguments)):
            self._say(f"{path}.input", f"{node.using} takes no '{name}'; it takes {', '.join(builtin.arguments)}")
        for name, required in builtin.arguments.items():
            if required and name not in node.input:
                self._say(f"{path}.input", f"{node.using} needs '{name}'")

    def _lookup(self, path: str, node: LookupNode, visible: set[str]) -> None:
        if node.links is not None:
            if node.links.role is not None:
                self._role(f"{path}.links", node.links.role)
            operations = {action.key for connector in self.roles.values() for action in connector.actions}
            if node.links.operation not in operations:
                self._say(f"{path}.links", f"no connector of this pair has the operation '{node.links.operation}'")
        elif node.table is None or node.key is None:
            self._say(path, "a lookup needs 'table' and 'key', or 'links'")
        self._optional_path(f"{path}.table", node.table, visible)
        if node.key:
            self._formula(f"{path}.key", node.key, visible)
        self._message(f"{path}.message", node.message, visible | {"key"})

    def _rule(self, path: str, rule: Rule, visible: set[str]) -> None:
        self._formula(f"{path}.check", rule.check, visible)
        if rule.when:
            self._formula(f"{path}.when", rule.when, visible)
        for name, formula in rule.details.items():
            self._formula(f"{path}.details.{name}", formula, visible)
        self._message(f"{path}.message", rule.message, visible)
        self._message(f"{path}.cure", rule.cure, visible)

    def _fields(self, path: str, fields: list[FieldMap], visible: set[str]) -> None:
        for place, one in enumerate(fields):
            self._field(f"{path}[{place}]", one, visible)

    def _field(self, path: str, one: FieldMap, visible: set[str]) -> None:
        if (one.target is None) == (one.targets is None):
            self._say(path, "a field has either 'target' or 'targets'")
        for target in _targets(one):
            self._parsed_path(path, target)
        origins = [name for name in ("source", "sources", "formula", "value") if name in one.model_fields_set]
        if len(origins) != 1:
            self._say(path, "a field takes its value from exactly one of source, sources, formula and value")
        for text in [one.source, *(one.sources or ())]:
            self._optional_path(path, text, visible)
        for formula in filter(None, (one.formula, one.when)):
            self._formula(path, formula, visible)
        for transform in one.transforms:
            self._transform(path, transform, visible)
        if one.each is not None:
            self._fields(f"{path}.each", one.each, visible | {"item"})

    def _transform(self, path: str, transform: str | dict[str, dict[str, Any]], visible: set[str]) -> None:
        if not isinstance(transform, str) and len(transform) != 1:
            self._say(path, "a transform is its name, or an object with one name and its arguments")
            return
        name, arguments = (transform, {}) if isinstance(transform, str) else next(iter(transform.items()))
        problem = transform_problem(name, arguments)
        if problem:
            self._say(path, problem)
        for value in arguments.values():
            if isinstance(value, dict) and set(value) == {"from"}:
                self._optional_path(path, str(value["from"]), visible)

    def _formula(self, path: str, text: str, visible: set[str]) -> None:
        try:
            formula = parse_formula(text)
        except FormulaError as error:
            self._say(path, str(error))
            return
        for reference in sorted(formula.paths):
            self._reference(path, reference, visible)

    def _optional_path(self, path: str, text: str | None, visible: set[str]) -> None:
        if text is not None and self._parsed_path(path, text):
            self._reference(path, text, visible)

    def _parsed_path(self, path: str, text: str) -> bool:
        try:
            parse_path(text)
        except PathError as error:
            self._say(path, str(error))
            return False
        return True

    def _message(self, path: str, text: str, visible: set[str]) -> None:
        for reference in placeholders(text):
            self._optional_path(path, reference, visible)

    def _reference(self, path: str, reference: str, visible: set[str]) -> None:
        names = reference.replace("[", ".[").split(".")
        if names[0] not in visible:
            later = "comes later or lies inside another branch or loop" if names[0] in self._all_ids else "is not there"
            self._say(path, f"'{names[0]}' {later}; here one can read {', '.join(sorted(visible))}")
        elif names[0] == "settings" and len(names) > 1 and names[1] not in self.settings:
            self._say(path, f"the pair declares no setting '{names[1]}'")


def _ids(nodes: Iterable[AnyNode]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        found.add(node.id)
        if isinstance(node, BranchNode):
            found |= _ids(node.otherwise).union(*(_ids(case.steps) for case in node.cases))
        elif isinstance(node, ForEachNode):
            found |= _ids(node.steps)
    return found


def _targets(one: FieldMap) -> list[str]:
    return one.targets or ([one.target] if one.target else [])


def _operation(connector: Connector, key: str) -> type[Action[Any, Any]] | None:
    return next((action for action in connector.actions if action.key == key), None)


def _parsed(text: str) -> Any:
    try:
        return parse_formula(text)
    except FormulaError:
        return None
