"""Long property run of the line solver: random baskets priced by the shop's formula, checked by independent code.

    python bench/line_solver.py --baskets 100000 --seed 1

Prints one JSON object; exit 1 if any document differs from its order. ``--show n`` prints the first n held orders.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from connectors.base.errors import Held
from connectors.base.records import LineKind, Order
from flows.engine.documents.invoice import invoice_draft
from flows.engine.documents.rules import BookingRules, LedgerArithmetic, NominalCodes
from tests.flows.documents.baskets import random_order
from tests.flows.documents.verifier import wrong_with

NOMINALS = NominalCodes(
    product="4000", shipping="4905", fee="4906", discount="4009", gift_card_sale="2200", rounding="7999"
)


def run(*, baskets: int, seed: int, arithmetic: LedgerArithmetic, show: int) -> dict[str, object]:
    rules = BookingRules(reference_prefix="NOP-", nominals=NOMINALS, ledger_arithmetic=arithmetic)
    rng, counts, extra = random.Random(seed), Counter(), 0
    slowest, spent = 0.0, 0.0
    for number in range(baskets):
        order = random_order(rng, number=number)
        started = time.process_time()
        try:
            draft = invoice_draft(order=order, rules=rules, customer_id="c1")
        except Held as held:
            draft = None
            if counts["held"] < show:
                print(json.dumps(held.details), _short(order), file=sys.stderr)
        seconds = time.process_time() - started
        slowest, spent = max(slowest, seconds), spent + seconds
        if draft is None:
            counts["held"] += 1
            continue
        rounded = any(line.kind is LineKind.ROUNDING for line in draft.lines)
        counts["with_rounding_line"] += rounded
        counts["depends_on_sent_tax"] += draft.depends_on_sent_tax
        counts["equal_both"] += not draft.depends_on_sent_tax
        extra += len(draft.lines) - rounded - len(order.lines)
        if faults := wrong_with(draft, order):
            counts["mismatches"] += 1
            print(faults, _short(order), file=sys.stderr)
    names = ("equal_both", "with_rounding_line", "depends_on_sent_tax", "held", "mismatches")
    return {
        "baskets": baskets,
        "seed": seed,
        "ledger_arithmetic": arithmetic.value,
        **{name: counts[name] for name in names},
        "extra_lines_per_basket": round(extra / baskets, 3),
        "ms_per_basket": round(1000 * spent / baskets, 3),
        "ms_slowest": round(1000 * slowest, 1),
    }


def _short(order: Order) -> list[tuple[str, ...]]:
    lines = [(line.kind.value, *map(_text, (line.quantity, line.net, line.tax, line.tax_rate))) for line in order.lines]
    return [*lines, ("gross", _text(order.gross)), *(("tax", _text(t.rate), _text(t.tax)) for t in order.taxes)]


def _text(number: Decimal | None) -> str:
    return "exempt" if number is None else format(number.normalize(), "f")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baskets", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--arithmetic", choices=[mode.value for mode in LedgerArithmetic], default="unknown")
    parser.add_argument("--show", type=int, default=0)
    given = parser.parse_args()
    result = run(baskets=given.baskets, seed=given.seed, arithmetic=LedgerArithmetic(given.arithmetic), show=given.show)
    print(json.dumps(result))
    return 1 if result["mismatches"] else 0


if __name__ == "__main__":
    sys.exit(main())
