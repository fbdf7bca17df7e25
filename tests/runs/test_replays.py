"""Trying again and letting go: one or all of a cause, with the count that was agreed to; resuming; versions."""

import pytest

from connectors.base.errors import Held, Rejected
from flows.models import Installation, PairVersion
from flows.services import InstallationRefused, installation_version_set
from runs.models import CauseAction, InboxEvent, Replay, Run
from runs.replays import PRIORITY_REPLAY, CountChanged, How, cause_let_go, cause_replay, run_cancel, runs_replay
from tenants.clock import database_now
from tenants.models import AuditEntry
from tests.factories import NOW
from tests.runs import fakes
from tests.runs.conftest import claim, drain, event_of, runs_of, tell

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = Rejected("The period is closed.", code="period_closed")


@pytest.fixture
def dead(installation, world):
    """Orders 1 to 3 that the ledger refuses."""
    for number in ("1", "2", "3"):
        world.orders[number] = "10.00"
        world.write_fails[number] = REFUSED
    tell(installation, "1", "2", "3")
    drain()
    assert {run.state for run in Run.unscoped.all()} == {"dead"}
    (cause,) = set(Run.unscoped.values_list("cause", flat=True))
    world.write_fails.clear()
    world.calls.clear()
    return cause


def replay(installation, cause, count, **how):
    return cause_replay(
        organisation=installation.organisation, cause=cause, count=count, at=database_now(), by=None, how=How(**how)
    )


class TestCause:
    def test_all_of_it_is_tried_again_once(self, installation, world, dead, owner):
        action = cause_replay(organisation=installation.organisation, cause=dead, count=3, at=database_now(), by=owner)
        assert {run.state for run in Run.unscoped.all()} == {"waiting"}
        with pytest.raises(CountChanged) as again:
            replay(installation, dead, 3)
        assert again.value.count == 0
        drain()
        assert {run.state for run in Run.unscoped.all()} == {"done"} and len(world.documents) == 3
        assert action.replays.count() == 3 and action.by_label == owner.email
        entry = AuditEntry.unscoped.get(action="runs.replayed")
        assert (entry.actor, entry.details["count"], entry.details["cause"]) == (owner, 3, dead)

    @pytest.mark.parametrize("told", [2, 4, 0])
    def test_another_count_than_was_told_does_nothing(self, installation, dead, told):
        with pytest.raises(CountChanged) as changed:
            replay(installation, dead, told)
        assert changed.value.count == 3
        assert set(InboxEvent.unscoped.values_list("state", flat=True)) == {"dead"}
        assert not Replay.unscoped.exists() and not CauseAction.unscoped.exists()

    def test_other_causes_and_tenants_are_not_touched(self, installation, world, dead, other_organisation):
        world.read_fails["9"] = Held("Look at it.", code="other")
        tell(installation, "9")
        drain()
        replay(installation, dead, 3)
        assert event_of("9").state == "held"
        with pytest.raises(CountChanged):
            cause_replay(organisation=other_organisation, cause=dead, count=3, at=database_now(), by=None)

    def test_a_bulk_replay_waits_behind_live_news(self, installation, world, dead):
        replay(installation, dead, 3)
        tell(installation, "7")
        assert [item.record.record_id for item in claim(limit=1)] == ["7"]
        assert set(InboxEvent.unscoped.exclude(state="leased").values_list("priority", flat=True)) == {PRIORITY_REPLAY}

    def test_news_of_a_waiting_replay_makes_it_live(self, installation, world, dead):
        replay(installation, dead, 3)
        tell(installation, "2")
        assert event_of("2").priority == 0

    def test_all_of_it_is_let_go(self, installation, world, dead, owner):
        action = cause_let_go(
            organisation=installation.organisation, cause=dead, count=3, reason="Tests.", at=database_now(), by=owner
        )
        assert {(run.state, run.reason) for run in Run.unscoped.all()} == {("cancelled", "Tests.")}
        assert not InboxEvent.unscoped.exists() and action.reason == "Tests."
        assert AuditEntry.unscoped.get(action="runs.cancelled").details["count"] == 3
        tell(installation, "1")
        drain()
        assert [run.state for run in runs_of("1")] == ["cancelled", "done"], "the next news opens it again"

    def test_letting_go_needs_the_right_count_too(self, installation, dead):
        with pytest.raises(CountChanged):
            cause_let_go(
                organisation=installation.organisation, cause=dead, count=2, reason="x", at=database_now(), by=None
            )
        assert InboxEvent.unscoped.count() == 3

    def test_what_a_worker_holds_is_neither_counted_nor_touched(self, installation, world, dead):
        runs_replay(organisation=installation.organisation, runs=runs_of("1"), at=database_now(), by=None)
        (held,) = claim()
        replay(installation, dead, 2)
        assert event_of("1").state == "leased" and event_of("1").fence == held.fence
        assert not run_cancel(run=runs_of("1")[0], reason="no", at=database_now(), by=None)


class TestResume:
    """From the failed step: what was read is not read again, where that is safe."""

    def reads(self, world):
        return [call for call in world.calls if call.startswith("get")]

    def test_from_the_start_everything_is_read_anew(self, installation, world, dead):
        world.orders["1"] = "11.00"
        replay(installation, dead, 3)
        drain()
        assert len(self.reads(world)) == 3
        assert {document.total for document in world.documents} == {"11.00", "10.00"}

    def test_from_the_failed_step_nothing_is_read_again(self, installation, world, dead):
        replay(installation, dead, 3, resume=True)
        drain()
        assert self.reads(world) == [] and len(world.documents) == 3
        assert {run.state for run in Run.unscoped.all()} == {"done"}

    def test_news_since_makes_it_read_anew(self, installation, world, dead):
        replay(installation, dead, 3, resume=True)
        world.orders["1"] = "11.00"
        tell(installation, "1")
        drain()
        assert self.reads(world) == ["get 1"]
        assert "11.00" in {document.total for document in world.documents}

    def test_news_between_the_failure_and_the_word_makes_it_read_anew(self, installation, world, dead):
        world.orders["1"] = "11.00"
        tell(installation, "1")
        replay(installation, dead, 3, resume=True)
        drain()
        assert self.reads(world) == ["get 1"]
        assert "11.00" in {document.total for document in world.documents}

    def test_the_attempt_after_it_reads_anew(self, installation, world, dead):
        world.write_fails["1"] = REFUSED
        replay(installation, dead, 3, resume=True)
        drain()
        runs_replay(organisation=installation.organisation, runs=runs_of("1"), at=database_now(), by=None)
        world.write_fails.clear()
        drain()
        assert self.reads(world) == ["get 1"]

    def test_the_latest_word_counts(self, installation, world, dead):
        replay(installation, dead, 3, resume=True)
        runs_replay(organisation=installation.organisation, runs=runs_of("1"), at=database_now(), by=None)
        drain()
        assert self.reads(world) == ["get 1"]

    def test_what_is_older_than_a_day_is_read_anew(self, installation, world, dead, monkeypatch):
        from datetime import timedelta

        monkeypatch.setattr("runs.resuming.RESUME_WITHIN", timedelta(0))
        replay(installation, dead, 3, resume=True)
        drain()
        assert len(self.reads(world)) == 3

    def test_what_has_been_forgotten_is_read_anew(self, installation, world, dead):
        from runs.models import StepBatch

        StepBatch.unscoped.update(sealed=None)
        replay(installation, dead, 3, resume=True)
        drain()
        assert len(self.reads(world)) == 3 and len(world.documents) == 3


class TestVersions:
    """An installation that moved on: its open runs keep their version until a person says otherwise."""

    @pytest.fixture
    def moved(self, installation, dead):
        document = {**fakes.PAIR, "flows": [{**fakes.FLOW, "steps": [*fakes.FLOW["steps"], NOTED]}]}
        newer = PairVersion.objects.create(
            pair_key="fake-pair", digest="newer", number=2, title="Fake pair", document=document, created_at=NOW
        )
        installation_version_set(installation=installation, version=newer, at=database_now())
        return newer

    def walked(self, number):
        from runs.steps import steps_of_run

        (run,) = runs_of(number)
        return [step.path.rpartition(".")[2] for step in steps_of_run(run) if step.attempt == run.attempts]

    def test_a_replay_walks_the_present_version(self, installation, world, dead, moved):
        replay(installation, dead, 3)
        drain()
        assert "noted" in self.walked("1") and runs_of("1")[0].pair_version == moved

    def test_or_the_one_it_began_with(self, installation, world, dead, moved):
        replay(installation, dead, 3, own_version=True)
        drain()
        assert "noted" not in self.walked("1") and runs_of("1")[0].pair_version.number == 1
        assert Replay.unscoped.first().pair_version.number == 1

    def test_an_automatic_attempt_keeps_the_version_of_its_run(self, installation, world, dead, moved):
        replay(installation, dead, 3, own_version=True)
        world.write_fails["1"] = Rejected("no")
        drain()
        tell(installation, "1")  # news of an open run is no new run
        world.write_fails.clear()
        drain()
        assert "noted" not in self.walked("1")
        tell(installation, "1")
        drain()
        assert runs_of("1")[1].pair_version == moved, "a new run begins on the present one"

    def test_reads_of_another_version_are_not_used(self, installation, world, dead, moved):
        replay(installation, dead, 3, resume=True)
        drain()
        assert len([call for call in world.calls if call.startswith("get")]) == 3

    def test_of_the_same_version_they_are(self, installation, world, dead, moved):
        replay(installation, dead, 3, resume=True, own_version=True)
        drain()
        assert [call for call in world.calls if call.startswith("get")] == []

    def test_moving_is_written_down_and_refused_to_another_pair(self, installation, dead, moved):
        entry = AuditEntry.unscoped.get(action="installation.version_changed")
        assert entry.details == {"from": 1, "to": 2}
        other = PairVersion.objects.create(
            pair_key="other", digest="o", number=1, title="Other", document=fakes.PAIR, created_at=NOW
        )
        with pytest.raises(InstallationRefused):
            installation_version_set(installation=installation, version=other, at=database_now())
        assert Installation.unscoped.get().pair_version == moved


NOTED = {
    "id": "noted",
    "kind": "validate",
    "title": "Noted",
    "rules": [{"check": "order != None", "otherwise": "skip", "message": "Gone."}],
}
