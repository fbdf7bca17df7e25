"""Many rows in one statement say what the ORM would say, on either database."""

from datetime import UTC, datetime

import pytest

from runs.bulk import rows_insert, rows_insert_new, rows_update
from runs.models import Record, Run, StepBatch
from tests.factories import RecordFactory, RunFactory

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = {
    "organisation_id": "bigint", "run_id": "bigint", "attempt": "int", "first_sequence": "int",
    "steps": "jsonb", "sealed": "bytea", "written_at": "timestamptz",
}  # fmt: skip
MOMENT = datetime(2026, 11, 25, 9, 30, 0, 123456, tzinfo=UTC)


def test_every_kind_of_value_comes_back_as_it_went_in():
    run = RunFactory()
    said = [{"note": "it's “quoted”, {braces}, \\ and ümlauts\nin two lines", "nothing": None, "n": 12}]
    rows_insert(StepBatch._meta.db_table, STEPS, [
        (run.organisation_id, run.pk, 1, 0, said, b"\x00\xff{},\"'\\", MOMENT),
        (run.organisation_id, run.pk, 1, 1, [], None, MOMENT),
    ])  # fmt: skip
    first, second = StepBatch.unscoped.order_by("first_sequence")
    assert first.steps == said and bytes(first.sealed) == b"\x00\xff{},\"'\\" and first.written_at == MOMENT
    assert second.steps == [] and second.sealed is None


def test_new_rows_are_told_from_those_that_are_there():
    known = RecordFactory(record_id="known")
    columns = {
        "organisation_id": "bigint", "installation_id": "bigint", "lane": "text", "record_type": "text",
        "record_id": "text", "label": "text", "fingerprint": "text", "observation": "int", "attempt_open": "boolean",
        "unclean": "boolean", "imported": "boolean", "facts": "jsonb", "generation": "int2",
        "reference_suffix": "text", "created_at": "timestamptz", "updated_at": "timestamptz",
    }  # fmt: skip

    def row(record_id):
        return (
            known.organisation_id, known.installation_id, known.lane, known.record_type, record_id, "a label", "", 0,
            False, False, False, {}, 1, "", MOMENT, MOMENT,
        )  # fmt: skip

    unique = ("organisation_id", "lane", "record_type", "record_id")
    new = rows_insert_new(Record._meta.db_table, columns, [row("known"), row("new"), row("new")], unique=unique)
    assert {key[-1] for key in new} == {"new"}
    assert Record.unscoped.get(record_id="known").label == known.label
    assert Record.unscoped.filter(record_id="new").count() == 1


def test_an_update_sets_each_row_its_own_and_keeps_to_the_condition():
    waiting, finished = RunFactory(state="waiting", finished_at=None), RunFactory(state="done")
    changed = rows_update(
        Run._meta.db_table,
        {"id": "bigint"},
        {"state": "text", "reason": "text", "error": "jsonb", "next_attempt_at": "timestamptz"},
        [
            (waiting.pk, Run.State.HELD, "look", {"code": "x"}, None),
            (finished.pk, Run.State.HELD, "look", None, None),
        ],
        only="t.state NOT IN ('done', 'skipped', 'cancelled')",
    )
    waiting.refresh_from_db()
    finished.refresh_from_db()
    assert changed == 1
    assert (waiting.state, waiting.reason, waiting.error) == ("held", "look", {"code": "x"})
    assert finished.state == "done" and finished.reason != "look"


def test_nothing_to_write_is_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        rows_insert(StepBatch._meta.db_table, STEPS, [])
        rows_update(Run._meta.db_table, {"id": "bigint"}, {"state": "text"}, [])
        assert rows_insert_new(StepBatch._meta.db_table, STEPS, [], unique=("run_id",)) == set()
