"""Old and new code run side by side during an upgrade: migrations add, tasks tolerate what they do not know."""

import inspect

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader

from runs import tasks

APPS = ("tenants", "connections", "flows", "runs", "front")

# Takes something away that code of the version before may still use.
TAKES_AWAY = (migrations.RemoveField, migrations.RenameField, migrations.DeleteModel, migrations.RenameModel)
# Made before there was a release: nobody runs the version before them.
BEFORE_THE_FIRST_RELEASE = {
    ("connections", "0002_initial"),
    ("connections", "0004_budgets_in_blocks"),
    ("runs", "0004_take_back"),
    ("runs", "0005_step_batches"),
    ("tenants", "0001_initial"),
}


def our_migrations():
    loader = MigrationLoader(None)
    return [
        pytest.param(app, migration, id=f"{app}.{name}")
        for (app, name), migration in sorted(loader.disk_migrations.items())
        if app in APPS and (app, name) not in BEFORE_THE_FIRST_RELEASE
    ]


def broken_rules(app, migration):
    """What of a migration the version before cannot live with."""
    found = []
    for operation in flat(migration.operations):
        name = type(operation).__name__
        what = getattr(operation, "model_name", "") or getattr(operation, "name", "")
        place = (app, migration.name, name, ".".join(filter(None, [what.lower(), getattr(operation, "name", "")])))
        if isinstance(operation, TAKES_AWAY):
            found.append((*place[:3], what.lower()))
        if isinstance(operation, migrations.AddField) and must_be_given(operation.field):
            found.append(place)
    return found


def flat(operations):
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from flat(operation.database_operations)
        else:
            yield operation


def must_be_given(field):
    """Rows that old code inserts would lack it: neither null nor a default that the database knows."""
    return not field.null and field.db_default is models.NOT_PROVIDED and not field.many_to_many


@pytest.mark.parametrize(("app", "migration"), our_migrations())
def test_a_migration_takes_nothing_away_from_the_version_before(app, migration):
    assert broken_rules(app, migration) == []


def width(field):
    return getattr(field, "max_length", None) or 0


def test_no_column_becomes_narrower_or_stricter():
    """Fields are followed through the migrations of their app, as Django's own state follows them."""
    loader = MigrationLoader(None)
    strict = []
    for app, name in loader.graph.leaf_nodes():
        if app not in APPS:
            continue
        known = {}
        for key in loader.graph.forwards_plan((app, name)):
            if key[0] != app:
                continue
            for operation in flat(loader.disk_migrations[key].operations):
                if isinstance(operation, migrations.CreateModel):
                    known |= {(operation.name.lower(), field): said for field, said in operation.fields}
                if isinstance(operation, migrations.AddField | migrations.AlterField):
                    place = (operation.model_name.lower(), operation.name)
                    before, known[place] = known.get(place), operation.field
                    if before is not None and (
                        width(operation.field) < width(before) or (before.null and not operation.field.null)
                    ):
                        strict.append((*key, *place))
    assert strict == []


class Narrower(migrations.Migration):
    operations = [
        migrations.RemoveField("run", "facts"),
        migrations.AddField("run", "colour", models.CharField(max_length=5, default="red")),
        migrations.AddField("run", "size", models.IntegerField(default=1, db_default=1)),
        migrations.AddField("run", "shape", models.IntegerField(null=True)),
    ]


def test_the_rule_sees_what_it_is_to_see():
    found = broken_rules("runs", Narrower("9999_narrower", "runs"))
    assert [(kind, what) for _, _, kind, what in found] == [("RemoveField", "run"), ("AddField", "run.colour")]


@pytest.mark.parametrize(
    "task", [one for name, one in inspect.getmembers(tasks, inspect.isfunction) if one.__module__ == tasks.__name__]
)
def test_tasks_tolerate_arguments_of_another_version(task):
    kinds = {parameter.kind for parameter in inspect.signature(task).parameters.values()}
    assert {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds
