"""Promises kept by the database itself, whoever writes: a finished run stays as it ended, a remembered effect is kept.

Both fire only on what must not happen: a change of the state away from a final one, and a deletion of links. Links go
with their tenant: once it is suspended nothing is written for it any more, so nothing can be doubled.
"""

from django.db import migrations

FINAL = "('done', 'skipped', 'cancelled')"
RUN = "a finished run stays as it ended"
LINK = "a remembered effect is the proof that nothing is written twice; it goes only with its suspended organisation"
LIVING = "EXISTS (SELECT 1 FROM tenants_organisation WHERE id = OLD.organisation_id AND suspended_at IS NULL)"

POSTGRESQL = f"""
CREATE FUNCTION runs_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % %', TG_ARGV[0], TG_TABLE_NAME, OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE FUNCTION runs_link_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {LIVING} THEN
        RAISE EXCEPTION '{LINK}: % %', TG_TABLE_NAME, OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER runs_run_final BEFORE UPDATE OF state ON runs_run FOR EACH ROW
    WHEN (OLD.state IN {FINAL} AND NEW.state <> OLD.state) EXECUTE FUNCTION runs_refuse('{RUN}');
CREATE TRIGGER runs_link_kept BEFORE DELETE ON runs_recordlink FOR EACH ROW EXECUTE FUNCTION runs_link_deletion();
"""
POSTGRESQL_AWAY = """
DROP TRIGGER runs_run_final ON runs_run;
DROP TRIGGER runs_link_kept ON runs_recordlink;
DROP FUNCTION runs_refuse();
DROP FUNCTION runs_link_deletion();
"""
SQLITE = [
    f"""CREATE TRIGGER runs_run_final BEFORE UPDATE OF state ON runs_run
        WHEN OLD.state IN {FINAL} AND NEW.state <> OLD.state
        BEGIN SELECT RAISE(ABORT, '{RUN}'); END""",
    f"""CREATE TRIGGER runs_link_kept BEFORE DELETE ON runs_recordlink WHEN {LIVING}
        BEGIN SELECT RAISE(ABORT, '{LINK}'); END""",
]
SQLITE_AWAY = ["DROP TRIGGER runs_run_final", "DROP TRIGGER runs_link_kept"]


def protect(apps, schema_editor):
    _run(schema_editor, [POSTGRESQL] if schema_editor.connection.vendor == "postgresql" else SQLITE)


def leave_alone(apps, schema_editor):
    _run(schema_editor, [POSTGRESQL_AWAY] if schema_editor.connection.vendor == "postgresql" else SQLITE_AWAY)


def _run(schema_editor, statements):
    for statement in statements:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):

    dependencies = [
        ("runs", "0014_cause_notices"),
        ("tenants", "0001_initial"),
    ]

    operations = [migrations.RunPython(protect, leave_alone)]
