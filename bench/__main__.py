"""``./run bench``: what is measured, and how to choose parts of it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from importlib import import_module
from typing import Any

from bench.report import limits_of, markdown_of, text_of

PARTS = ("accept", "flow", "latency", "fairness", "recovery", "memory", "growth")


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run bench", description="Measure Causeway against what this machine allows."
    )
    parser.add_argument("--quick", action="store_true", help="small numbers, under three minutes")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--markdown", action="store_true", help="tables for docs/performance.md")
    parser.add_argument("--only", default="", help=f"parts, separated by commas: {', '.join(PARTS)}")
    flow = parser.add_argument_group("the six-call flow (with any of these, and no --only, nothing else is run)")
    flow.add_argument("--orders", type=int, default=0, help="orders per run")
    flow.add_argument("--rounds", type=int, default=0, help="how often the compared runs take turns")
    flow.add_argument("--ms", default="", help="target latencies, such as 0,100")
    flow.add_argument("--target", default="", help="drive another tool at this address instead; see bench/README.md")
    flow.add_argument("--stub-port", type=int, default=9100, help="where the stub listens for that tool")
    flow.add_argument("--profile", type=int, metavar="ORDERS", help="profile one drain over this many orders instead")
    flow.add_argument("--sort", default="tottime", help="order of the profile: tottime or cumtime")
    others = parser.add_argument_group("other parts")
    others.add_argument("--burst", type=int, default=0, help="webhooks of the burst")
    others.add_argument("--backlog", type=int, default=0, help="waiting orders of the busy tenant (fairness)")
    others.add_argument("--minutes", type=float, default=0, help="how long memory is watched under load")
    others.add_argument("--sizes", default="", help="finished runs that growth compares, such as 20000,500000")
    others.add_argument("--events", type=int, default=0, help="events through the queue table (growth)")
    found = parser.parse_args(arguments)
    found.parts = [part for part in found.only.split(",") if part] or (
        ["flow"] if found.orders or found.rounds or found.ms else list(PARTS)
    )
    if unknown := set(found.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return found


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Every part that was asked for, on one stack; growth comes last, because it fills the tables."""
    from bench.bench import Bench
    from bench.stack import Stack

    began, found = time.monotonic(), {}
    with Stack() as stack:
        bench = Bench(stack, options, say)
        found["database"] = "postgresql" if stack.database_url else "sqlite"
        found["redis"] = bool(stack.redis_url)
        for part in PARTS:
            if part in options.parts:
                started = time.monotonic()
                found |= import_module(f"bench.parts.{part}").measure(bench)
                say(f"-- {part}: {time.monotonic() - started:.0f} s")
    return {**found, "limits": limits_of(found), "seconds": round(time.monotonic() - began, 1)}


def main() -> int:
    options = options_of()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended, the database dropped
    if options.profile:
        from bench.profiling import profile

        return profile(options.profile, sort=options.sort)
    if options.target:
        from bench.target import drive_target

        found = drive_target(options, say)
    else:
        found = measured(options)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(markdown_of(found) if options.markdown else text_of(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
