"""One process's tokens: who waits, who is let through first, what a header changes."""

import asyncio
import itertools

import pytest

from connections.budget import Standing, Taken, grant, pace_of
from connections.tokens import BudgetSpent, Stock
from connectors.base.gate import current_turn
from connectors.base.limit_headers import Learned
from connectors.base.manifest import RateLimit

STATED = RateLimit(calls=150, per_seconds=30, source="test")


class Ledger:
    """The shared row, in memory, with what was written to it."""

    def __init__(self, limit=STATED, seconds=0.0):
        self.limit, self.seconds = limit, seconds
        self.standing, self.stood_at = Standing(0.0), None
        self.asked, self.written = [], []
        self.learned = None

    def stock(self, limit=...):
        return Stock(
            limit=self.limit if limit is ... else limit,
            take=self.take,
            shrink=self.shrink,
            learn=self.learn,
            clock=lambda: asyncio.get_running_loop().time(),
        )

    async def take(self, declared, wanted):
        self.asked.append(wanted)
        await asyncio.sleep(self.seconds)
        limit = self.learned or declared
        if limit is None:
            return Taken(wanted, 0.0, Standing(0.0), None)
        now = asyncio.get_running_loop().time()
        taken = grant(self.standing.at(now - (self.stood_at or now)), limit, wanted)
        self.standing, self.stood_at = taken.after, now
        return taken

    async def shrink(self, left, seconds):
        self.written.append((left, seconds))

    async def learn(self, calls, per_seconds):
        self.learned = RateLimit(calls, per_seconds, "headers")


def run(work):
    async def bounded():
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


async def enter(stock, longest=1.0):
    if not stock.spend():
        await stock.wait(longest)


def test_many_calls_cost_few_leases():
    async def go():
        ledger = Ledger(RateLimit(calls=100_000, per_seconds=30, source="test"))
        stock = ledger.stock()
        for _ in range(2000):
            await enter(stock)
        return ledger.asked

    asked = run(go())
    assert len(asked) < 30
    assert asked[:4] == [1, 2, 4, 8]


def test_a_call_with_a_token_in_hand_waits_for_nothing():
    async def go():
        stock = Ledger(RateLimit(calls=100_000, per_seconds=30, source="test")).stock()
        for _ in range(100):
            await enter(stock)
        return stock.spend()

    assert run(go())


def test_a_busy_process_leases_before_it_runs_out():
    async def go():
        ledger = Ledger(RateLimit(calls=100_000, per_seconds=30, source="test"), seconds=0.002)
        stock, waited = ledger.stock(), 0
        for _ in range(1000):
            if not stock.spend():
                waited += 1
                await stock.wait(1.0)
            await asyncio.sleep(0.0005)
        return waited

    assert run(go()) < 20


def test_a_crowd_is_served_as_far_as_it_can_and_sent_away_one_after_the_other():
    async def go():
        stock = Ledger().stock()
        found = await asyncio.gather(*(enter(stock) for _ in range(40)), return_exceptions=True)
        return [error.after_seconds for error in found if isinstance(error, BudgetSpent)], found.count(None)

    waits, served = run(go())
    pace = pace_of(STATED)
    assert pace.burst <= served <= pace.burst + 1.1 / pace.interval_seconds
    assert len(waits) == 40 - served
    assert waits == sorted(waits)
    gaps = [later - earlier for earlier, later in itertools.pairwise(waits)]
    assert all(gap == pytest.approx(pace.interval_seconds, rel=0.1) for gap in gaps)


def test_flows_take_turns():
    """One call of another flow is not behind a crowd of the first."""
    order = []

    async def go():
        stock = Ledger(RateLimit(calls=20, per_seconds=1, source="test")).stock()

        async def one(turn):
            current_turn.set(turn)
            await enter(stock, longest=10.0)
            order.append(turn)

        crowd = [asyncio.create_task(one("import")) for _ in range(12)]
        await asyncio.sleep(0.02)
        await asyncio.gather(*crowd, asyncio.create_task(one("live")))

    run(go())
    assert order.index("live") <= 4


def test_a_newcomer_of_another_flow_is_not_refused_for_the_crowd():
    async def go():
        stock = Ledger(RateLimit(calls=20, per_seconds=3, source="test")).stock()

        async def one(turn, longest):
            current_turn.set(turn)
            await enter(stock, longest)

        crowd = [asyncio.create_task(one("import", 10.0)) for _ in range(12)]
        await asyncio.sleep(0.02)
        await asyncio.create_task(one("live", 0.5))
        for task in crowd:
            task.cancel()

    run(go())


def test_a_cancelled_call_gives_its_token_to_the_next():
    async def go():
        ledger = Ledger(RateLimit(calls=1, per_seconds=60, source="test"), seconds=0.05)
        stock = ledger.stock()
        first = asyncio.create_task(enter(stock))
        second = asyncio.create_task(enter(stock))
        await asyncio.sleep(0.01)
        first.cancel()
        await second

    run(go())


def test_an_unreadable_budget_is_told_to_all_who_wait():
    async def go():
        ledger = Ledger()

        async def broken(declared, wanted):
            await asyncio.sleep(0.01)
            raise OSError("gone")

        stock = Stock(
            limit=STATED, take=broken, shrink=ledger.shrink, learn=ledger.learn, clock=asyncio.get_running_loop().time
        )
        return await asyncio.gather(*(enter(stock) for _ in range(5)), return_exceptions=True)

    assert [type(error) for error in run(go())] == [OSError] * 5


def test_a_database_slower_than_tokens_live_does_not_stop_all_calls():
    async def go():
        stock = Ledger(RateLimit(calls=100, per_seconds=1, source="test"), seconds=0.1).stock()
        for _ in range(5):
            await enter(stock)

    run(go())


class TestHeaders:
    def said(self, left, seconds=20.0):
        return Learned(left=left, reset_seconds=seconds)

    def test_fewer_calls_left_than_thought_shrink_the_budget_at_once(self):
        async def go():
            ledger = Ledger()
            stock = ledger.stock()
            await asyncio.gather(*(enter(stock) for _ in range(4)))
            await stock.learn(self.said(left=0))
            return stock.spend(), ledger.written

        spent, written = run(go())
        assert not spent
        assert written == [(0, 20.0)]

    def test_what_agrees_with_our_count_writes_nothing(self):
        async def go():
            ledger = Ledger()
            stock = ledger.stock()
            for number in range(10):
                await enter(stock)
                await stock.learn(self.said(left=150 - number, seconds=20.0))
            return ledger.written

        assert run(go()) == []

    def test_a_falling_count_is_written_once_a_second_but_its_end_at_once(self):
        async def go():
            ledger = Ledger()
            stock = ledger.stock()
            await enter(stock)
            for left in (9, 8, 7, 6, 5, 0):
                await stock.learn(self.said(left))
            return [left for left, _ in ledger.written]

        assert run(go()) == [9, 0]

    def test_another_limit_is_taken_up_by_all(self):
        async def go():
            ledger = Ledger()
            here, there = ledger.stock(), ledger.stock()
            await here.learn(Learned(calls=450, per_seconds=30))
            await here.learn(Learned(calls=450.5, per_seconds=30))
            await enter(there)
            return here.pace, there.pace, ledger.learned

        here, there, learned = run(go())
        assert here == there == pace_of(RateLimit(450, 30, ""))
        assert learned.calls == 450

    def test_no_limit_no_bucket_until_a_header_names_one(self):
        async def go():
            ledger = Ledger(limit=None)
            stock = ledger.stock(limit=None)
            free = [stock.spend() for _ in range(1000)]
            await stock.learn(Learned(calls=1, per_seconds=600))
            await enter(stock)
            with pytest.raises(BudgetSpent):
                await enter(stock)
            return all(free), len(ledger.asked)

        assert run(go()) == (True, 2)

    def test_a_refused_call_holds_its_kind(self):
        async def go():
            ledger = Ledger()
            stock = ledger.stock()
            await asyncio.gather(*(enter(stock) for _ in range(4)))
            await stock.hold(30.0)
            with pytest.raises(BudgetSpent) as caught:
                await enter(stock)
            return caught.value.after_seconds, ledger.written

        after, written = run(go())
        assert 28 < after <= 30
        assert written == [(0, 30.0)]
