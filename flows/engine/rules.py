"""Validate nodes: the flow's own rules, and those a customer wrote in the settings (P7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from connectors.base.errors import MappingFailed
from flows.engine.compile import CompiledRule, evaluate, message_fill, rule_compile
from flows.engine.definition import Rule
from flows.engine.formulas import FormulaError
from flows.engine.mapping import mapping_failed
from flows.engine.paths import Path
from flows.engine.values import MISSING, jsonable


class RuleBroken(Exception):
    """A check was false. ``message`` is filled in; ``details`` are the figures behind it, JSON-able."""

    def __init__(self, rule: Rule, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.details = details


def rules_check(rules: Iterable[CompiledRule], scope: Mapping[str, Any]) -> int:
    """Check in order; the first broken rule speaks. :returns: how many applied."""
    checked = 0
    for place, compiled in enumerate(rules):
        if compiled.when is not None and not evaluate(compiled.when, scope, f"rules[{place}]"):
            continue
        checked += 1
        if not evaluate(compiled.check, scope, f"rules[{place}]"):
            details = {
                name: jsonable(evaluate(formula, scope, f"rules[{place}]"))
                for name, formula in compiled.details.items()
            }
            raise RuleBroken(compiled.rule, message_fill(compiled.rule.message, scope), details)
    return checked


def rules_of_settings(path: Path, scope: Mapping[str, Any]) -> list[CompiledRule]:
    """The customer's own rules at ``path``; none when the setting is empty.

    :raises MappingFailed: a rule is not of the documented shape, or its formula cannot be read.
    """
    given = path.read(scope)
    if given is None or given is MISSING:
        return []
    compiled = []
    for place, rule in enumerate(given):
        try:
            compiled.append(_compiled(Rule.model_validate(rule)))
        except (ValidationError, FormulaError) as error:
            raise _unusable(path, place, error) from error
    return compiled


@lru_cache(maxsize=512)
def _compiled_json(text: str) -> CompiledRule:
    return rule_compile(Rule.model_validate_json(text))


def _compiled(rule: Rule) -> CompiledRule:
    return _compiled_json(rule.model_dump_json())


def _unusable(path: Path, place: int, error: Exception) -> MappingFailed:
    return mapping_failed(f"{path.text}[{place}]", f"this rule cannot be used: {error}")
