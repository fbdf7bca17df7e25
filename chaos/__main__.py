"""``python -m chaos``: see ``--help``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys

from chaos import infra, matrix, random_run, two_hosts
from chaos.report import infra_table, matrix_table, random_table, two_hosts_table


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that everything started is ended, too
    say = _quiet if options.json and not options.progress else _progress
    if options.matrix:
        found = matrix.run(
            short=options.short,
            seed=options.seed,
            database_server=os.environ.get("DATABASE_URL", ""),
            redis=os.environ.get("REDIS_URL", ""),
            keep=options.keep,
            say=say,
        )
        print(json.dumps(found.as_json(), indent=2) if options.json else matrix_table(found))
        return 0 if found.passed else 1
    if options.infra:
        troubles = infra.run(seed=options.seed, keep=options.keep, only=options.only, say=say)
        print(json.dumps(troubles.as_json(), indent=2) if options.json else infra_table(troubles))
        return 0 if troubles.passed else 1
    if options.two_hosts:
        hosts = two_hosts.run(seed=options.seed, keep=options.keep, say=say)
        print(json.dumps(hosts.as_json(), indent=2) if options.json else two_hosts_table(hosts))
        return 0 if hosts.passed else 1
    outcome = random_run.run(
        random_run.Options(
            minutes=1.5 if options.short else options.minutes,
            seed=options.seed,
            hosts=options.hosts,
            orders_per_second=options.rate,
            database_server=os.environ.get("DATABASE_URL", ""),
            redis=os.environ.get("REDIS_URL", ""),
            keep=options.keep,
        ),
        say,
    )
    print(json.dumps(outcome.as_json(), indent=2) if options.json else random_table(outcome))
    return 0 if outcome.passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run chaos",
        description="Kill real processes at known moments under load, then count at the outside systems' own state.",
    )
    parser.add_argument("--matrix", action="store_true", help="each write operation × each moment × each victim")
    parser.add_argument("--infra", action="store_true", help="database, queue, disk and network fail under load")
    parser.add_argument(
        "--two-hosts", action="store_true", help="one database, two hosts; one is cut off in mid-flight"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="with --infra: only troubles whose name holds this")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long orders come and processes die (20)")
    parser.add_argument(
        "--short", action="store_true", help="a minute and a half; with --matrix one cell per operation"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides the orders and every choice")
    parser.add_argument("--hosts", type=int, default=2, help="process sets that share the database (2; SQLite: 1)")
    parser.add_argument("--rate", type=float, default=1.0, help="orders per second (1)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table with progress")
    parser.add_argument(
        "--progress", action="store_true", help="tell how it goes on the standard error, also with --json"
    )
    parser.add_argument("--keep", action="store_true", help="keep folder, logs and database")
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL"):
        options.hosts = 1
    return options


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _quiet(text: str) -> None:
    return None


if __name__ == "__main__":
    sys.exit(main())
