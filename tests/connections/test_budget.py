import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections as databases

from connections.budget import Pace, budget_take, pace_of
from connectors.base.manifest import RateLimit
from tests.factories import ConnectionFactory


@pytest.mark.parametrize("calls", [1, 2, 3, 10, 60, 1000])
def test_no_window_holds_more_than_the_limit(calls):
    pace = pace_of(RateLimit(calls=calls, per_seconds=60, source="test"))
    # just short of a closed window, in which the first and the last call may fall on its two ends
    assert pace.burst + int(59.999 / pace.interval_seconds) <= calls


def test_a_burst_then_one_per_interval(db):
    connection = ConnectionFactory()
    pace = Pace(burst=3, interval_seconds=30)
    assert [budget_take(connection.pk, pace) for _ in range(3)] == [0, 0, 0]
    wait = budget_take(connection.pk, pace)
    assert 25 < wait <= 30


def test_it_fills_again(db):
    connection = ConnectionFactory()
    pace = Pace(burst=1, interval_seconds=0.3)
    assert budget_take(connection.pk, pace) == 0
    wait = budget_take(connection.pk, pace)
    assert 0 < wait <= 0.3
    time.sleep(wait + 0.02)
    assert budget_take(connection.pk, pace) == 0


def test_many_workers_spend_one_budget(transactional_db):
    connection = ConnectionFactory()
    budget_take(connection.pk, Pace(burst=1, interval_seconds=0.001))
    time.sleep(0.01)

    def take(_):
        try:
            return budget_take(connection.pk, Pace(burst=5, interval_seconds=60))
        finally:
            databases.close_all()

    with ThreadPoolExecutor(4) as workers:
        granted = [wait == 0 for wait in workers.map(take, range(20))]
    assert sum(granted) == 5


def test_budgets_are_per_connection(db):
    pace = Pace(burst=1, interval_seconds=60)
    assert budget_take(ConnectionFactory().pk, pace) == budget_take(ConnectionFactory().pk, pace) == 0
