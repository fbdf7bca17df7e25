"""Beside a failed step: its own calls, bounded; beside a good one: nothing."""

import json
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from connectors.base.reply import Effect, Reply
from connectors.base.tape import Tape
from flows.engine.ports import StepRecord
from runs.exchanges import MOST_BYTES, MOST_OF_THE_STEP, with_exchanges
from runs.host import AttemptJournal
from runs.steps import step_clear, step_sealed

REJECTED = {"class": "Rejected", "code": "no", "request_id": ""}


def step(seconds=1.0, error=None):
    now = datetime(2026, 11, 20, tzinfo=UTC)
    return StepRecord("flow.step", "action", "Write it", "failed", now, seconds, error=error)


def call(tape, name, *, ago=0.0, body=b"{}", headers=None):
    """A call that began ``ago`` seconds before now."""
    outgoing = SimpleNamespace(
        operation=name, effect=Effect.WRITE, method="POST", url=f"https://x.test/{name}", headers={}, content=body
    )
    take = tape.begin(outgoing, time.monotonic() - ago)
    take.end(Reply(422, headers or {}, body, outgoing.url, name, 0.1), None)
    return take


@pytest.fixture
def tape():
    return Tape()


def names(step):
    return [exchange["operation"] for exchange in step.exchanges]


def test_a_step_that_went_well_carries_nothing(tape):
    call(tape, "one")
    good = step()
    assert with_exchanges(good, tape) is good


def test_a_failed_step_carries_its_own_calls_not_those_before_it(tape):
    call(tape, "before", ago=5.0)
    call(tape, "mine", ago=0.5)
    told = with_exchanges(step(1.0, REJECTED), tape)
    assert names(told) == ["mine"] and told.exchanges[0]["own"]


def test_of_many_calls_of_a_step_the_latest_are_kept(tape):
    for number in range(6):
        call(tape, str(number))
    assert names(with_exchanges(step(1.0, REJECTED), tape)) == ["3", "4", "5"][-MOST_OF_THE_STEP:]


def test_a_step_without_a_call_shows_what_it_was_given(tape):
    call(tape, "fetch", ago=5.0)
    (exchange,) = with_exchanges(step(0.1, {"class": "MappingFailed"}), tape).exchanges
    assert (exchange["operation"], exchange["own"]) == ("fetch", False)


@pytest.mark.parametrize("kind", ["Retryable", "NotSent", "RateLimited"])
def test_what_is_tried_again_shows_no_call_that_is_not_its_own(tape, kind):
    call(tape, "fetch", ago=5.0)
    assert with_exchanges(step(0.1, {"class": kind}), tape).exchanges == ()


def test_the_providers_request_id_is_named_in_clear(tape):
    call(tape, "write", headers={"x-request-id": "r-17"})
    assert with_exchanges(step(1.0, REJECTED), tape).error["request_id"] == "r-17"
    named = {**REJECTED, "request_id": "r-1"}
    assert with_exchanges(step(1.0, named), tape).error["request_id"] == "r-1"


def test_what_is_kept_is_bounded(tape):
    for number in range(3):
        call(tape, str(number), body=b"[" + b'"\\u0001\\u0001",' * 700 + b"1]")
    told = with_exchanges(step(1.0, REJECTED), tape)
    assert told.exchanges and len(json.dumps(told.exchanges)) <= MOST_BYTES


def test_exchanges_are_kept_sealed_only(tape):
    call(tape, "write", body=b'{"buyer":"Ada Planted"}')
    told = with_exchanges(step(1.0, REJECTED), tape)
    assert "Ada Planted" in json.dumps(step_sealed(told)) and "Ada Planted" not in json.dumps(step_clear(told))
    assert "exchanges" not in step_sealed(step())


def test_the_journal_of_an_attempt_adds_them(tape, monkeypatch):
    monkeypatch.setattr("runs.host.current_tape", SimpleNamespace(get=lambda: tape))
    call(tape, "write")
    journal = AttemptJournal()
    journal.step(step(1.0))
    journal.step(step(1.0, REJECTED))
    assert [names(told) for told in journal.steps] == [[], ["write"]]
