"""Tables for people."""

from __future__ import annotations

from typing import Any

from chaos.faults import MOMENTS
from chaos.random_run import Outcome


def random_table(outcome: Outcome) -> str:
    found = outcome.as_json()
    moments: dict[str, Any] = found["kills_by_moment"]
    lines = [
        f"{found['kills']} kills with an effect in flight in {found['minutes']} minutes, seed {found['seed']}, "
        f"{found['hosts']} host(s), {found['database']}",
        *(f"  {name:14} {moments[name]:5d}" for name in MOMENTS),
        "by victim         " + _counts(found["kills_by_victim"]),
        "by operation      " + _counts(found["kills_by_operation"]),
        "other deaths      " + _counts(found["other_deaths"]) + f", clock changed {found['clock_changes']} times",
        f"orders            {found['orders']}, effects {found['effects']}",
        f"taken up again    p99 {found['resumed_p99_s']} s",
        f"finished          p50 {found['recovery_p50_s']} s, p99 {found['recovery_p99_s']} s "
        f"(lease + settle time: {found['lease_plus_settle_s']:g} s)",
        f"lost {found['lost']}   doubled {found['doubled']}   stuck {found['stuck']}   "
        f"stock differs for {found['stock_differences']} SKUs",
    ]
    for what, rows in found["details"].items():
        lines += [f"  {what}: {row}" for row in (rows.items() if isinstance(rows, dict) else rows)]
    return "\n".join([*lines, *found["notes"]])


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items()) or "none"
