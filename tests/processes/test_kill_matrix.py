"""The short kill matrix: every write operation, at one moment, with one victim; which ones changes from day to day."""

import json
import subprocess
import sys
from datetime import date

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def test_every_write_operation_killed_once_is_there_once():
    command = [sys.executable, "-m", "chaos", "--matrix", "--short", "--json", "--seed", str(date.today().toordinal())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.stdout.startswith("{"), done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["not_ok"] == [], found["details"]
    assert (found["lost"], found["doubled"], found["stuck"]) == (0, 0, 0), found["details"]
    assert found["proved"] == found["cells"]
    assert done.returncode == 0
