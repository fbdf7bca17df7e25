"""``./run bench`` as a whole, in small numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import PARTS, options_of

ROOT = Path(__file__).parents[2]


def test_options_of_the_flow_alone_choose_the_flow():
    assert options_of(["--orders", "10"]).parts == ["flow"]
    assert options_of(["--quick"]).parts == list(PARTS)
    assert options_of(["--only", "growth,accept"]).parts == ["growth", "accept"]


def test_an_unknown_part_is_refused():
    with pytest.raises(SystemExit):
        options_of(["--only", "speed"])


@pytest.mark.processes
@pytest.mark.slow
def test_flow_and_recovery_give_their_figures():
    arguments = ["--only", "flow,recovery", "--orders", "30", "--rounds", "1", "--ms", "0", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=400,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["calls_per_order"] == 6.0
    assert {run["name"] for run in found["flow_runs"]} == {
        "causeway",
        "raw reference",
        "one task per order",
        "tuned tasks",
    }
    assert {
        "flow_vs_raw_0ms",
        "flow_vs_task_0ms",
        "flow_vs_tuned_task_0ms",
        "recovery_s",
        "cpu_ms_per_order",
        "limits",
    } <= set(found)
    assert (found["recovery_lost"], found["recovery_doubled"]) == (0, 0)
