"""The figures for people: what was asked for, what was measured, and bars where things are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BAR = 40


@dataclass(frozen=True)
class Limit:
    """``at_least`` or at most ``value``; a text names another figure of the same run."""

    text: str
    value: float | str
    at_least: bool = False
    unit: str = ""

    def resolved(self, found: Mapping[str, Any]) -> float:
        return float(found[self.value]) if isinstance(self.value, str) else self.value

    def met(self, measured: float, found: Mapping[str, Any]) -> bool:
        limit = self.resolved(found)
        return measured >= limit if self.at_least else measured <= limit


LIMITS = {
    "flow_vs_raw_0ms": Limit("six calls, target at once: of the raw reference", 0.45, at_least=True),
    "flow_vs_raw_100ms": Limit("six calls, target 100 ms: of the raw reference", 0.60, at_least=True),
    "flow_vs_task_0ms": Limit("six calls: of one queue task per order", 2.0, at_least=True),
    "flow_vs_tuned_task_0ms": Limit("… with django-q2 tuned for it", float("inf")),
    "accept_vs_bare_view": Limit("accept: of a bare one-insert view", 0.60, at_least=True),
    "accept_vs_insert": Limit("accept: of committed inserts, 32 connections", 0.10, at_least=True),
    "accept_p99_vs_insert": Limit("accept at half rate: p99, of the bare insert's", 15.0),
    "burst_refused": Limit("burst: refused webhooks", 0),
    "low_rate_p50_ms": Limit("low rate: webhook to last call, p50", 30.0, unit="ms"),
    "low_rate_p99_ms": Limit("low rate: webhook to last call, p99", float("inf"), unit="ms"),
    "fairness_batches_max": Limit("another tenant's single order: batches before it", 1.0),
    "recovery_s": Limit("a killed worker's orders done after", "recovery_limit_s", unit="s"),
    "recovery_lost": Limit("… lost", 0),
    "recovery_doubled": Limit("… doubled", 0),
    "pss_mb": Limit("memory of web, two workers and runner (PSS)", 500.0, unit="MB"),
    "claim_growth": Limit("claim: many finished runs against few", 1.5),
    "page_growth": Limit("slowest page: many against few", 1.5),
    "search_growth": Limit("slowest search: many against few", 1.5),
}


def limits_of(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By figure: its limit, and whether it is met. Figures that are only reported have none."""
    made = {}
    for name, limit in LIMITS.items():
        if name in found and limit.value != float("inf"):
            made[name] = {
                "limit": limit.resolved(found),
                "at_least": limit.at_least,
                "met": limit.met(float(found[name]), found),
            }
    return made


def text_of(found: Mapping[str, Any]) -> str:
    lines = [*_bars(found), ""] if found.get("flow_runs") else []
    for name, limit in LIMITS.items():
        if name not in found:
            continue
        value, resolved = float(found[name]), limit.resolved(found)
        wanted = "" if resolved == float("inf") else f"{'at least' if limit.at_least else 'at most'} {resolved:g}"
        mark = "  " if not wanted else "ok" if limit.met(value, found) else "NO"
        lines.append(
            f"{mark} {limit.text:52s} {value:9.2f} {limit.unit:3s} {wanted:15s} {_share(limit, value, resolved)}"
        )
    return "\n".join(lines)


def markdown_of(found: Mapping[str, Any]) -> str:
    """The same as tables for a page; the command that printed it belongs beside it."""
    lines = ["| | measured | wanted |", "|---|---|---|"]
    for name, limit in LIMITS.items():
        if name not in found:
            continue
        resolved, value = limit.resolved(found), float(found[name])
        wanted = (
            "" if resolved == float("inf") else f"{'≥' if limit.at_least else '≤'} {resolved:g} {limit.unit}".strip()
        )
        missed = "" if limit.met(value, found) else " (missed)"
        lines.append(f"| {limit.text} | {value:g} {limit.unit}".rstrip() + f"{missed} | {wanted} |")
    if found.get("flow_runs"):
        lines += ["", "```text", *_bars(found), "```", "", *_cpu_table(found)]
    return "\n".join(lines)


def _cpu_table(found: Mapping[str, Any]) -> list[str]:
    lines = ["| six calls | target | orders/s | p50 | p99 | CPU per order, ms |", "|---|---|---|---|---|---|"]
    for run in found["flow_runs"]:
        cpu = ", ".join(
            f"{name} {value:.2f}" for name, value in run.get("cpu_ms_per_order", {}).items() if value >= 0.01
        )
        lines.append(
            f"| {run['name']} | {run['target_ms']:g} ms | {run['orders_per_s']:.0f} | {run.get('p50_ms', 0):.0f} ms "
            f"| {run.get('p99_ms', 0):.0f} ms | {cpu} |"
        )
    return lines


def _share(limit: Limit, value: float, resolved: float) -> str:
    """How full the limit is: for "at most" used up, for "at least" reached."""
    if resolved in (0, float("inf")):
        return ""
    return _bar(value / resolved / (2 if limit.at_least else 1), BAR // 2)


def _bar(share: float, width: int) -> str:
    filled = min(width, max(0, round(share * width)))
    return "█" * filled + "░" * (width - filled)


def _bars(found: Mapping[str, Any]) -> list[str]:
    runs = found["flow_runs"]
    lines = []
    for milliseconds in sorted({run["target_ms"] for run in runs}):
        group = [run for run in runs if run["target_ms"] == milliseconds]
        most = max(run["orders_per_s"] for run in group)
        lines.append(f"orders/s, target answers after {milliseconds:g} ms")
        lines += [
            f"  {run['name']:18s} {run['orders_per_s']:7.1f} {_bar(run['orders_per_s'] / most, BAR)}" for run in group
        ]
    return lines
