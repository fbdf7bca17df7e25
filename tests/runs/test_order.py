"""One record at a time, the latest news last, and nobody's work lost when a worker ends or dies."""

import json
import subprocess
import sys
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection

from runs.models import InboxEvent
from runs.sweep import events_recover, settle_of
from tenants.clock import database_now
from tests.runs.conftest import claim, drain, event_of, runs_of, tell

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = ("1", "2", "3", "4")
ROUNDS = 15


def worker():
    """Another process on the same database."""
    command = [sys.executable, "-m", "tests.runs.claiming", str(connection.settings_dict["NAME"])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def told_until_done(installation, most_seconds=60):
    """News about every order again and again, until all of it was worked on.

    :returns: a moment before the last of it was stored.
    """
    for _ in range(ROUNDS):
        last_at = time.monotonic()
        tell(installation, *ORDERS)
    while InboxEvent.unscoped.exists():
        assert time.monotonic() - last_at < most_seconds, "work that never ends"
        time.sleep(0.02)
    return last_at


def test_two_processes_never_work_on_one_record_at_once_and_the_latest_news_is_seen(installation):
    processes = [worker(), worker()]
    try:
        last_at = told_until_done(installation)
    finally:
        lines = [process.communicate(timeout=20)[0].splitlines() for process in processes]
    spans = [json.loads(line) for said in lines for line in said]
    assert all(lines), "both had something to do"
    assert not any(fenced for *_, fenced in spans)
    for number in ORDERS:
        own = sorted((begun, ended) for record, begun, ended, _ in spans if record == number)
        assert all(first[1] <= second[0] for first, second in pairwise(own)), "two at once"
        assert own[-1][0] > last_at, "claimed before the last news"
    assert all(run.state == "done" for number in ORDERS for run in runs_of(number))


def test_a_drain_that_is_asked_to_stop_finishes_what_it_has_and_takes_no_more(installation, world, settings, tmp_path):
    settings.STOP_FILE = tmp_path / "stop"
    world.orders |= {"1": "10.00", "2": "20.00"}

    async def while_reading(number):
        settings.STOP_FILE.touch()

    world.before_read = while_reading
    tell(installation, "1")
    tell(installation, "2")
    drain(concurrency=1, until=lambda: False)
    (done,) = [number for number in ("1", "2") if runs_of(number)]
    assert runs_of(done)[0].state == "done" and world.count(f"write {done}") == 1
    left = event_of("2" if done == "1" else "1")
    assert (left.state, left.attempts) == ("waiting", 0)


def test_a_dead_workers_event_is_back_within_lease_and_settle_time(installation):
    lease = 0.05
    tell(installation, "7")
    (claimed,) = claim(lease_seconds=lease)
    claimed_by = database_now()
    while not events_recover():
        assert database_now() < claimed_by + timedelta(seconds=10)
    back = event_of("7")
    latest = claimed_by + timedelta(seconds=lease + settle_of(installation))
    assert latest - timedelta(seconds=2) < back.due_at <= latest
    assert back.fence > claimed.fence
