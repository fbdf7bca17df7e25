"""Remembered effects come with the claim; questions about other records are asked together."""

import asyncio
import threading

import pytest

from flows.engine.ports import Link
from runs.database import Database
from runs.entries import Ending, Entry
from runs.flush import entries_write
from runs.links import LinkFinder, links_find
from runs.models import RecordLink
from tests.runs.conftest import claim, drain, other_connection, runs_of, tell

pytestmark = pytest.mark.django_db(transaction=True)


def remember(claimed, *keys):
    for key in keys:
        entries_write([Entry(claimed, [], 0, link=Link(key, "write_document", f"d-{key}", {"id": f"d-{key}"}))])


def test_a_claim_brings_what_is_remembered_for_its_record_and_no_other(installation):
    tell(installation, "7", "8")
    first, second = claim()
    remember(first, "of-first-a", "of-first-b")
    remember(second, "of-second")
    entries_write([Entry(one, [], 0, ending=Ending("done")) for one in (first, second)])
    tell(installation, "7", "8")
    found = {one.record.record_id: [link.effect_key for link in one.links] for one in claim()}
    assert found == {"7": ["of-first-a", "of-first-b"], "8": ["of-second"]}


def test_questions_of_many_events_are_one_query_and_each_gets_its_answer(installation, other_organisation, monkeypatch):
    tell(installation, "7")
    (claimed,) = claim()
    remember(claimed, "a", "b")
    asked = []
    monkeypatch.setattr("runs.links.links_find", lambda wanted: asked.append(wanted) or links_find(wanted))

    async def ask():
        database = Database()
        finder = LinkFinder(database)
        own, foreign = installation.organisation_id, other_organisation.pk
        try:
            return await asyncio.gather(
                finder.find(own, "a"), finder.find(own, "b"), finder.find(own, "c"), finder.find(foreign, "a")
            )
        finally:
            await database.close()

    a, b, nothing, foreign = asyncio.run(ask())
    assert (a.external_id, b.external_id, nothing, foreign) == ("d-a", "d-b", None, None)
    assert len(asked) == 1 and len(asked[0]) == 4


def test_a_question_asked_while_one_is_answered_sees_what_was_written_meanwhile(installation, monkeypatch):
    tell(installation, "7")
    (claimed,) = claim()
    asking, answered = threading.Event(), threading.Event()

    def slowly(wanted):
        found = links_find(wanted)
        asking.set()
        answered.wait(10)
        return found

    def remember_elsewhere(*args):
        with other_connection():
            remember(*args)

    monkeypatch.setattr("runs.links.links_find", slowly)

    async def ask():
        database = Database()
        finder = LinkFinder(database)
        try:
            early = asyncio.create_task(finder.find(installation.organisation_id, "late"))
            await asyncio.to_thread(asking.wait, 10)  # its query is on the way and sees nothing
            await asyncio.to_thread(remember_elsewhere, claimed, "late")
            answered.set()
            late = await finder.find(installation.organisation_id, "late")
            return await early, late
        finally:
            await database.close()

    early, late = asyncio.run(ask())
    assert early is None and late.external_id == "d-late"


def test_a_failed_query_is_told_to_everybody_who_asked(installation, monkeypatch):
    def broken(wanted):
        raise RuntimeError("no database")

    monkeypatch.setattr("runs.links.links_find", broken)

    async def ask():
        database = Database()
        finder = LinkFinder(database)
        try:
            return await asyncio.gather(finder.find(1, "a"), finder.find(1, "b"), return_exceptions=True)
        finally:
            await database.close()

    assert [str(error) for error in asyncio.run(ask())] == ["no database"] * 2


def test_links_that_cannot_be_read_stop_their_own_record_only(installation, world):
    """A destroyed key or a changed byte must not take the drain and its other events with it."""
    tell(installation, "7", "8")
    world.orders |= {"7": "1.00", "8": "1.00"}
    drain()
    RecordLink.unscoped.filter(record__record_id="7").update(sealed=b"broken")
    tell(installation, "7", "8")
    drain()
    assert runs_of("7")[-1].state == "dead" and runs_of("7")[-1].error["code"] == "bug:BrokenSeal"
    assert runs_of("8")[-1].state == "done"
    assert world.count("write 7") == 1
