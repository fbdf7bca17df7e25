"""The faults of the demo: what the two systems and the way between them do wrong, and how often."""

from __future__ import annotations

from typing import Any

LATE_SECONDS = 3.0
LEDGER_WRITES = ["Insert*", "Update*", "applyCreditNoteToInvoice", "AddOrUpdate*", "Delete*"]


def ledger_rules(seed: int) -> list[dict[str, Any]]:
    """10 % 500s, 429s, 5 % of writes cut after they took effect, 2 % late or briefly unreadable."""
    return [
        _rule("ledger-500", ["*"], "status", 0.08, seed, status=500),
        _rule("ledger-html-500", ["*"], "html_error", 0.02, seed + 1, status=500),
        _rule("ledger-429", ["*"], "rate_limit", 0.02, seed + 2, retry_after=1),
        _rule("ledger-429-bare", ["*"], "rate_limit", 0.01, seed + 3),
        _rule("ledger-cut-after", LEDGER_WRITES, "cut_after", 0.05, seed + 4),
        _rule("ledger-late", LEDGER_WRITES, "late_landing", 0.01, seed + 5, seconds=LATE_SECONDS),
        _rule("ledger-unreadable", LEDGER_WRITES, "unreadable", 0.01, seed + 6, seconds=LATE_SECONDS, cut=True),
    ]


def shop_rules(seed: int) -> list[dict[str, Any]]:
    """The same towards the shop, and webhooks lost (10 %), doubled and shuffled."""
    return [
        _rule("shop-500", ["*"], "status", 0.10, seed + 10, status=500),
        _rule("shop-429", ["*"], "rate_limit", 0.02, seed + 11, retry_after=1),
        _rule("shop-cut-after", ["PUT *"], "cut_after", 0.05, seed + 12),
        _rule("hook-never", ["webhook:*"], "never", 0.10, seed + 20),
        _rule("hook-twice", ["webhook:*"], "duplicate", 0.10, seed + 21, copies=2),
        _rule("hook-shuffled", ["webhook:*"], "shuffled", 0.20, seed + 22, seconds=2.0),
    ]


def _rule(name: str, operations: list[str], kind: str, probability: float, seed: int, **rest: Any) -> dict[str, Any]:
    return {"id": name, "operations": operations, "kind": kind, "probability": probability, "seed": seed, **rest}
