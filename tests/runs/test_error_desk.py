"""Operators see causes and states in the console, never what was sent or received."""

import pytest
from django.urls import reverse

from runs.cause_alerts import causes_announce
from runs.models import CauseAction, CauseNotice, Replay, Run
from runs.replays import runs_replay
from tests.factories import NOW, InstallationFactory, RecordFactory, RunFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(client, operator):
    client.force_login(operator)
    return client


@pytest.fixture
def run(organisation):
    installation = InstallationFactory(organisation=organisation)
    run = RunFactory(record=RecordFactory(installation=installation), state="dead", cause="c1", reason="Refused.")
    causes_announce(NOW)
    CauseAction.objects.create(
        organisation=organisation, kind="preview", cause="c1", count=1, created_at=NOW, run_ids=[run.pk],
        rows=[{"label": "planted label"}],
    )  # fmt: skip
    runs_replay(organisation=organisation, runs=[run], at=NOW, by=None)
    return run


@pytest.mark.parametrize("model", [CauseNotice, CauseAction, Replay, Run])
def test_every_desk_opens(console, run, model):
    name = model._meta.model_name
    listed = console.get(reverse(f"admin:runs_{name}_changelist"), {"q": "c1"})
    assert listed.status_code == 200
    row = model.unscoped.first()
    page = console.get(reverse(f"admin:runs_{name}_change", args=[row.pk]))
    assert page.status_code == 200 and "planted label" not in page.content.decode()


def test_runs_are_found_by_their_cause(console, run):
    listed = console.get(reverse("admin:runs_run_changelist"), {"q": "c1"}).content.decode()
    assert str(run.record) in listed
    assert str(run.record) not in console.get(reverse("admin:runs_run_changelist"), {"q": "c2"}).content.decode()
