"""What the database itself refuses, whoever writes: changing how a run ended, forgetting an effect."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from flows.engine.ports import Link
from runs.journal import Ending, Entry, entries_write
from runs.models import Record, RecordLink, Run
from runs.retention import forget_old
from tenants.clock import database_now
from tests.factories import NOW, RunFactory
from tests.runs.conftest import claim, tell

pytestmark = pytest.mark.django_db(transaction=True)

STATES = [str(state) for state in Run.State]
FINAL = [str(state) for state in Run.TERMINAL]


@pytest.mark.parametrize("final", FINAL)
@pytest.mark.parametrize("other", STATES)
def test_a_finished_run_stays_as_it_ended(final, other):
    run = RunFactory(state=final)
    if other == final:
        Run.unscoped.filter(pk=run.pk).update(state=other, reason="the same, said again")
        return
    with pytest.raises(IntegrityError, match="stays as it ended"):
        Run.unscoped.filter(pk=run.pk).update(state=other)
    run.refresh_from_db()
    assert run.state == final


@pytest.mark.parametrize("before", [state for state in STATES if state not in FINAL])
def test_an_open_run_can_become_anything(before):
    run = RunFactory(state=before)
    for other in STATES:
        with transaction.atomic():
            Run.unscoped.filter(pk=run.pk).update(state=other, finished_at=NOW)
            transaction.set_rollback(True)


def test_what_else_is_said_of_a_finished_run_can_change():
    run = RunFactory(state="done")
    Run.unscoped.filter(pk=run.pk).update(reason="looked at", facts={"a": 1})
    run.refresh_from_db()
    assert run.reason == "looked at"


@pytest.fixture
def link(installation):
    tell(installation, "7")
    (claimed,) = claim()
    link = Link("key", "write_document", "d1", {"id": "d1"})
    assert not entries_write([Entry(claimed, [], 0, link=link, target_account="a", ending=Ending("done"))])
    return RecordLink.unscoped.get()


def test_a_remembered_effect_cannot_be_forgotten(link):
    with pytest.raises(IntegrityError, match="proof"):
        RecordLink.unscoped.all().delete()
    with pytest.raises(IntegrityError, match="proof"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM runs_recordlink")
    assert RecordLink.unscoped.get() == link


def test_it_can_be_taken_back(link):
    RecordLink.unscoped.update(taken_back_at=NOW)
    assert RecordLink.unscoped.get().taken_back_at == NOW


def test_its_run_is_forgotten_in_time_and_it_stays(link, installation, settings):
    tell(installation, "7")
    entries_write([Entry(claim()[0], [], 0, ending=Ending("done"))])  # the record's latest run is kept
    forget_old(database_now() + timedelta(days=settings.RUN_DAYS + 1))
    assert Run.unscoped.count() == 1
    assert RecordLink.unscoped.get().run_id is None


def test_it_goes_with_its_suspended_organisation(link, organisation):
    organisation.suspended_at = NOW
    organisation.save()
    RecordLink.unscoped.all().delete()
    Record.unscoped.all().delete()
    assert not Run.unscoped.exists()


def test_an_organisation_with_records_is_not_deleted_by_the_way(link, organisation):
    with pytest.raises(ProtectedError):
        organisation.delete()
