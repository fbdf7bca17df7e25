"""A pair's flows as a person reads them: what happens, in order, under which condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.engine.compile import compile_pair
from flows.models import Installation

KINDS = {
    "action": "does", "map": "works out", "lookup": "looks up", "validate": "checks", "branch": "decides",
    "for_each": "repeats",
}  # fmt: skip


@dataclass(frozen=True)
class OutlineStep:
    """One line. ``cases`` hold (title, steps) of a branch; ``steps`` those of a repetition."""

    title: str
    kind: str
    does: str
    when: str
    writes: bool
    note: str
    steps: Sequence[OutlineStep] = field(default_factory=tuple)
    cases: Sequence[tuple[str, Sequence[OutlineStep]]] = field(default_factory=tuple)


@dataclass(frozen=True)
class OutlineFlow:
    title: str
    summary: str
    starts: str
    enabled: bool
    enabled_when: str
    steps: Sequence[OutlineStep]


def outline_of(installation: Installation) -> list[OutlineFlow]:
    """Every flow of the installation's version; ``enabled`` as its present settings say."""
    pair = compile_pair(installation.pair_version.document)
    settings = {**pair.setting_defaults, **installation.settings}
    switched = {flow.key: flow.enabled(settings) for flow in pair.flows}
    return [
        OutlineFlow(
            title=flow["title"],
            summary=flow.get("summary", ""),
            starts=_starts(flow["trigger"]),
            enabled=switched[flow["key"]],
            enabled_when=flow.get("enabled_when") or "",
            steps=_steps(flow["steps"]),
        )
        for flow in installation.pair_version.document["flows"]
    ]


def record_types_of(installation: Installation) -> list[str]:
    """Kinds of record the flows start from, the pair's main one first."""
    flows = installation.pair_version.document["flows"]
    return list(dict.fromkeys(flow["trigger"]["record_type"] for flow in flows))


def flow_titles_of(installation: Installation) -> dict[str, str]:
    """Title by key of every flow of the installation's version."""
    return {flow["key"]: flow["title"] for flow in installation.pair_version.document["flows"]}


def _starts(trigger: Mapping[str, Any]) -> str:
    ways = {"webhook": "at once when told", "poll": "when a poll sees it", "manual": "by hand", "import": "by import"}
    told = ", ".join(ways.get(way, way) for way in trigger["via"])
    return f"{trigger['record_type'].replace('_', ' ')} in the {trigger['role']}: {told}"


def _steps(nodes: Sequence[Mapping[str, Any]]) -> tuple[OutlineStep, ...]:
    return tuple(_step(node) for node in nodes)


def _step(node: Mapping[str, Any]) -> OutlineStep:
    cases = [(case.get("title") or case["when"], _steps(case["steps"])) for case in node.get("cases", [])]
    if node.get("otherwise"):
        cases.append(("otherwise", _steps(node["otherwise"])))
    return OutlineStep(
        title=node["title"],
        kind=node["kind"],
        does=KINDS.get(node["kind"], node["kind"]),
        when=node.get("when") or "",
        writes=bool(node.get("effect")),
        note=node.get("note", ""),
        steps=_steps(node.get("steps", [])),
        cases=tuple(cases),
    )
