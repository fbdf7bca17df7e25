"""``./run bench``: what is measured, and how to choose parts of it."""

from __future__ import annotations

import argparse
import json
import sys


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./run bench", description="Measure Causeway against what the hardware allows."
    )
    parser.add_argument("--quick", action="store_true", help="smaller numbers")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--orders", type=int, default=0, help="orders per run of the six-call flow")
    parser.add_argument("--rounds", type=int, default=0, help="how often the compared runs take turns")
    parser.add_argument("--ms", default="", help="target latencies of the flow, such as 0,100")
    parser.add_argument("--only", default="flow", help="parts, separated by commas: flow, growth")
    parser.add_argument("--sizes", default="", help="finished runs that growth compares, such as 20000,500000")
    parser.add_argument("--profile", type=int, metavar="ORDERS", help="profile one drain over this many orders instead")
    parser.add_argument("--sort", default="tottime", help="order of the profile: tottime or cumtime")
    options = parser.parse_args()
    if options.profile:
        from bench.profiling import profile

        return profile(options.profile, sort=options.sort)
    from bench import flow_part, growth_part

    parts = {"flow": flow_part.measure, "growth": growth_part.measure}
    found = {}
    for name in options.only.split(","):
        found |= parts[name](options, say=lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
