"""Which writes the stand-ins know, how they hold one back, and the faults that are always in the mix."""

from __future__ import annotations

import random
import threading
from typing import Any

from demo.http import call

LEDGER_WRITES = ("Insert*", "Update*", "applyCreditNoteToInvoice", "AddOrUpdate*", "Delete*")
SHOP_WRITES = ("PUT *", "POST /api/*")
WRITES = {"kashflow": LEDGER_WRITES, "nopcommerce": SHOP_WRITES}

MOMENTS = ("before", "during", "after", "before_commit")
LANDING_SECONDS = 1.0

HOLDS: dict[str, dict[str, Any]] = {
    "before": {"kind": "hang", "seconds": 60},
    "during": {"kind": "late_landing", "seconds": LANDING_SECONDS, "hang": True},
    "after": {"kind": "late_landing", "seconds": 0, "hang": True},
    "before_commit": {"kind": "latency", "seconds": 1.2},
}
"""How the stand-in treats the write whose worker is about to die; the client is left without an answer each time.
Before the commit: the answer is given, late enough for the journal to be held back by then."""


class Faults:
    """Standing rules plus what is held back at the moment; every change puts all rules anew."""

    def __init__(self, systems: dict[str, str], *, seed: int, standing: bool) -> None:
        self._systems, self._standing = systems, standing
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._armed: dict[str, list[dict[str, Any]]] = {system: [] for system in systems}
        for system in systems:
            self._put(system)

    def arm(self, system: str, rule_id: str, moment: str, operations: list[str], *, times: int = 1) -> None:
        """Hold back the next ``times`` calls of these operations."""
        with self._lock:
            rule = {"id": rule_id, "operations": operations, "times": times, **HOLDS[moment]}
            self._armed[system].append(rule)
            self._put(system)

    def disarm(self) -> None:
        """Hold nothing back any more; what is held back already stays so."""
        with self._lock:
            for system, rules in self._armed.items():
                if rules:
                    self._armed[system] = []
                    self._put(system)

    def clear(self) -> None:
        """No faults at all from here on."""
        with self._lock:
            self._standing = False
            self._armed = {system: [] for system in self._systems}
            for system in self._systems:
                self._put(system)

    def _put(self, system: str) -> None:
        standing = self._always(system) if self._standing else []
        call("PUT", f"{self._systems[system]}/control/faults", [*self._armed[system], *standing])

    def _always(self, system: str) -> list[dict[str, Any]]:
        """Late-landing and briefly unreadable writes, lost answers, a few errors, lost webhooks."""
        writes = list(WRITES[system])
        rules = [
            ("late", writes, {"kind": "late_landing", "seconds": LANDING_SECONDS, "probability": 0.01}),
            ("unreadable", writes, {"kind": "unreadable", "seconds": 1.5, "cut": True, "probability": 0.01}),
            ("cut-after", writes, {"kind": "cut_after", "probability": 0.01}),
            ("status", ["*"], {"kind": "status", "status": 500, "probability": 0.01}),
        ]
        if system == "nopcommerce":
            rules.append(("hook-never", ["webhook:*"], {"kind": "never", "probability": 0.05}))
            rules.append(("hook-twice", ["webhook:*"], {"kind": "duplicate", "copies": 2, "probability": 0.05}))
        return [
            {"id": name, "operations": operations, "seed": self._dice.randrange(2**31), **rest}
            for name, operations, rest in rules
        ]


def is_write(system: str, operation: str) -> bool:
    if system == "kashflow":
        return operation.startswith(("Insert", "Update", "applyCredit", "AddOrUpdate", "Delete"))
    return operation.startswith(("PUT ", "POST /api/", "DELETE /api/"))


class Arrivals:
    """The stand-ins' logs, read on from where we were; rows are kept by system and number."""

    def __init__(self, systems: dict[str, str]) -> None:
        self._systems = systems
        self._after = {system: self._newest(system) for system in systems}

    def _newest(self, system: str) -> int:
        rows = call("GET", f"{self._systems[system]}/control/arrivals")
        return rows[-1]["number"] if rows else 0

    def new(self) -> list[tuple[str, dict[str, Any]]]:
        """What arrived since the last look and is settled enough to be told again later by ``again``."""
        found = []
        for system, url in self._systems.items():
            rows = call("GET", f"{url}/control/arrivals?after={self._after[system]}")
            if rows:
                self._after[system] = rows[-1]["number"]
            found += [(system, row) for row in rows]
        return found

    def again(self, system: str, number: int) -> dict[str, Any]:
        """One arrival as it stands now. :raises LookupError: it is no longer in the log."""
        rows = call("GET", f"{self._systems[system]}/control/arrivals?after={number - 1}")
        if not rows or rows[0]["number"] != number:
            raise LookupError(f"arrival {number} of {system} is no longer in the log")
        row: dict[str, Any] = rows[0]
        return row
