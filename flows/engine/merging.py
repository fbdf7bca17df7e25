"""Merge rules: several records that mean the same thing become one, by a rule the customer chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from flows.engine.formula_functions import FunctionFailed, is_blank, parse_moment
from flows.engine.paths import parse_path
from flows.engine.values import MISSING, as_text

RULES = ("newest", "most_complete", "prefer_source")


def records_merge(
    candidates: Sequence[Mapping[str, Any]],
    *,
    rule: str,
    by: str = "",
    order: Sequence[str] = (),
    fill_blanks: bool = True,
) -> dict[str, Any] | None:
    """Choose the record that wins; with ``fill_blanks`` its empty fields are taken from the next best.

    ``newest`` compares the moment at ``by`` (default ``updated_at``); ``most_complete`` counts filled fields;
    ``prefer_source`` compares the text at ``by`` (default ``source``) with ``order``, best first. Equal candidates
    keep the order they came in, so the outcome does not depend on chance.

    :returns: None when there is no candidate.
    :raises FunctionFailed: unknown rule, or a date that is none.
    """
    if rule not in RULES:
        raise FunctionFailed(f"'{rule}' is no merge rule; there are {', '.join(RULES)}")
    if any(not isinstance(candidate, Mapping) for candidate in candidates):
        raise FunctionFailed("merge needs a list of records")
    ranked = _ranked(list(candidates), rule, by, order)
    if not ranked:
        return None
    merged = dict(ranked[0])
    for candidate in ranked[1:] if fill_blanks else ():
        for name, value in candidate.items():
            if is_blank(merged.get(name, MISSING)) and not is_blank(value):
                merged[name] = value
    return merged


def _ranked(candidates: list[Mapping[str, Any]], rule: str, by: str, order: Sequence[str]) -> list[Mapping[str, Any]]:
    if rule == "newest":
        return sorted(candidates, key=lambda record: _moment(record, by or "updated_at"), reverse=True)
    if rule == "most_complete":
        return sorted(candidates, key=_filled, reverse=True)
    path = parse_path(by or "source")
    places = {as_text(name).casefold(): place for place, name in enumerate(order)}
    return sorted(candidates, key=lambda record: places.get(as_text(path.read(record)).casefold(), len(places)))


def _filled(record: Mapping[str, Any]) -> int:
    return sum(_filled(value) if isinstance(value, Mapping) else not is_blank(value) for value in record.values())


def _moment(record: Mapping[str, Any], by: str) -> datetime:
    value = parse_path(by).read(record)
    if is_blank(value):
        return datetime.min.replace(tzinfo=UTC)
    moment = parse_moment(value) if isinstance(value, str) else value
    if isinstance(moment, datetime):
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(moment, date):
        return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    raise FunctionFailed(f"'{by}' is not a date")
