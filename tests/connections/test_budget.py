"""The shared budget: its arithmetic under a clock of our own, and its row in the database."""

import heapq
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections as databases
from hypothesis import given, settings
from hypothesis import strategies as st

from connections.budget import Pace, Standing, block_take, budget_shrink, grant, limit_learn, pace_of
from connections.models import RateBudget
from connections.tokens import Purse
from connectors.base.manifest import RateLimit
from tests.factories import ConnectionFactory


def limit(calls, per_seconds, burst=None):
    return RateLimit(calls=calls, per_seconds=per_seconds, source="test", burst=burst)


@pytest.mark.parametrize("calls", [1, 2, 3, 10, 60, 1000])
def test_no_window_holds_more_than_the_limit(calls):
    pace = pace_of(limit(calls, 60))
    # just short of a closed window, in which the first and the last call may fall on its two ends
    assert pace.burst + int((59.999 + pace.life_seconds) / pace.interval_seconds) <= calls


def test_the_pace_gives_away_little_of_the_limit():
    pace = pace_of(limit(150, 30))
    assert 1 / pace.interval_seconds > 0.85 * 150 / 30
    assert pace.most > 1


def test_a_rate_below_one_call_in_its_time_is_spread():
    assert pace_of(limit(0.0056, 1)).interval_seconds == pytest.approx(1 / 0.0056 + 2)


class TestSeveralProcesses:
    """Processes with purses over one budget, under a clock of our own: any times of asking, any delays."""

    @staticmethod
    def spent_at(stated, processes, delay_of, until):
        """When each call was let through. Every process wants to call all the time, a step after the last try."""
        pace, standing, stood_at, calls = pace_of(stated), Standing(0.0), 0.0, []
        purses = [Purse() for _ in range(processes)]
        order = itertools.count()
        due = [(delay_of(number) % 1, next(order), number, None) for number in range(processes)]
        heapq.heapify(due)
        while due and due[0][0] < until and len(calls) < 3000:
            now, _, number, lease = heapq.heappop(due)
            purse = purses[number]
            if lease is not None:  # the answer of the database has come, late perhaps
                granted, asked_at = lease
                if asked_at + pace.life_seconds > now:
                    purse.lease(granted, asked_at + pace.life_seconds)
            if purse.spend(now):
                calls.append(now)
                heapq.heappush(due, (now + delay_of(number) * pace.interval_seconds / 4, next(order), number, None))
                continue
            taken = grant(standing.at(now - stood_at), stated, purse.wanted(1, pace.most))
            if taken.tokens:
                standing, stood_at = taken.after, now
                answered = now + delay_of(number) * pace.life_seconds
                heapq.heappush(due, (answered, next(order), number, (taken.tokens, now)))
            else:
                heapq.heappush(due, (now + taken.wait_seconds, next(order), number, None))
        return calls

    @given(
        calls=st.integers(1, 200),
        per_seconds=st.sampled_from([1.0, 10.0, 30.0, 60.0, 600.0]),
        processes=st.integers(1, 5),
        delays=st.lists(st.floats(0.001, 1.2), min_size=3, max_size=40),
    )
    @settings(max_examples=150, deadline=None)
    def test_no_window_holds_more_calls_than_stated(self, calls, per_seconds, processes, delays):
        turn = itertools.cycle(delays)
        spent = self.spent_at(limit(calls, per_seconds), processes, lambda _: next(turn), 3 * per_seconds)
        for first, after in zip(spent, spent[calls:], strict=False):
            assert after - first >= per_seconds * 0.999

    @given(
        rate=st.floats(0.01, 50),
        burst=st.integers(1, 60),
        processes=st.integers(1, 4),
        delays=st.lists(st.floats(0.001, 1.2), min_size=3, max_size=40),
    )
    @settings(max_examples=150, deadline=None)
    def test_a_bucket_of_the_provider_never_runs_over(self, rate, burst, processes, delays):
        turn = itertools.cycle(delays)
        spent = self.spent_at(limit(rate, 1.0, burst), processes, lambda _: next(turn), 20 * burst / rate)
        filled, looked_at = float(burst), 0.0
        for moment in spent:
            filled, looked_at = min(burst, filled + (moment - looked_at) * rate), moment
            filled -= 1
            assert filled >= -0.001

    def test_what_is_stated_can_be_used(self):
        """Three busy processes get nine tenths of the steady rate through."""
        stated = limit(150, 30)
        spent = self.spent_at(stated, 3, lambda _: 0.01, 300)
        assert len(spent) > 0.9 * 300 / pace_of(stated).interval_seconds


class TestPurse:
    def test_a_block_expires(self):
        purse = Purse()
        purse.lease(3, until=10.0)
        assert purse.spend(9.9)
        assert not purse.spend(10.1)

    def test_blocks_grow_while_they_are_used_up_and_shrink_to_what_is_used(self):
        purse = Purse()
        sizes = []
        for _ in range(5):
            sizes.append(purse.wanted(0, most=20))
            purse.lease(sizes[-1], until=10.0)
            while purse.spend(0.0):
                pass
        assert sizes == [1, 2, 4, 8, 16]
        purse.lease(16, until=10.0)
        assert [purse.spend(0.0) for _ in range(3)] == [True] * 3
        assert purse.wanted(0, most=20) == 3

    def test_never_more_than_the_most_and_never_less_than_those_who_wait(self):
        assert Purse().wanted(7, most=20) == 7
        assert Purse().wanted(70, most=20) == 20
        assert Purse().wanted(0, most=20) == 1

    def test_a_correction_throws_away(self):
        purse = Purse()
        purse.lease(5, until=10.0)
        assert purse.keep_at_most(2, 1.0) == 2
        assert [purse.spend(1.0) for _ in range(3)] == [True, True, False]


class TestRow:
    def take(self, connection, stated, wanted=1, bucket=""):
        return block_take(connection.pk, bucket, stated, wanted)

    def test_a_burst_in_blocks_then_one_per_interval(self, db):
        connection, stated = ConnectionFactory(), limit(30, 900)
        assert [self.take(connection, stated, 2).tokens for _ in range(3)] == [2, 1, 0]
        assert 25 < self.take(connection, stated).wait_seconds <= 35

    def test_it_fills_again(self, db):
        connection, stated = ConnectionFactory(), limit(1, 0.3)
        assert self.take(connection, stated).tokens == 1
        wait = self.take(connection, stated).wait_seconds
        assert 0 < wait <= 0.4
        time.sleep(wait + 0.02)
        assert self.take(connection, stated).tokens == 1

    def test_many_workers_spend_one_budget(self, transactional_db):
        connection, stated = ConnectionFactory(), limit(50, 3600)
        self.take(connection, stated, 0)

        def one(_):
            try:
                return self.take(connection, stated, 2).tokens
            finally:
                databases.close_all()

        with ThreadPoolExecutor(4) as workers:
            assert sum(workers.map(one, range(20))) == pace_of(stated).burst == 5

    def test_budgets_are_per_connection_and_bucket(self, db):
        here, there, stated = ConnectionFactory(), ConnectionFactory(), limit(1, 600)
        granted = [self.take(*of).tokens for of in ((here, stated), (there, stated), (here, stated, 1, "get_order"))]
        assert granted == [1, 1, 1]
        assert self.take(here, stated).tokens == 0

    def test_what_headers_say_of_the_limit_wins_for_everybody(self, db):
        connection, stated = ConnectionFactory(), limit(10, 600)
        limit_learn(connection.pk, "", 1000, 600)
        taken = self.take(connection, stated, 20)
        assert (taken.tokens, taken.limit.calls, taken.limit.source) == (20, 1000, "test")

    def test_a_limit_may_be_known_from_headers_alone(self, db):
        connection = ConnectionFactory()
        assert self.take(connection, None, 5).limit is None
        limit_learn(connection.pk, "", 10, 600)
        assert [self.take(connection, None).tokens for _ in range(2)] == [1, 0]

    def test_fewer_calls_left_bind_all_until_the_window_ends(self, db):
        connection, stated = ConnectionFactory(), limit(1000, 60)
        budget_shrink(connection.pk, "", 3, 30.0)
        assert [self.take(connection, stated, 2).tokens for _ in range(3)] == [2, 1, 0]
        assert 28 < self.take(connection, stated).wait_seconds <= 30
        RateBudget.objects.update(left_until=None)
        assert self.take(connection, stated, 2).tokens == 2

    def test_a_looser_correction_does_not_widen_a_tighter_one(self, db):
        connection = ConnectionFactory()
        budget_shrink(connection.pk, "", 3, 30.0)
        budget_shrink(connection.pk, "", 9, 30.0)
        assert RateBudget.objects.get().left == 3
        budget_shrink(connection.pk, "", 1, 30.0)
        assert RateBudget.objects.get().left == 1
        RateBudget.objects.update(left_until="2020-01-01T00:00Z")
        budget_shrink(connection.pk, "", 9, 30.0)
        assert RateBudget.objects.get().left == 9


def test_a_pace_never_leases_all_of_its_burst():
    assert Pace(10, 0.001, 2.0).most == 5
    assert Pace(1, 30.0, 2.0).most == 1
