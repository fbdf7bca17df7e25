"""Tables for people."""

from __future__ import annotations

from typing import Any

from chaos import infra, matrix, two_hosts
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


def matrix_table(outcome: matrix.Outcome) -> str:
    found = outcome.as_json()
    columns = [(moment, victim) for moment in MOMENTS for victim in matrix.VICTIMS]
    cells = {(row["operation"], row["moment"], row["victim"]): row for row in found["rows"]}
    head = ["operation", *(f"{moment} {victim}" for moment, victim in columns)]
    rows = [head]
    for operation in dict.fromkeys(row["operation"] for row in found["rows"]):
        rows.append([operation, *(_cell(cells.get((operation, *column))) for column in columns)])
    used = [place for place in range(len(head)) if place == 0 or any(row[place] for row in rows[1:])]
    widths = [max(len(row[place]) for row in rows) for place in used]
    lines = ["  ".join(row[place].ljust(width) for place, width in zip(used, widths, strict=True)) for row in rows]
    return "\n".join(
        [
            "seconds from the death until the effect is there, once",
            *lines,
            f"{found['proved']} of {found['cells']} kills proved at their moment, {found['database']}, "
            f"{found['duration_s']:.0f} s",
            f"recovery median {found['recovery_median_s']} s, longest {found['recovery_max_s']} s "
            f"(lease + settle time: {found['lease_plus_settle_s']:g} s)",
            f"lost {found['lost']}   doubled {found['doubled']}   stuck {found['stuck']}",
            *found["not_ok"],
        ]
    )


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["verdict"] != "ok":
        return row["verdict"].partition(":")[0].upper()
    return f"{row['recovery_s']:.1f}"


def infra_table(outcome: infra.Outcome) -> str:
    found = outcome.as_json()
    lines = [
        f"{'trouble':32} {'lasted':>7} {'orders':>7} {'through after':>14} "
        f"{'lost':>5} {'doubled':>8} {'stuck':>6}  the door answered"
    ]
    for row in found["rows"]:
        door = "; ".join([", ".join(f"{status} × {count}" for status, count in row["door"].items()), *row["notes"]])
        lines.append(
            f"{row['trouble']:32} {row['seconds']:6.1f}s {row['orders']:7d} {row['recovery_s']:13.1f}s "
            f"{row['lost']:5d} {row['doubled']:8d} {row['stuck']:6d}  {door}"
        )
        lines += [f"    {text}" for text in row["details"]]
    lines += [f"skipped: {text}" for text in found["skipped"]]
    return "\n".join([*lines, f"lease + settle time: {found['lease_plus_settle_s']:g} s"])


def two_hosts_table(outcome: two_hosts.Outcome) -> str:
    found = outcome.as_json()
    lines = [f"two hosts on one PostgreSQL and Redis, apart by {found['separation']}"]
    for row in found["parts"]:
        recovery = "" if row["recovery_s"] is None else f", finished by the other after {row['recovery_s']} s"
        lines.append(
            f"  {row['part']}: {row['effects']} effects, lost {row['lost']}, doubled {row['doubled']}, "
            f"stuck {row['stuck']}{recovery}; {'; '.join(row['notes'])} {row['failed']}".rstrip()
        )
        lines += [f"    {text}" for text in row["details"]]
    same = "the same" if found["same_as_one_host"] else "NOT the same"
    return "\n".join([*lines, f"books {same} as with one host; lease + settle time {found['lease_plus_settle_s']:g} s"])
