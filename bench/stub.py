"""The reference's stub as a process, and what it counted."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench import processes

REFERENCE = Path(__file__).parent / "reference"
SEARCHABLE = Path(__file__).parent / "searchable_stub.py"
CALLS_PER_ORDER = 6


class WrongCounts(AssertionError):
    """The stub did not see what a correct run shows: figures of such a run mean nothing."""


class Stub:
    """``host:port`` of a running stub, and its control calls."""

    def __init__(self, address: str) -> None:
        self.address = address

    def _control(self, what: str) -> Any:
        with urllib.request.urlopen(f"http://{self.address}/_ctl/{what}", timeout=30) as reply:
            return json.load(reply)

    def reset(self, milliseconds: float) -> None:
        self._control(f"reset?ms={milliseconds:g}")

    def stats(self) -> dict[str, Any]:
        return self._control("stats")

    def done(self) -> dict[str, dict[str, Any]]:
        """``first`` and ``last`` call by order id, in epoch seconds."""
        return self._control("done")

    def wait_done(self, orders: int, seconds: float) -> None:
        """:raises WrongCounts: not all done in time."""
        deadline = time.monotonic() + seconds
        while (stats := self.stats())["done"] < orders:
            if time.monotonic() > deadline:
                raise WrongCounts(f"{stats['done']} of {orders} orders done after {seconds:.0f} s: {stats}")
            time.sleep(0.1)

    def check(self, orders: int, *, exact_calls: bool = True) -> dict[str, Any]:
        """:raises WrongCounts: lost, doubled or more calls than the flow makes."""
        stats = self.stats()
        wrong = stats["done"] != orders or stats["invoices"] != orders or stats["dup_invoices"] != 0
        if wrong or (exact_calls and stats["calls"] != CALLS_PER_ORDER * orders):
            raise WrongCounts(f"{orders} orders were sent, the stub counted {stats}")
        return stats


def start(port: int, program: Path = REFERENCE / "stub.py") -> subprocess.Popen[bytes]:
    """The stub on a free port; returns when it answers."""
    process = subprocess.Popen(
        [sys.executable, str(program), str(port), "0"],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=processes.die_with_parent,
    )
    deadline = time.monotonic() + 15
    while True:
        try:
            Stub(f"127.0.0.1:{port}").stats()
            return process
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError("the stub did not start") from None
            time.sleep(0.05)
