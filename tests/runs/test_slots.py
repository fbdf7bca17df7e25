"""Drains are started where none lives, on the host whose slot is free, and a dead one is noticed."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from runs import importing, slots, sweep, tasks
from runs.claim import events_claim
from runs.imports import import_create, import_reread
from runs.models import ImportJob, InboxEvent, WorkerSlot
from runs.polling import cursors_prepare, polls_claim
from runs.processes import process_is_gone, process_name
from runs.slots import Keeper, hosts_forget, slot_beat, slot_leave, slot_take, slots_bury, slots_prepare, slots_start
from tenants.clock import database_now
from tests.runs import fakes
from tests.runs.conftest import tell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_slot(settings):
    settings.QUEUE_WORKERS = 1
    settings.HOST_NAME = "here"


@pytest.fixture
def addressed(monkeypatch):
    """The queues that drain tasks were put into."""
    queues = []
    monkeypatch.setattr(
        "django_q.tasks.async_task", lambda name, *args, q_options, **more: queues.append(q_options["cluster"])
    )
    return queues


@pytest.fixture
def on_host(settings):
    def become(name, *, workers=1):
        settings.HOST_NAME, settings.QUEUE_WORKERS = name, workers

    return become


def slot_of(host):
    return WorkerSlot.objects.get(host=host)


class TestNudges:
    def test_no_nudge_before_the_commit_and_none_after_a_rollback(self, installation, queued):
        from django.db import transaction

        slots_prepare()
        with transaction.atomic():
            tell(installation, "7")
            assert queued == []
        assert queued == [("runs.tasks.drain",)]
        WorkerSlot.objects.update(nudged_at=None)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            tell(installation, "8")
            raise ZeroDivisionError
        assert len(queued) == 1

    def test_a_living_drain_needs_no_task(self, installation, queued):
        slots_prepare()
        assert slot_take("me") is not None
        tell(installation, "7")
        assert queued == []

    def test_a_leaving_drain_clears_its_flag_before_it_looks_once_more(self, installation, queued):
        """News stored before the flag was cleared saw a living drain and queued nothing (C10)."""
        slots_prepare()
        number = slot_take("me")
        tell(installation, "7")
        slot_leave(number, "me", restart=True)
        assert queued == [("runs.tasks.drain",)] and not WorkerSlot.objects.get().alive

    def test_a_slot_has_one_drain_until_its_heart_stops(self):
        slots_prepare()
        number = slot_take("first")
        assert slot_take("second") is None
        WorkerSlot.objects.update(heartbeat_at=database_now() - slots.STALE_HEARTBEAT - timedelta(seconds=1))
        assert slot_take("second") == number
        slot_leave(number, "first", restart=False)
        assert WorkerSlot.objects.get().alive, "the slot is no longer the first one's to leave"

    def test_the_sweep_starts_what_is_not_alive_and_returns_what_is_lost(self, installation, queued, settings):
        settings.QUEUE_WORKERS = 2
        slots_prepare()
        first, _second = slot_take("first"), slot_take("second")
        WorkerSlot.objects.filter(pk=first).update(heartbeat_at=database_now() - timedelta(seconds=60))
        tell(installation, "7")
        events_claim(worker="dead", limit=1, lease_seconds=-1)
        assert sweep.sweep_once() == {"recovered": 1, "drains_started": 1}
        wait = (InboxEvent.unscoped.get().due_at - database_now()).total_seconds()
        assert wait > fakes.SETTLE_SECONDS - 3, "the connectors' own settle time"
        assert sweep.sweep_once() == {"recovered": 0, "drains_started": 0}, "a nudge is on its way"

    def test_the_sweep_survives_a_broker_that_is_away(self, monkeypatch, settings):
        settings.SWEEP_SECONDS = 0.0
        slots_prepare()
        rounds = []

        def away(*args, **named):
            rounds.append(1)
            raise ConnectionError("the broker is away")

        monkeypatch.setattr("django_q.tasks.async_task", away)
        sweep.sweep_forever(lambda: len(rounds) >= 3)
        assert len(rounds) == 3, "a nudge that could not be queued is tried again in the next round"


class TestBrokerAway:
    @pytest.fixture
    def drains(self, monkeypatch, settings):
        """Drains that only leave their slot, a minute later each."""
        settings.DRAIN_SECONDS, settings.LEASE_SECONDS, settings.QUEUE_TASK_TIMEOUT = 45.0, 60.0, 248
        clock, made = [0.0], []

        class OneDrain:
            def __init__(self, **how):
                made.append(how)

            async def run(self):
                clock[0] += 45.0
                number = slot_take("me")
                self.relieved = slot_leave(number, "me", restart=True)
                return 1

        slots_prepare()
        monkeypatch.setattr(tasks, "Drain", OneDrain)
        monkeypatch.setattr(tasks.uvloop, "run", _run_through)
        monkeypatch.setattr(tasks.time, "monotonic", lambda: clock[0])
        return made

    def test_a_drain_goes_on_while_no_successor_can_be_queued(self, drains, monkeypatch):
        monkeypatch.setattr("django_q.tasks.async_task", _away)
        assert tasks.drain() == len(drains) == 4, "as long as the task may, with a lease left for what is in flight"

    def test_it_drains_once_however_short_the_task_may_last(self, drains, monkeypatch, settings):
        settings.DRAIN_SECONDS = 600.0
        monkeypatch.setattr("django_q.tasks.async_task", _away)
        assert tasks.drain() == len(drains) == 1

    def test_it_ends_when_its_successor_is_queued(self, drains, queued):
        assert tasks.drain() == len(drains) == 1
        assert queued == [("runs.tasks.drain",)]


def _away(*args, **named):
    raise ConnectionError("the broker is away")


def _run_through(work):
    """A coroutine that never waits, without an event loop: the ORM may be used in it."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value


class TestHosts:
    def test_each_host_has_its_own_slots_and_its_drains_go_to_its_own_queue(self, on_host, addressed):
        on_host("north", workers=2)
        slots_prepare()
        on_host("south")
        slots_prepare()
        slots_prepare()
        assert sorted(WorkerSlot.objects.values_list("number", "host", "place")) == [
            (0, "north", 0),
            (1, "north", 1),
            (2, "south", 0),
        ]
        assert slots_start() == 3
        assert sorted(addressed) == ["causeway-north", "causeway-north", "causeway-south"]

    def test_a_drain_takes_a_slot_of_its_own_host_only(self, on_host):
        on_host("north", workers=2)
        slots_prepare()
        on_host("south")
        slots_prepare()
        assert slot_take("drain on south") == slot_of("south").number
        assert slot_take("another on south") is None
        assert WorkerSlot.objects.filter(host="north", alive=True).count() == 0

    def test_nothing_is_queued_for_a_host_that_is_not_there(self, on_host, addressed):
        on_host("north")
        slots_prepare()
        WorkerSlot.objects.update(host_seen_at=database_now() - slots.HOST_AWAY_AFTER)
        on_host("south")
        slots_prepare()
        assert slots_start() == 1 and addressed == ["causeway-south"]

    def test_a_host_that_went_away_is_forgotten_and_comes_back(self, on_host):
        on_host("north")
        slots_prepare()
        keeper = Keeper()
        WorkerSlot.objects.update(host_seen_at=database_now() - slots.HOST_FORGOTTEN_AFTER)
        on_host("south")
        slots_prepare()
        assert hosts_forget() == 1 and [slot.host for slot in WorkerSlot.objects.all()] == ["south"]
        on_host("north")
        keeper.round()
        assert WorkerSlot.objects.filter(host="north").count() == 1

    def test_a_cluster_in_which_no_drain_begins_is_started_anew(self, queued, monkeypatch):
        slots_prepare()
        renewed = []
        keeper = Keeper(renew=lambda: renewed.append(True))
        keeper.round()
        assert renewed == []
        monkeypatch.setattr(slots, "DEAF_AFTER_SECONDS", -1.0)
        keeper.round()
        assert renewed == [True]
        number = slot_take("one")
        keeper.round()
        assert renewed == [True], "a drain lives"
        slot_leave(number, "one", restart=False)
        keeper.round()
        assert renewed == [True, True]

    def test_fewer_workers_mean_fewer_slots(self, on_host):
        on_host("north", workers=3)
        slots_prepare()
        on_host("north")
        slots_prepare()
        assert WorkerSlot.objects.count() == 1


class TestDeadProcesses:
    @pytest.fixture
    def child(self):
        """A process of this machine that does nothing."""
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        yield process
        process.kill()
        process.wait()

    def test_gone_is_what_ended_here_and_not_what_was_stopped_or_runs_elsewhere(self, child):
        name = process_name(child.pid)
        machine, pid, start = name.split(":")
        assert not process_is_gone(name)
        os.kill(child.pid, signal.SIGSTOP)
        assert not process_is_gone(name)
        assert process_is_gone(f"{machine}:{pid}:{int(start) - 1}"), "its number was given to another process"
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and nobody has asked how it ended
        assert process_is_gone(name)
        child.wait()
        assert process_is_gone(name)
        assert not process_is_gone(f"another-machine:{pid}:{start}") and not process_is_gone("")

    def test_polls_of_a_killed_drain_are_read_by_another_at_once(self, installation, queued, child):
        cursors_prepare(installation)
        slots_prepare()
        slot_take("victim")
        WorkerSlot.objects.update(process=process_name(child.pid))
        held = len(polls_claim(worker="victim", limit=9, lease_seconds=600))
        assert held and polls_claim(worker="other", limit=9, lease_seconds=600) == []
        child.kill()
        child.wait()
        assert slots_bury() == 1
        assert len(polls_claim(worker="other", limit=9, lease_seconds=600)) == held

    def test_a_killed_drain_frees_its_slot_and_its_events_at_once(self, installation, queued, child):
        slots_prepare()
        number = slot_take("victim")
        WorkerSlot.objects.update(process=process_name(child.pid))
        tell(installation, "7")
        events_claim(worker="victim", limit=1, lease_seconds=600)
        assert slots_bury() == 0 and sweep.sweep_once()["recovered"] == 0
        child.kill()
        child.wait()
        Keeper().round()
        assert queued == [("runs.tasks.drain",)]
        assert sweep.sweep_once()["recovered"] == 1
        wait = (InboxEvent.unscoped.get().due_at - database_now()).total_seconds()
        assert fakes.SETTLE_SECONDS - 3 < wait <= fakes.SETTLE_SECONDS, "the settle time begins with the death"
        assert slot_take("successor") == number

    def test_a_heart_does_not_beat_for_another(self):
        slots_prepare()
        number = slot_take("first")
        before = database_now() - timedelta(seconds=5)
        WorkerSlot.objects.update(heartbeat_at=before)
        slot_beat(number, "second")
        assert WorkerSlot.objects.get().heartbeat_at == before


class TestImports:
    @pytest.fixture
    def job(self, installation):
        today = database_now().date()
        return import_create(installation=installation, first_day=today, last_day=today, at=database_now(), by=None)

    def test_a_scheduler_reads_an_import_without_any_queue_worker(self, job, monkeypatch):
        read = []
        monkeypatch.setattr(importing, "import_collect", read.append)
        reader = importing.ImportReader()
        assert reader.round() == 1
        reader._thread.join(timeout=10)
        assert read == [job]

    def test_one_scheduler_at_a_time_and_another_after_the_lease(self, job):
        assert importing.import_claim() == job
        assert importing.import_claim() is None
        ImportJob.unscoped.update(lease_expires_at=database_now() - timedelta(seconds=1))
        assert importing.import_claim() == job

    def test_a_fault_of_ours_is_said_and_can_be_tried_again(self, job, monkeypatch):
        def broken(job):
            raise ZeroDivisionError

        monkeypatch.setattr(importing, "import_collect", broken)
        reader = importing.ImportReader()
        reader.round()
        reader._thread.join(timeout=10)
        job.refresh_from_db()
        assert job.state == "failed" and "on our side" in job.error
        assert import_reread(job=job, at=database_now())
        assert importing.import_claim() == job
        assert not import_reread(job=job, at=database_now()), "it is being read"
