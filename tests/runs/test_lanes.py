"""Whose turn it is: shares, caps and the way round, whatever waits where."""

import pytest
from django.db import connection as database

from connections.models import Connection
from flows.models import Installation
from runs.inbox import PRIORITY_IMPORT
from runs.lanes import Lane, Turns, lanes_due, shares_of
from runs.models import InboxEvent, Record, TakeBack
from tenants.clock import database_now
from tests.factories import NOW, OrganisationFactory
from tests.runs.conftest import claim, install, make_due, tell

pytestmark = pytest.mark.django_db(transaction=True)


def lanes(count):
    """As many tenants, each with an installation of its own."""
    return [install(OrganisationFactory()) for _ in range(count)]


def shares(limit, turns=None):
    found = shares_of(limit=limit, turns=turns or Turns(), now=database_now())
    return {share.lane.installation_id: share.most for share in found}


def test_a_batch_is_divided_among_those_who_wait(installation):
    first, second = installation, *lanes(1)
    tell(first, *(str(number) for number in range(50)))
    tell(second, "single")
    assert shares(10) == {first.pk: 5, second.pk: 5}
    assert "single" in {item.record.record_id for item in claim(10)}


def test_more_lanes_than_room_are_served_in_turn(installation):
    own = [installation, *lanes(4)]
    for number, lane in enumerate(own):
        tell(lane, f"{number}-a", f"{number}-b")
    turns, served = Turns(), []
    for _ in range(5):
        served.append({item.installation_id for item in claim(2, turns=turns)})
    assert all(len(batch) == 2 for batch in served)
    assert set().union(*served) == {lane.pk for lane in own}, "five claims of two go round five lanes twice"


def test_one_look_is_bounded_and_goes_on_where_it_stopped(installation):
    own = [installation, *lanes(3)]
    for lane in own:
        tell(lane, "x")
    first, latest, _ = lanes_due(after=0, most=3, now=database_now())
    onward, _, _ = lanes_due(after=latest, most=3, now=database_now())
    assert [lane.installation_id for lane in first] == [lane.pk for lane in own[:3]]
    assert [lane.installation_id for lane in onward] == [own[3].pk, own[0].pk, own[1].pk]


def test_the_way_round_does_not_depend_on_what_the_planner_knows(installation):
    """Analysed tables made it join in another order: lanes at the end of it were never served."""
    own = [installation, *lanes(23)]
    for lane in own:
        tell(lane, *(str(number) for number in range(4)))
    with database.cursor() as cursor:
        cursor.execute("ANALYZE")
    turns, served = Turns(), set()
    for _ in range(2):
        served |= {item.installation_id for item in claim(16, turns=turns)}
    assert served == {lane.pk for lane in own}


def test_a_paused_lane_serves_what_is_taken_back_and_nothing_else(installation):
    tell(installation, *(str(number) for number in range(5)))
    Installation.unscoped.filter(pk=installation.pk).update(state="paused")
    assert claim() == []
    back = TakeBack.objects.create(
        organisation=installation.organisation, installation=installation, kind="record", count=1, created_at=NOW
    )
    Record.unscoped.filter(record_id="3").update(take_back=back)
    assert [item.record.record_id for item in claim()] == ["3"]


@pytest.mark.parametrize("setting", ["TENANT_IN_FLIGHT", "CONNECTION_IN_FLIGHT"])
def test_a_cap_counts_what_all_workers_have_in_flight(installation, settings, setting):
    setattr(settings, setting, 3)
    tell(installation, *(str(number) for number in range(10)))
    assert len(claim(10)) == 3
    assert claim(10) == []


def test_a_cap_of_a_tenant_holds_over_its_installations(organisation, installation, settings):
    settings.TENANT_IN_FLIGHT = 4
    other = install(organisation)
    for lane in (installation, other):
        tell(lane, *(str(number) for number in range(10)))
    assert len(claim(10)) == 4


def test_a_cap_of_a_connection_holds_over_its_installations(organisation, installation, settings):
    settings.CONNECTION_IN_FLIGHT = 4
    other = install(organisation, target=installation.target)
    for lane in (installation, other):
        tell(lane, *(f"{lane.pk}-{number}" for number in range(10)))
    assert len(claim(10)) == 4


def test_a_full_lane_leaves_its_room_to_others(installation, settings):
    (other,) = lanes(1)
    settings.CONNECTION_IN_FLIGHT = 2
    for lane in (installation, other):
        tell(lane, *(str(number) for number in range(10)))
    assert sorted(item.installation_id for item in claim(10)) == sorted([installation.pk, other.pk] * 2)


def test_a_lane_that_waits_for_a_later_time_takes_no_share(installation):
    (other,) = lanes(1)
    tell(installation, "later")
    InboxEvent.unscoped.update(due_at=database_now().replace(year=2100))
    tell(other, *(str(number) for number in range(4)))
    assert shares(4) == {other.pk: 4}


def test_an_import_is_found_behind_live_events_that_wait(installation):
    tell(installation, "live")
    InboxEvent.unscoped.update(due_at=database_now().replace(year=2100))
    tell(installation, "old", via="import", priority=PRIORITY_IMPORT)
    assert [item.record.record_id for item in claim(4)] == ["old"]
    make_due()
    assert [item.record.record_id for item in claim(4)] == ["live"]


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_connection_that_needs_attention_keeps_its_lane_waiting(installation, side):
    tell(installation, "7")
    stopped = getattr(installation, side)
    Connection.unscoped.filter(pk=stopped.pk).update(state="needs_attention", state_reason="the password changed")
    assert claim() == []
    Connection.unscoped.filter(pk=stopped.pk).update(state="active")
    assert len(claim()) == 1


def test_lanes_that_cannot_be_served_are_passed_by_without_a_rest(installation, monkeypatch):
    """A look sees so many lanes; where none of them can be served the next look follows at once, once round."""
    monkeypatch.setattr("runs.lanes.MOST_SEEN", 2)
    seen = [(Lane(number, 1, 1, None, None), number == 7) for number in range(1, 8)]

    def look(after, now=None):
        onward = [row for row in seen if row[0].installation_id > after]
        return [*onward, *(row for row in seen if row[0].installation_id <= after)][:2]

    monkeypatch.setattr("runs.lanes._lanes_postgresql", look)
    monkeypatch.setattr("runs.lanes._lanes_portable", look)
    turns, told = Turns(after=0), []
    for _ in range(4):
        found = shares(10, turns)
        told.append((list(found), turns.more))
    assert told == [([], True), ([], True), ([], True), ([7], False)]
    del seen[-1]
    turns, told = Turns(after=3), []
    for _ in range(4):
        shares(10, turns)
        told.append(turns.more)
    assert told == [True, True, False, True], "after one round there is a rest"
