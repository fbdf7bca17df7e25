"""Real processes on one database: they spend one budget and send one probe."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection as database
from django.db.models.functions import Now

from connections import circuits
from connections.models import CircuitState, RateBudget
from tests.factories import ConnectionFactory

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.django_db(transaction=True)


def called_by_two(connection, kind, seconds, calls=1, per_seconds=1.0):
    """When two processes, each with eight calls in flight, were let through."""
    environment = {
        **os.environ,
        "CALLER_DATABASE": str(database.settings_dict["NAME"]),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    command = [sys.executable, "-m", "tests.connections.caller", str(connection.pk), kind]
    processes = [
        subprocess.Popen(
            [*command, str(seconds), str(calls), str(per_seconds)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        return [json.loads(process.communicate(timeout=seconds + 60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()


def test_two_processes_never_exceed_one_limit():
    connection, calls, per_seconds = ConnectionFactory(), 60, 2.0
    each = called_by_two(connection, "calls", 6.0, calls, per_seconds)
    moments = sorted(moment for one in each for moment in one)
    spans = [after - first for first, after in zip(moments, moments[calls:], strict=False)]
    assert len(moments) > 1.5 * calls
    # A process may be put aside between its token and its look at the clock: a tenth is for that.
    assert min(spans) >= 0.9 * per_seconds
    assert min(map(len, each)) > 5, "both got their share"
    assert RateBudget.objects.filter(connection=connection).count() == 1


def test_two_processes_send_one_probe_at_a_time():
    connection = ConnectionFactory()
    key = f"connection:{connection.pk}"
    circuits.circuit_open(key, failures=5, jitter=1, why="x")
    CircuitState.objects.filter(key=key).update(open_until=Now() - timedelta(seconds=1))
    probes = [moment for one in called_by_two(connection, "probe", 4.0) for moment in one]
    # The first probe fails after 0.3 s and opens the circuit for 10 s more.
    assert len(probes) == 1
    assert CircuitState.objects.get(key=key).open_seconds == 10
