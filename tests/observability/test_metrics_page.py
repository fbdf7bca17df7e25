"""``/metrics``: who is answered, what is said, and that the processes of a host are added up."""

import os
import subprocess
import sys

import pytest
from django.db import connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from connections.models import CircuitState, Connection
from front import metrics
from runs.models import InboxEvent, WorkerSlot
from telemetry.metrics import FAMILIES
from tenants.clock import database_now
from tests.runs.conftest import tell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _looks_anew(monkeypatch):
    monkeypatch.setattr(metrics, "_engine", metrics._Engine())


def ask(**options):
    return Client().get("/metrics", **options)


def said(name, **labels):
    """The value of one sample."""
    metrics._engine = metrics._Engine()
    for family in text_string_to_metric_families(ask().content.decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    raise AssertionError(f"{name} {labels} is not there")


class TestWhoIsAnswered:
    def test_this_machine_without_a_token(self):
        assert ask().status_code == 200

    def test_nobody_else_without_a_token(self):
        assert ask(REMOTE_ADDR="192.0.2.7").status_code == 403
        assert ask(REMOTE_ADDR="").status_code == 403

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
    def test_nobody_whom_a_proxy_on_this_machine_lets_through(self, header):
        assert ask(headers={header: "192.0.2.7"}).status_code == 403

    def test_whoever_has_the_token_and_nobody_without(self, settings):
        settings.METRICS_TOKEN = "let-me-see"
        assert ask().status_code == 401
        assert ask(headers={"Authorization": "Bearer let-me"}).status_code == 401
        good = {"Authorization": "Bearer let-me-see", "X-Forwarded-For": "192.0.2.7"}
        assert ask(headers=good, REMOTE_ADDR="192.0.2.7").status_code == 200

    def test_only_asking(self):
        assert Client().post("/metrics").status_code == 405


class TestEngine:
    def test_the_queue_is_told_by_state_and_lane(self, installation):
        tell(installation, "7", "8")
        tell(installation, "9", via="import", priority=10)
        InboxEvent.unscoped.filter(record__record_id="7").update(state="dead")
        assert said("causeway_queue_events", state="waiting", lane="live") == 1
        assert said("causeway_queue_events", state="dead", lane="live") == 1
        assert said("causeway_queue_events", state="waiting", lane="import") == 1
        assert said("causeway_queue_due", lane="live") == 1

    def test_its_age_is_that_of_the_oldest_event_that_could_be_claimed(self, installation):
        tell(installation, "7", "8")
        now = database_now()
        InboxEvent.unscoped.filter(record__record_id="7").update(due_at=now - metrics_minutes(5))
        InboxEvent.unscoped.filter(record__record_id="8").update(due_at=now + metrics_minutes(5))
        assert 300 <= said("causeway_queue_age_seconds", lane="live") < 310
        assert said("causeway_queue_due", lane="live") == 1

    def test_work_of_a_stopped_lane_makes_no_age(self, installation):
        tell(installation, "7")
        InboxEvent.unscoped.update(due_at=database_now() - metrics_minutes(5))
        Connection.unscoped.filter(pk=installation.target_id).update(state="paused")
        assert said("causeway_queue_age_seconds", lane="live") == 0
        assert said("causeway_queue_due", lane="live") == 0
        assert said("causeway_queue_stopped") == 1

    def test_drains_and_circuits(self):
        now = database_now()
        WorkerSlot.objects.create(number=0, alive=True, heartbeat_at=now)
        WorkerSlot.objects.create(number=1, alive=True, heartbeat_at=now - metrics_minutes(1))
        WorkerSlot.objects.create(number=2)
        assert [said("causeway_drains", state=state) for state in ("alive", "silent", "empty")] == [1, 1, 1]
        later, before = now + metrics_minutes(1), now - metrics_minutes(1)
        CircuitState.objects.create(key="connection:a", opened_at=now, open_until=later)
        CircuitState.objects.create(key="host:b", opened_at=now, open_until=before)
        CircuitState.objects.create(key="connection:c", paused_until=later)
        assert said("causeway_circuits", scope="connection", state="open") == 1
        assert said("causeway_circuits", scope="host", state="half_open") == 1
        assert said("causeway_circuits", scope="connection", state="paused") == 1

    def test_a_database_that_is_away_leaves_the_counters(self, monkeypatch):
        from django.db import OperationalError

        def away():
            raise OperationalError("away")

        monkeypatch.setattr("runs.gauges.queue_look", away)
        assert said("causeway_database_up") == 0
        assert b"causeway_news_total" in ask().content

    def test_a_long_look_is_followed_by_a_longer_rest(self, monkeypatch, django_assert_num_queries):
        clock = [100.0]
        monkeypatch.setattr(metrics.time, "monotonic", lambda: clock[0])
        real = metrics.gauges.queue_look

        def slow():
            clock[0] += 2.0
            return real()

        monkeypatch.setattr(metrics.gauges, "queue_look", slow)
        engine = metrics._Engine()
        engine.text()
        clock[0] = 139.0
        with django_assert_num_queries(0):
            engine.text()
        clock[0] = 141.0
        engine.text()
        assert clock[0] == 143.0

    def test_asking_often_costs_the_database_one_look(self, installation, django_assert_num_queries):
        ask()
        with django_assert_num_queries(0):
            for _ in range(5):
                ask()


def metrics_minutes(number):
    from datetime import timedelta

    return timedelta(minutes=number)


COUNTS = """
import os, sys
from pathlib import Path
from telemetry.shared import share, begin
folder = Path(sys.argv[1])
share(folder)
from telemetry.metrics import NEWS, CALLS
NEWS.add("webhook", "opened", by=3)
CALLS.see(0.2, "shop", "get_order", "ok")
child = os.fork()
NEWS.add("webhook", "opened")
if child: os.waitpid(child, 0)
"""

TELLS = """
import sys
from pathlib import Path
from prometheus_client import generate_latest
from telemetry.shared import share, begin, registry
folder = Path(sys.argv[1])
share(folder)
from telemetry.metrics import NEWS
if sys.argv[2:] == ["begin"]: begin(folder)
with registry() as counters: print(generate_latest(counters).decode())
"""


def python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


class TestManyProcesses:
    def test_processes_are_added_up_also_forked_ones_and_those_that_are_gone(self, tmp_path):
        for _ in range(2):
            python(COUNTS, tmp_path)
        for _ in range(2):  # reading gathers what is left of the dead; nothing is counted twice
            text = python(TELLS, tmp_path)
            assert 'causeway_news_total{result="opened",via="webhook"} 10.0' in text
            assert 'causeway_call_seconds_count{connector="shop",operation="get_order",outcome="ok"} 2.0' in text
        assert sorted(file.name for file in tmp_path.glob("*.db")) == ["counter_gone.db", "histogram_gone.db"]

    def test_a_fresh_start_begins_at_nothing(self, tmp_path):
        python(COUNTS, tmp_path)
        assert "causeway_news_total{" not in python(TELLS, tmp_path, "begin")

    def test_a_second_leader_takes_nothing_from_the_first(self, tmp_path):
        python(COUNTS, tmp_path)
        (tmp_path / f"counter_{os.getpid()}.db").touch()
        before = sorted(tmp_path.glob("*.db"))
        from telemetry.shared import begin

        begin(tmp_path)
        assert sorted(tmp_path.glob("*.db")) == before


def test_every_family_is_described_on_the_page():
    text = ask().content.decode()
    for family in FAMILIES:
        assert f"# HELP {family.name.removesuffix('_total')}" in text.replace("_total ", " ")


def test_the_look_is_few_statements_whatever_waits(installation, django_assert_max_num_queries):
    tell(installation, *map(str, range(30)))
    with django_assert_max_num_queries(13 if connection.vendor == "postgresql" else 10):
        ask()
