"""Webhooks to send, the process that sends them, and the CPU time it all costs."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from typing import Any

from bench import processes
from bench.sixcall.shop import SIGNATURE_HEADER, delivery, signature
from bench.sixcall.tenant import Tenant
from bench.stack import ROOT, Stack
from bench.stub import WrongCounts

_batches = count(1)


def order_ids(orders: int) -> list[str]:
    """Never the same order twice in one bench."""
    batch = next(_batches)
    return [f"b{batch}-{number}" for number in range(orders)]


def job(
    stack: Stack, tenant: Tenant, path: str, ids: list[str], *, connections: int, rate: float = 0
) -> dict[str, Any]:
    """What the driver is to send to our own web server: signed webhooks of these orders."""
    return requests_for("127.0.0.1", stack.web_port, tenant, path, ids, connections=connections, rate=rate)


def requests_for(
    host: str, port: int, tenant: Tenant, path: str, ids: list[str], *, connections: int, rate: float = 0
) -> dict[str, Any]:
    """:param rate: webhooks per second; 0: as fast as they are taken."""
    bodies = [(key, delivery(key, tenant.account)) for key in ids]
    return {
        "host": host,
        "port": port,
        "path": path,
        "headers": {"Content-Type": "application/json"},
        "bodies": [(key, body.decode(), {SIGNATURE_HEADER: signature(body, tenant.secret)}) for key, body in bodies],
        "connections": connections,
        "rate": rate,
    }


class Driver:
    """The driver's process: prepared when made, sends from ``go`` on; ``result`` waits for its end."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.orders = len(job["bodies"])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            preexec_fn=processes.die_with_parent,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the driver did not start")

    def go(self) -> Driver:
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.close()
        return self

    def result(self) -> dict[str, Any]:
        """:raises WrongCounts: a webhook was not accepted."""
        assert self._process.stdout is not None
        found = json.loads(self._process.stdout.read() or b"{}")
        self._process.wait()
        accepted = sum(number for status, number in found.get("statuses", {}).items() if status[:1] == "2")
        if accepted != self.orders:
            raise WrongCounts(f"of {self.orders} webhooks were answered: {found.get('statuses')}")
        return found


class Cpu:
    """CPU time of every group between construction and ``per_order``."""

    def __init__(self, stack: Stack) -> None:
        self._roots, self._database = stack.roots(), stack.database_name
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        spent = {name: processes.cpu_seconds(pid) for name, pid in self._roots.items() if name != "postgres"}
        if "postgres" in self._roots:  # the server may serve others besides us
            spent["postgres"] = processes.cpu_of_backends(self._roots["postgres"], self._database)
        return spent

    def per_order(self, orders: int, **others: float) -> dict[str, float]:
        spent = {name: seconds - self._before[name] for name, seconds in self._now().items()}
        return {name: seconds * 1000 / orders for name, seconds in {**spent, **others}.items()}


def drains_seem_alive() -> None:
    """Where the workers are off: the door's nudge costs what it costs in life, where drains live."""
    from runs.models import WorkerSlot
    from tenants.clock import database_now

    WorkerSlot.objects.update(alive=True, heartbeat_at=database_now())
