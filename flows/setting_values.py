"""What a person set for an installation, checked against the pair's declared settings before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from flows.engine.definition import PairDocument, Setting
from flows.engine.formulas import FormulaError, parse_formula


def settings_problems(pair: PairDocument, values: Mapping[str, Any]) -> list[str]:
    """Every value that does not fit, one sentence each; an empty list means it can be stored."""
    declared = {setting.name: setting for setting in pair.settings}
    problems = [f"There is no setting called “{name}”." for name in values if name not in declared]
    by_name = settings_problems_by_name(pair, values)
    return problems + [f"{declared[name].label}: {problem}" for name, problem in by_name.items()]


def settings_problems_by_name(pair: PairDocument, values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with each declared setting, by its name, so that a form can say it beside the field."""
    problems = {}
    for setting in pair.settings:
        value = values.get(setting.name, setting.default)
        if setting.required and value in (None, ""):
            problems[setting.name] = "please fill this in."
        elif value is not None and (problem := _problem(setting, value)):
            problems[setting.name] = problem
    if "extra_rules" not in problems and (broken := _rule_problems(values.get("extra_rules") or [])):
        problems["extra_rules"] = " ".join(broken)
    return problems


def _problem(setting: Setting, value: Any) -> str:
    match setting.type:
        case "switch":
            return "" if isinstance(value, bool) else "must be on or off."
        case "number":
            return _number_problem(value)
        case "choice":
            allowed = [choice.value for choice in setting.choices]
            return "" if not allowed or value in allowed else f"must be one of {', '.join(allowed)}."
        case "date":
            return _date_problem(value)
        case "table":
            return "" if isinstance(value, Mapping) else "must be a table of key and value."
        case "list":
            return "" if isinstance(value, list | tuple) else "must be a list."
    return "" if isinstance(value, str | int | Decimal) else "must be a text."


def _number_problem(value: Any) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return "must be a number, with a point before the decimals."
    return "" if number.is_finite() and not isinstance(value, bool) else "must be a number."


def _date_problem(value: Any) -> str:
    if value == "":
        return ""
    try:
        date.fromisoformat(str(value)[:10])
    except ValueError:
        return "must be a date like 2026-11-20."
    return ""


def _rule_problems(rules: Any) -> list[str]:
    """The customer's own validation rules carry formulas; one that does not parse is refused here, not at an order."""
    problems = []
    for position, rule in enumerate(rules if isinstance(rules, list) else []):
        try:
            parse_formula(str(rule.get("check", "")) if isinstance(rule, Mapping) else "")
        except FormulaError as error:
            problems.append(f"Rule {position + 1}: {error}")
    return problems
