"""Database threads of an event loop: connections kept between works, replaced when broken, closed with the loop."""

import asyncio
import threading

import pytest
from django.db import OperationalError, connection

from connections.models import CircuitState
from connections.threads import in_database

pytestmark = pytest.mark.django_db(transaction=True)


def which():
    """The thread, and the database connection it works with."""
    CircuitState.objects.count()
    return threading.current_thread(), connection.connection


def alive():
    return [thread for thread in threading.enumerate() if thread.name.startswith("connections-db")]


def test_a_connection_serves_many_works():
    async def go():
        return [await in_database(which) for _ in range(20)]

    seen = asyncio.run(go())
    assert 1 <= len({id(raw) for _, raw in seen}) <= 2


def test_connections_and_threads_end_with_the_loop():
    async def go():
        assert await in_database(which)
        return alive()

    during = asyncio.run(go())
    assert during
    assert not [thread for thread in during if thread.is_alive()]


def test_a_broken_connection_is_replaced():
    def breaks():
        connection.ensure_connection()
        connection.connection.close()  # as when the server went away
        try:
            CircuitState.objects.count()
        except Exception as error:
            raise OperationalError("gone") from error

    async def go():
        for _ in range(4):
            with pytest.raises(OperationalError):
                await in_database(breaks)
        return await asyncio.gather(*(in_database(CircuitState.objects.count) for _ in range(10)))

    assert asyncio.run(go()) == [0] * 10


def test_a_cancelled_caller_disturbs_nobody():
    entered, release = threading.Event(), threading.Event()

    def slow():
        entered.set()
        release.wait(10)

    async def go():
        waiting = asyncio.create_task(in_database(slow))
        await asyncio.to_thread(entered.wait, 10)
        waiting.cancel()
        count = await in_database(CircuitState.objects.count)  # the other thread
        release.set()
        return count

    assert asyncio.run(go()) == 0


def test_errors_reach_the_caller():
    def fails():
        raise LookupError("no")

    async def go():
        with pytest.raises(LookupError):
            await in_database(fails)

    asyncio.run(go())
