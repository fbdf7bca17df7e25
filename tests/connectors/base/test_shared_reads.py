"""Reads shared by those who ask at once: few reads, and nobody is told less than was true when they asked."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base.errors import ConnectorError, RateLimited, Rejected
from connectors.base.shared_reads import SharedReads


class Provider:
    """Its answer is what is there when the read begins, and arrives when the test says so."""

    def __init__(self):
        self.there = set()
        self.reads = []

    async def load(self):
        seen, arrived = frozenset(self.there), asyncio.get_running_loop().create_future()
        self.reads.append(arrived)
        await arrived
        return seen

    def answer(self):
        for arrived in self.reads:
            if not arrived.done():
                arrived.set_result(None)


async def settle():
    for _ in range(6):
        await asyncio.sleep(0)


def run(work):
    return asyncio.run(work)


@given(st.lists(st.sampled_from(["ask", "land", "answer", "cancel"]), max_size=40))
def test_what_landed_before_a_look_was_asked_for_is_never_missed(steps):
    async def story():
        reads, provider, asked = SharedReads(), Provider(), []
        for step in steps:
            if step == "ask":
                asked.append((frozenset(provider.there), asyncio.create_task(reads("day", provider.load))))
            elif step == "land":
                provider.there.add(len(provider.there))
            elif step == "answer":
                provider.answer()
            elif asked:
                asked[len(asked) // 2][1].cancel()
            await settle()
        while not all(task.done() for _, task in asked):
            provider.answer()
            await settle()
        for there, task in asked:
            assert task.cancelled() or there <= task.result()
        return len(asked), len(provider.reads)

    asked, reads = run(story())
    assert reads <= asked


def test_a_hundred_at_once_cost_one_read_and_a_hundred_more_meanwhile_one_more():
    async def story():
        reads, provider = SharedReads(), Provider()
        first = [asyncio.create_task(reads("day", provider.load)) for _ in range(100)]
        await settle()
        provider.there.add("late")
        second = [asyncio.create_task(reads("day", provider.load)) for _ in range(100)]
        await settle()
        assert len(provider.reads) == 1
        provider.answer()
        await settle()
        provider.answer()
        return await asyncio.gather(*first), await asyncio.gather(*second), len(provider.reads)

    first, second, reads = run(story())
    assert reads == 2
    assert set(first) == {frozenset()} and set(second) == {frozenset({"late"})}


def test_one_under_way_is_good_enough_for_who_says_so():
    async def story():
        reads, provider = SharedReads(), Provider()
        first = asyncio.create_task(reads("facts", provider.load))
        await settle()
        second = asyncio.create_task(reads("facts", provider.load, join_under_way=True))
        await settle()
        provider.answer()
        await asyncio.gather(first, second)
        return len(provider.reads)

    assert run(story()) == 1


def test_keys_do_not_wait_for_each_other():
    async def story():
        reads, provider = SharedReads(), Provider()
        tasks = [asyncio.create_task(reads(key, provider.load)) for key in "ab"]
        await settle()
        provider.answer()
        await asyncio.gather(*tasks)
        return len(provider.reads)

    assert run(story()) == 2


def test_a_failure_is_told_to_all_it_served_and_the_next_reads_anew():
    async def story():
        reads, calls = SharedReads(), []

        async def load():
            calls.append(1)
            await asyncio.sleep(0)
            if len(calls) == 1:
                raise LookupError("gone")
            return "there"

        found = await asyncio.gather(*(reads("day", load) for _ in range(3)), return_exceptions=True)
        return [type(each) for each in found], await reads("day", load), len(calls)

    assert run(story()) == ([LookupError] * 3, "there", 2)


@pytest.mark.parametrize(
    "news",
    [
        RateLimited("wait", after_seconds=7.0, counts=False, details={"status": 429}),
        Rejected(
            "no", code="gone", field="lines[0]", cure="look", provider_code="E1", request_id="r", details={"n": 1}
        ),
    ],
)
def test_each_is_told_in_a_copy_of_its_own(news: ConnectorError):
    async def story():
        reads = SharedReads()

        async def load():
            await asyncio.sleep(0)
            raise news

        return await asyncio.gather(*(reads("day", load) for _ in range(3)), return_exceptions=True)

    facts = {**vars(news), "details": dict(news.details)}
    told = run(story())
    told[0].details["step"] = "flow.step"
    assert [type(one) for one in told] == [type(news)] * 3 and len({id(one) for one in (news, *told)}) == 4
    for one in told[1:]:
        assert vars(one) == facts and one.args == news.args and one.__cause__ is news
    assert vars(news) == facts


def test_a_cancelled_caller_disturbs_nobody():
    async def story():
        reads, provider = SharedReads(), Provider()
        first, second = (asyncio.create_task(reads("day", provider.load)) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        provider.answer()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second, len(provider.reads)

    assert run(story()) == (frozenset(), 1)
