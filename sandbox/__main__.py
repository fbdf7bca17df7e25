"""``python -m sandbox kashflow --port 9102``: start one stand-in and serve until told to stop."""

import argparse
import asyncio
import logging
from pathlib import Path

from sandbox.common.server import run_program
from sandbox.registry import STANDINS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Stand-ins for the outside systems.")
    names = parser.add_subparsers(dest="name", required=True, metavar="name", help="which system to stand in for")
    for key, standin in sorted(STANDINS.items()):
        one = names.add_parser(key, help=standin.title)
        _add_common_arguments(one)
        for name, option in standin.program_options.items():
            one.add_argument(f"--{name.replace('_', '-')}", **option)
    return parser.parse_args()


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 picks a free one (default)")
    parser.add_argument("--state", type=Path, metavar="FILE", help="load the state from here and keep it here")
    parser.add_argument("--seed", type=int, default=1, help="decides ids and seeded records (default 1)")


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    given = _arguments()
    chosen = STANDINS[given.name]
    standin = chosen(seed=given.seed, **{name: getattr(given, name) for name in chosen.program_options})
    asyncio.run(run_program(standin, host=given.host, port=given.port, state_file=given.state))


if __name__ == "__main__":
    main()
