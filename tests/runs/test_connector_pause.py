"""While a connector is paused for everybody: news is kept, nothing is called, and all of it goes on afterwards."""

import asyncio
from dataclasses import replace

import pytest

from connections.pause_gate import PausableGate, picture
from connections.pauses import connector_pause, connector_resume
from connectors.base.errors import NotSent
from connectors.base.gate import OpenGate
from connectors.registry import CONNECTORS
from runs import polling
from runs.models import InboxEvent, PollCursor
from runs.polling import polls_claim
from tenants.clock import database_now
from tests.runs.conftest import claim, drain, runs_of, tell
from tests.runs.test_polls_and_doors import door

__all__ = ["door"]  # a fixture

pytestmark = pytest.mark.django_db(transaction=True)


def pause(connector):
    connector_pause(connector=connector, notice="It loses payments.", at=database_now(), by=None)
    picture().forget()


def resume(connector):
    connector_resume(connector=connector, at=database_now(), by=None)
    picture().forget()


@pytest.mark.parametrize("side", ["fakeshop", "fakebooks"])
def test_work_waits_and_goes_on(installation, world, side):
    world.orders["7"] = "12.00"
    pause(side)
    tell(installation, "7")
    assert claim() == []
    resume(side)
    drain()
    assert runs_of("7")[0].state == "done" and world.count("write 7") == 1


def test_work_of_other_connectors_goes_on(installation, other_organisation, world):
    pause("kashflow")
    tell(installation, "7")
    assert len(claim()) == 1


def test_taking_back_waits_too(installation, world, monkeypatch):
    """Pausing a pair carries a take-back out; a connector that is paused because it harms must not be called."""
    from runs.models import Record, TakeBack

    tell(installation, "7")
    decided = TakeBack.objects.create(
        organisation=installation.organisation, installation=installation, kind="record", count=1,
        created_at=database_now(),
    )  # fmt: skip
    Record.unscoped.update(take_back=decided)
    type(installation).unscoped.update(state="paused")
    pause("fakebooks")
    assert claim() == []
    resume("fakebooks")
    assert len(claim()) == 1


def test_nothing_is_polled(installation, world):
    polling.cursors_prepare(installation)
    PollCursor.unscoped.update(due_at=database_now())
    pause("fakeshop")
    assert polls_claim(worker="one", limit=5, lease_seconds=60) == []
    resume("fakeshop")
    assert len(polls_claim(worker="one", limit=5, lease_seconds=60)) == 1


def test_the_door_keeps_news_and_answers_200(door):
    pause("fakeshop")
    assert door([{"id": "7"}]).status_code == 200 and InboxEvent.unscoped.get().state == "waiting"
    assert claim() == []
    resume("fakeshop")
    assert len(claim()) == 1


def test_the_gate_lets_nothing_pass_also_of_work_that_is_under_way(installation):
    async def enter():
        await PausableGate(OpenGate(), "fakeshop").enter("get_order")

    asyncio.run(enter())
    pause("fakeshop")
    with pytest.raises(NotSent) as refused:
        asyncio.run(enter())
    assert not refused.value.counts and "It loses payments." in refused.value.customer_text
    assert refused.value.code == "connector_paused" and refused.value.after_seconds
    asyncio.run(PausableGate(OpenGate(), "fakebooks").enter("write_document"))
    resume("fakeshop")
    asyncio.run(enter())


def test_every_client_passes_that_gate(organisation, monkeypatch):
    from connections.clients import client_for
    from connectors.base.http import HttpPool
    from tests.factories import ConnectionFactory

    doors = []
    connection = ConnectionFactory(organisation=organisation, connector="kashflow", credentials={"k": "v"})
    told = replace(CONNECTORS["kashflow"], open_client=lambda door, view: doors.append(door), host_of=lambda view: "")
    monkeypatch.setitem(CONNECTORS, "kashflow", told)
    client_for(connection, pool=HttpPool())
    assert isinstance(doors[0]._gate, PausableGate)


def test_a_look_is_shared_for_a_moment(installation, django_assert_num_queries):
    async def enter_often():
        for _ in range(20):
            await PausableGate(OpenGate(), "fakeshop").enter("get_order")

    asyncio.run(enter_often())
    with django_assert_num_queries(0):
        asyncio.run(enter_often())
