"""An installation of the fake pair, a queue that starts no task, and short ways to look and to work."""

import asyncio
from contextlib import contextmanager

import pytest
from django.db import connections

from connectors.registry import CONNECTORS
from flows.models import PairVersion
from runs.claim import events_claim
from runs.drain import Drain
from runs.inbox import News, news_store
from runs.models import InboxEvent, Record, Run, WorkerSlot
from runs.slots import slots_prepare
from tenants.clock import database_now
from tests.factories import NOW, ConnectionFactory, InstallationFactory
from tests.runs import fakes


@pytest.fixture
def world(monkeypatch):
    """The fake systems' state, fresh."""
    fresh = fakes.World()
    monkeypatch.setattr(fakes, "WORLD", fresh)
    for key, connector in fakes.CONNECTORS.items():
        monkeypatch.setitem(CONNECTORS, key, connector)
    return fresh


@pytest.fixture
def queued(monkeypatch):
    """Names of drain tasks that were queued instead of run."""
    tasks = []
    monkeypatch.setattr("django_q.tasks.async_task", lambda name, *args, **options: tasks.append((name, *args)))
    return tasks


@pytest.fixture
def installation(organisation, world, queued):
    return install(organisation)


def install(organisation, *, source=None, target=None, **members):
    version, _ = PairVersion.objects.get_or_create(
        pair_key="fake-pair",
        digest="fake",
        defaults={"number": 1, "title": "Fake pair", "document": fakes.PAIR, "created_at": NOW},
    )
    source = source or ConnectionFactory(organisation=organisation, connector="fakeshop", credentials={"k": "v"})
    target = target or ConnectionFactory(organisation=organisation, connector="fakebooks", credentials={"k": "v"})
    return InstallationFactory(organisation=organisation, pair_version=version, source=source, target=target, **members)


def tell(installation, *numbers, via=Run.Via.WEBHOOK, fingerprint=None, **more):
    """News about these orders."""
    news = [News("order", number, fingerprint=fingerprint) for number in numbers]
    return news_store(installation=installation, news=news, via=via, at=database_now(), **more)


def claim(limit=10, *, worker="w", lease_seconds=30.0, turns=None):
    return events_claim(worker=worker, limit=limit, lease_seconds=lease_seconds, turns=turns)


def drain(*, lease_seconds=30.0, until=None, at_most=15.0, concurrency=16):
    """One real drain, in its own event loop, until nothing is due (or ``until()``), at the latest after ``at_most``."""
    slots_prepare()
    WorkerSlot.objects.update(alive=False)
    worker = Drain(seconds=at_most, concurrency=concurrency, lease_seconds=lease_seconds)
    finished = until or (lambda: not due())

    async def run():
        task = asyncio.create_task(worker.run())
        while not task.done():
            await asyncio.sleep(0.05)
            if not worker.tasks and await asyncio.to_thread(_asked, finished):
                worker.ends_at = 0.0
        return await task

    return asyncio.run(run())


def _asked(question):
    try:
        return question()
    finally:
        connections.close_all()


def due():
    now = database_now()
    return InboxEvent.unscoped.filter(state="leased").exists() or (
        InboxEvent.unscoped.filter(state="waiting", due_at__lte=now).exists()
    )


def make_due():
    """The waiting time of every waiting event is over."""
    InboxEvent.unscoped.filter(state="waiting").update(due_at=database_now(), not_before=None)


def event_of(number):
    return InboxEvent.unscoped.filter(record__record_id=number).first()


def record_of(number):
    return Record.unscoped.get(record_id=number)


def runs_of(number):
    return list(Run.unscoped.filter(record__record_id=number).order_by("pk"))


@contextmanager
def other_connection():
    """What runs inside a thread of its own must close its connection, or the test database cannot be dropped."""
    try:
        yield
    finally:
        connections.close_all()
