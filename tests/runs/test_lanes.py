"""Whose turn it is: shares, caps and the way round, whatever waits where."""

import pytest

from connections.models import Connection
from runs.inbox import PRIORITY_IMPORT
from runs.lanes import Turns, lanes_due, shares_of
from runs.models import InboxEvent
from tenants.clock import database_now
from tests.factories import OrganisationFactory
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
    first = [lane.installation_id for lane in lanes_due(after=0, most=3, now=database_now())]
    onward = [lane.installation_id for lane in lanes_due(after=first[-1], most=3, now=database_now())]
    assert len(first) == 3 and onward[0] == own[3].pk and onward[1:] == first[:2]


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
