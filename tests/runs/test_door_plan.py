"""What the door's statement costs must not depend on how many records its tenant has, not even without statistics."""

import pytest
from django.db import connection

from runs.inbox_statement import news_store_at_once
from tests.runs.conftest import tell

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="the one statement is PostgreSQL's")

RECORDS = 1500
READ = """
SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'runs_record')
     + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'runs_record')
"""


def rows_read():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(READ)
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_a_record_is_looked_up_by_its_key(installation):
    tell(installation, *map(str, range(RECORDS)))  # nobody has analysed these tables
    before = rows_read()
    news_store_at_once(installation, [("order", "777", "")], via="webhook", priority=0)
    assert rows_read() - before < 10
