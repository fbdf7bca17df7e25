"""What a demo found: one JSON object for programs, a table for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass
class Result:
    """``passed``: nothing missing, different or doubled, everything else held with its reason, stock equal."""

    pair: str
    orders: int
    done: int
    held: list[dict[str, Any]]
    equal: int
    different: list[dict[str, Any]]
    missing: list[int]
    duplicates: list[str]
    stock_differences: dict[str, tuple[int, int]]
    rounding_lines: int
    money_in: dict[str, Decimal]
    money_out: dict[str, Decimal]
    calls_per_order: dict[str, float]
    other_calls: dict[str, int]
    latency_p50_ms: float
    latency_p99_ms: float
    seconds: float
    kinds: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    found_by_sweep: int = 0
    webhooks_lost: int = 0

    @property
    def passed(self) -> bool:
        return not (self.different or self.missing or self.duplicates or self.stock_differences)


def report_json(result: Result) -> dict[str, Any]:
    return {
        "pair": result.pair,
        "orders": result.orders,
        "done": result.done,
        "held": len(result.held),
        "equal": result.equal,
        "different": len(result.different),
        "missing": len(result.missing),
        "duplicates": len(result.duplicates),
        "rounding_lines": result.rounding_lines,
        "money_in": {key: format(value, ".2f") for key, value in result.money_in.items()},
        "money_out": {key: format(value, ".2f") for key, value in result.money_out.items()},
        "calls_per_order": {key: round(value, 2) for key, value in result.calls_per_order.items()},
        "other_calls": result.other_calls,
        "latency_p50_ms": round(result.latency_p50_ms),
        "latency_p99_ms": round(result.latency_p99_ms),
        "seconds": round(result.seconds, 1),
        "stock_equal": not result.stock_differences,
        "held_orders": result.held,
        "different_orders": result.different,
        "missing_orders": result.missing,
        "duplicate_records": result.duplicates,
        "stock_differences": result.stock_differences,
        "kinds": result.kinds,
        "faults": result.faults,
        "webhooks_lost": result.webhooks_lost,
        "found_by_sweep": result.found_by_sweep,
    }


def report_table(result: Result) -> str:
    facts = report_json(result)
    rows = [
        ("orders placed", str(result.orders)),
        ("equal in the ledger", str(result.equal)),
        ("held for a decision", str(len(result.held))),
        ("different / missing / doubled", f"{facts['different']} / {facts['missing']} / {facts['duplicates']}"),
        ("with a rounding line", str(result.rounding_lines)),
        (
            "stock",
            "equal on both sides" if facts["stock_equal"] else f"differs for {len(result.stock_differences)} SKUs",
        ),
        ("money in (shop)", _money(result.money_in)),
        ("money out (ledger)", _money(result.money_out)),
        ("calls per order", ", ".join(f"{key} {value:.2f}" for key, value in result.calls_per_order.items())),
        ("other calls", ", ".join(f"{key} {value}" for key, value in result.other_calls.items())),
        ("order → document", f"p50 {result.latency_p50_ms:.0f} ms, p99 {result.latency_p99_ms:.0f} ms"),
        ("took", f"{result.seconds:.1f} s"),
    ]
    if result.faults:
        rows.append(("faults injected", ", ".join(f"{key} {value}" for key, value in result.faults.items())))
        rows.append(("webhooks lost / found by the sweep", f"{result.webhooks_lost} / {result.found_by_sweep}"))
    width = max(len(label) for label, _ in rows)
    lines = [result.pair, ""] + [f"  {label.ljust(width)}  {value}" for label, value in rows]
    lines += [f"  held: order {item['order']}: {item['reason']}" for item in result.held]
    lines += [f"  different: order {item['order']}: {'; '.join(item['problems'])}" for item in result.different]
    lines += [f"  missing: order {number}" for number in result.missing]
    lines += [f"  doubled: {text}" for text in result.duplicates]
    return "\n".join([*lines, "", "passed" if result.passed else "FAILED"])


def _money(amounts: dict[str, Decimal]) -> str:
    return ", ".join(f"{value:,.2f} {currency}" for currency, value in amounts.items()) or "0"
