"""Lookup nodes: translation tables of the settings, and the links earlier runs remembered for the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.base.errors import Held, Rejected
from flows.engine.compile import LookupStep, message_fill
from flows.engine.definition import LinksLookup
from flows.engine.effects import key_target
from flows.engine.formula_functions import FunctionFailed, looked_up
from flows.engine.ports import Host
from flows.engine.values import MISSING, as_text

_ABSENT = object()


def table_row(step: LookupStep, key: Any, scope: Mapping[str, Any]) -> Any:
    """The row of ``key``, else what the node says about a key without one.

    :raises Held, Rejected: by ``on_missing``.
    """
    assert step.table is not None  # noqa: S101 - only called for table lookups
    table = step.table.read(scope)
    try:
        row = looked_up({} if table is None or table is MISSING else table, key, _ABSENT)
    except FunctionFailed as error:
        raise _without_row(step, key, scope, Rejected, str(error)) from error
    if row is not _ABSENT:
        return row
    if step.default is not None:
        return step.default
    if step.on_missing == "keep":
        return key
    if step.on_missing == "continue":
        return None
    raise _without_row(step, key, scope, Held if step.on_missing == "hold" else Rejected, "")


def _without_row(
    step: LookupStep, key: Any, scope: Mapping[str, Any], family: type[Held] | type[Rejected], why: str
) -> Held | Rejected:
    table = step.table.text if step.table else ""
    text = message_fill(step.message, {**scope, "key": key}) if step.message else ""
    return family(
        text or f"'{as_text(key)}' has no row in the table {table}. {why}".strip(),
        code=step.code or f"no_row_{step.id}",
        field=table,
        cure=message_fill(step.cure, {**scope, "key": key}) or f"Add a row for '{as_text(key)}', then run this again.",
        details={"table": table, "key": as_text(key)},
    )


async def links_of_record(host: Host, spec: LinksLookup) -> dict[str, Any]:
    """``{"count", "all": [...], "by_qualifier": {...}}``, a link as ``{"qualifier", "external_id", "output", …}``."""
    links = await host.links.of_record(spec.operation)
    if spec.role is not None:
        role = host.role(spec.role)
        links = [link for link in links if key_target(link.effect_key) == (role.connector, role.account_id)]
    rows = [
        {
            "qualifier": link.qualifier,
            "external_id": link.external_id,
            "output": link.output,
            "facts": link.input_facts,
            "adopted": link.adopted,
            "why": link.why,
        }
        for link in links
    ]
    return {"count": len(rows), "all": rows, "by_qualifier": {row["qualifier"]: row for row in rows}}
