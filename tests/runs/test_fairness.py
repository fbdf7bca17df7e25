"""How long others wait for one: counted in batches, with crowds as large as a long outage leaves them."""

import pytest
from django.db import connection

from runs.inbox import PRIORITY_IMPORT
from runs.lanes import Turns
from runs.models import InboxEvent, Record, Run
from runs.sweep import events_recover
from tests.factories import OrganisationFactory
from tests.runs.conftest import claim, install, tell

pytestmark = pytest.mark.django_db(transaction=True)

BATCH = 64
_NUMBERS = {
    "postgresql": "SELECT generate_series(1, %s) AS n",
    "sqlite": "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < %s) SELECT n FROM k",
}


def crowd_size():
    return 100_000 if connection.vendor == "postgresql" else 5_000


def crowd(installation, count, *, priority=0):
    """So many waiting events, an hour older than anything else; written by the database itself."""
    tell(installation, "pattern", priority=priority)
    pattern = Record.unscoped.get(installation=installation, record_id="pattern")
    event = pattern.event
    old = "now() - interval '1 hour'" if connection.vendor == "postgresql" else "datetime('now', '-1 hour')"
    with connection.cursor() as cursor:
        for table, row, changed in (
            (Record, pattern, {"record_id": "'c' || n"}),
            (InboxEvent, event, {"due_at": old, "received_at": old, "record_id": "r.id"}),
        ):
            names = [field.column for field in table._meta.concrete_fields if field.column != "id"]
            values = ", ".join(changed.get(name, f"p.{name}") for name in names)
            source = _NUMBERS[connection.vendor] if table is Record else "SELECT 0 AS n"
            joined = (
                ""
                if table is Record
                else f"JOIN runs_record r ON r.record_id <> 'pattern' AND r.lane = '{pattern.lane}'"
            )
            cursor.execute(
                f"INSERT INTO {table._meta.db_table} ({', '.join(names)}) "
                f"SELECT {values} FROM ({source}) k JOIN {table._meta.db_table} p ON p.id = {row.pk} {joined}",
                [count] if table is Record else [],
            )
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE runs_inboxevent")
    assert InboxEvent.unscoped.filter(installation=installation).count() == count + 1


def names(claims):
    return {item.record.record_id for item in claims}


def batches_until(wanted, turns, most=10):
    """How many batches a worker claims until ``wanted`` is among them."""
    for count in range(1, most + 1):
        if wanted in names(claim(BATCH, turns=turns)):
            return count
    raise AssertionError(f"{wanted} was not among {most} batches")


def test_a_crowd_delays_the_single_event_of_another_by_no_more_than_one_batch(installation, other_organisation):
    quiet = install(other_organisation)
    crowd(installation, crowd_size())
    turns = Turns()
    assert len(claim(BATCH, turns=turns)) == BATCH, "the worker has its hands full with the crowd"
    tell(quiet, "single")
    assert batches_until("single", turns) == 1


def test_so_it_is_for_every_one_of_many(installation, settings):
    """Thirty quiet tenants beside the crowd: the first batch serves them all, and the crowd has its share, too."""
    settings.TENANT_IN_FLIGHT = 1_000
    settings.CONNECTION_IN_FLIGHT = 1_000
    crowd(installation, 5_000)
    quiet = [install(OrganisationFactory()) for _ in range(30)]
    for number, lane in enumerate(quiet):
        tell(lane, f"single {number}")
    batch = claim(BATCH, turns=Turns())
    assert {f"single {number}" for number in range(30)} < names(batch)


def test_a_crowd_at_its_cap_takes_no_room_from_others(installation, other_organisation, settings):
    settings.TENANT_IN_FLIGHT = BATCH
    quiet = install(other_organisation)
    crowd(installation, 5_000)
    assert len(claim(BATCH)) == BATCH
    tell(quiet, *(str(number) for number in range(BATCH)))
    assert {item.installation_id for item in claim(BATCH)} == {quiet.pk}
    assert claim(BATCH) == [], "the crowd has as much in flight as it may"


def test_a_crowd_has_no_more_in_flight_than_a_connection_may(installation, settings):
    settings.CONNECTION_IN_FLIGHT = 100
    crowd(installation, 1_000)
    while claim(BATCH):
        pass
    assert InboxEvent.unscoped.filter(state="leased").count() == 100


@pytest.mark.parametrize("same_lane", [True, False])
def test_what_is_live_goes_before_a_crowd_of_imports(installation, other_organisation, same_lane):
    crowd(installation, 5_000, priority=PRIORITY_IMPORT)
    lane = installation if same_lane else install(other_organisation)
    tell(lane, "live")
    assert batches_until("live", Turns()) == 1


def test_imports_go_on_beside_what_is_live(installation, other_organisation):
    """Live events of one do not hold up another's import: lanes come before priorities."""
    crowd(installation, 5_000)
    importing = install(other_organisation)
    tell(importing, "past", via=Run.Via.IMPORT, priority=PRIORITY_IMPORT)
    assert batches_until("past", Turns()) == 1


def test_a_crowd_left_by_a_dead_worker_comes_back_whole(installation, settings):
    settings.TENANT_IN_FLIGHT = settings.CONNECTION_IN_FLIGHT = 1_000
    crowd(installation, 500)
    while claim(BATCH, lease_seconds=-1):
        pass
    assert events_recover() == 501
    assert not InboxEvent.unscoped.filter(state="leased").exists()
