"""Account facts remembered by a process."""

import asyncio

from connectors.base.errors import Retryable
from runs.clients import Remembered


class Source:
    """Answers with the value it had when it was asked."""

    def __init__(self):
        self.value, self.asked = "old", 0
        self.answer = asyncio.Event()

    async def __call__(self):
        self.asked += 1
        value = self.value
        await self.answer.wait()
        return value


async def settle():
    for _ in range(6):
        await asyncio.sleep(0)


def test_a_fresh_read_begins_after_it_was_asked_for():
    async def story():
        remembered, source = Remembered(), Source()
        first = asyncio.create_task(remembered("stock", 0, source))
        await settle()
        source.value = "new"
        others = [asyncio.create_task(remembered("stock", 0, source)) for _ in range(20)]
        await settle()
        source.answer.set()
        return await first, set(await asyncio.gather(*others)), source.asked

    assert asyncio.run(story()) == ("old", {"new"}, 2)


def test_a_fact_is_read_once_by_all_who_ask_at_once_and_kept():
    async def story():
        remembered, source = Remembered(), Source()
        asked = [asyncio.create_task(remembered("rates", 600, source)) for _ in range(20)]
        await settle()
        asked += [asyncio.create_task(remembered("rates", 600, source)) for _ in range(20)]
        source.answer.set()
        await asyncio.gather(*asked)
        await remembered("rates", 600, source)
        return source.asked

    assert asyncio.run(story()) == 1


def test_age_counts_from_when_the_reading_began():
    async def story():
        remembered, source = Remembered(), Source()
        slow = asyncio.create_task(remembered("rates", 0.2, source))
        await asyncio.sleep(0.25)
        source.answer.set()
        await slow
        await remembered("rates", 0.2, source)
        return source.asked

    assert asyncio.run(story()) == 2


def test_a_fact_that_cannot_be_read_is_news_of_its_own_for_each_who_asked():
    async def story():
        remembered = Remembered()

        async def away():
            await asyncio.sleep(0)
            raise Retryable("away")

        return await asyncio.gather(*(remembered("rates", 600, away) for _ in range(3)), return_exceptions=True)

    told = asyncio.run(story())
    assert [str(one) for one in told] == ["away"] * 3 and len({id(one) for one in told}) == 3
