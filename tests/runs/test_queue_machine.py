"""Any interleaving of claims, crashes and lost leases keeps one effect per key and loses no news; faults are found."""

import logging

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from connectors.registry import CONNECTORS
from flows.models import PairVersion
from tests.factories import NOW, ConnectionFactory, InstallationFactory
from tests.runs import machine_provider
from tests.runs.machine import QueueMachine, System
from tests.runs.machine_faults import FAULTS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def installations(organisation, other_organisation, monkeypatch):
    for key, connector in machine_provider.CONNECTORS.items():
        monkeypatch.setitem(CONNECTORS, key, connector)
    monkeypatch.setattr("runs.wake.nudge", lambda: None)
    monkeypatch.setattr("runs.replays.audit_record", lambda **_: None)
    logging.disable(logging.CRITICAL)
    version = PairVersion.objects.create(
        pair_key="machine-pair",
        digest="machine",
        number=1,
        title="Machine pair",
        document=machine_provider.PAIR,
        created_at=NOW,
    )
    yield tuple(
        InstallationFactory(
            organisation=tenant,
            pair_version=version,
            source=ConnectionFactory(organisation=tenant, connector="machineshop"),
            target=ConnectionFactory(organisation=tenant, connector="machinebooks"),
        )
        for tenant in (organisation, other_organisation)
    )
    logging.disable(logging.NOTSET)


def search(installations, system, *, examples, steps=25, find_only=False):
    """Always the same examples, so that a change of the product is what makes the difference."""

    class Tried(QueueMachine):
        pass

    Tried.installations, Tried.system = installations, system
    run_state_machine_as_test(
        Tried,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate] if find_only else [Phase.generate, Phase.shrink],
        ),
    )


def test_every_effect_happens_once_and_no_news_is_lost_whatever_happens(installations):
    search(installations, System(), examples=60)


@pytest.mark.parametrize("broken", FAULTS)
def test_a_broken_promise_is_noticed(installations, broken):
    with pytest.raises(AssertionError):
        search(installations, broken(), examples=300, find_only=True)


@pytest.mark.slow
def test_every_effect_happens_once_and_no_news_is_lost_in_the_long_run(installations):
    search(installations, System(), examples=300, steps=40)
