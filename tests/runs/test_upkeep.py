"""The queue's table is kept small, and a forgotten transaction that keeps it from that is told of."""

import logging

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from runs import upkeep
from runs.models import InboxEvent
from tests.runs.conftest import tell

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif("postgresql" not in settings.DATABASES["default"]["ENGINE"], reason="PostgreSQL")


def bytes_on_disk():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('runs_inboxevent')")
        return cursor.fetchone()[0]


@on_postgresql
def test_on_postgresql_finished_events_leave_no_dead_rows(installation, monkeypatch):
    monkeypatch.setattr(upkeep, "DEAD_ROWS", 50)
    sizes = []
    for _ in range(6):
        for start in range(0, 300, 100):
            tell(installation, *(str(number) for number in range(start, start + 100)))
        InboxEvent.unscoped.all().delete()
        connection.close()  # its figures are reported at the end of a session
        assert upkeep.dead_rows() >= 50
        assert upkeep.Upkeep().round()
        sizes.append(bytes_on_disk())
    assert sizes[-1] == sizes[1], "the room of those that are gone is used again"
    assert not upkeep.Upkeep().round(), "nothing to do"


@on_postgresql
def test_on_postgresql_an_open_transaction_is_told_of(db, caplog, monkeypatch):
    monkeypatch.setattr(upkeep, "OLD_TRANSACTION_SECONDS", 0.0)
    parameters = connection.get_connection_params()
    named = {name: parameters[name] for name in ("dbname", "user", "password", "host", "port") if name in parameters}
    with psycopg.connect(**named) as other:
        other.execute("SELECT 1")
        with caplog.at_level(logging.WARNING):
            upkeep.Upkeep().round()
        assert "a transaction has been open" in caplog.text
        assert upkeep.oldest_transaction_seconds() > 0
        other.rollback()
    caplog.clear()
    monkeypatch.setattr(upkeep, "OLD_TRANSACTION_SECONDS", 3600.0)
    upkeep.Upkeep().round()
    assert "open" not in caplog.text


def test_a_look_is_taken_now_and_then_only(db, monkeypatch):
    asked = []
    monkeypatch.setattr(upkeep, "oldest_transaction_seconds", lambda: asked.append(1) or 0.0)
    monkeypatch.setattr(connection, "vendor", "postgresql")
    monkeypatch.setattr(upkeep, "dead_rows", lambda: 0)
    keeper = upkeep.Upkeep()
    assert not keeper.round() and not keeper.round()
    assert len(asked) == 1
