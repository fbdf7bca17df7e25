"""``python -m demo --pair nopcommerce-kashflow --orders 100``: see ``--help``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys

from demo.report import report_json, report_table
from demo.stack import Stack

PAIRS = {"nopcommerce-kashflow": "demo.nopcommerce_kashflow.driver"}


def main() -> int:
    options = _options()
    say = _quiet if options.json else _progress
    with Stack(family=options.family, say=say) as stack:
        import django

        os.environ.update(stack.environment)
        django.setup()  # only now: the stack has said where the database is
        driver = importlib.import_module(PAIRS[options.pair])
        result = driver.run(stack, orders=options.orders, seed=options.seed, faults=options.faults, say=say)
    print(json.dumps(report_json(result), indent=2) if options.json else report_table(result))
    return 0 if result.passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run demo",
        description="Place orders in a sandbox shop, wait until they are through, check each document.",
    )
    parser.add_argument("--pair", choices=sorted(PAIRS), default="nopcommerce-kashflow")
    parser.add_argument("--orders", type=int, default=100, help="how many orders of the fixed mix (default 100)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--family", choices=["A", "B", "C"], default="B", help="API plug-in of the shop")
    parser.add_argument("--faults", action="store_true", help="errors, lost answers, late writes, lost webhooks")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table with progress")
    options = parser.parse_args()
    if options.orders < 1:
        parser.error("--orders must be at least 1")
    return options


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _quiet(text: str) -> None:
    return None


if __name__ == "__main__":
    sys.exit(main())
