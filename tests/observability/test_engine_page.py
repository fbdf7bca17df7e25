"""The operators' page "Engine": staff only, and it says what holds work up."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from connections.models import CircuitState, Connection, ConnectorPause, RateBudget
from runs.models import InboxEvent, WorkerSlot
from telemetry import reading
from telemetry.metrics import FLUSH_SECONDS, LEASES_LOST
from telemetry.reading import Past, Reading
from tenants.clock import database_now
from tests.factories import UserFactory
from tests.runs.conftest import install, tell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_past(monkeypatch):
    monkeypatch.setattr("runs.pages.engine.past", Past())


def look(user):
    browser = Client()
    browser.force_login(user)
    return browser.get(reverse("engine"))


@pytest.fixture
def page(operator):
    """Text of the page, tags removed."""

    def text():
        answer = look(operator)
        assert answer.status_code == 200
        return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())

    return text


class TestWhoSeesIt:
    def test_staff_only(self, owner):
        assert look(owner).status_code == 302
        assert look(UserFactory(email="staff@example.com", is_staff=True)).status_code == 200
        assert Client().get(reverse("engine")).status_code == 302

    def test_the_console_leads_to_it(self, operator):
        browser = Client()
        browser.force_login(operator)
        assert reverse("engine") in browser.get("/admin/").content.decode()


def test_with_nothing_to_do_it_says_so(page):
    text = page()
    assert "Nothing is open" in text and "All circuits are closed" in text and "No budget is in use" in text
    assert "Drains alive 0 of 0" in text


def test_drains_show_their_hearts(page):
    now = database_now()
    WorkerSlot.objects.create(number=0, host="a", alive=True, heartbeat_at=now, worker="a:1:0")
    WorkerSlot.objects.create(number=1, host="b", alive=True, heartbeat_at=now - timedelta(minutes=2), worker="b:1:0")
    text = page()
    assert "Drains alive 1 of 2" in text
    assert re.search(r"a 0 alive \d+\.\d s ago a:1:0", text)
    assert re.search(r"b 1 silent 12\d\.\d s ago", text)


def test_lanes_that_wait_longest_come_first_and_stopped_ones_last(
    page, organisation, other_organisation, world, queued
):
    quick, slow, stopped = (install(who, name=name) for who, name in (
        (organisation, "Quick"), (other_organisation, "Slow"), (organisation, "Stopped"),
    ))  # fmt: skip
    for lane, minutes in ((quick, 1), (slow, 9), (stopped, 30)):
        tell(lane, "1")
        moment = database_now() - timedelta(minutes=minutes)
        InboxEvent.unscoped.filter(installation=lane).update(due_at=moment)
    Connection.unscoped.filter(pk=stopped.source_id).update(state="paused")
    text = page()
    assert (
        text.index("Harbour Bikes: Slow") < text.index("Mill Lane Teas: Quick") < text.index("Mill Lane Teas: Stopped")
    )
    assert re.search(r"Live work has waited 5[34]\d s", text)
    assert "no: paused, or a connection is not active" in text


def test_circuits_pauses_and_budgets_are_named(page, installation):
    now, later = database_now(), database_now() + timedelta(minutes=2)
    source = installation.source
    CircuitState.objects.create(key=f"connection:{source.pk}", opened_at=now, open_until=later, failures=7)
    CircuitState.objects.create(key="host:api.example.com", opened_at=now, open_until=now - timedelta(seconds=9))
    ConnectorPause.objects.create(connector="kashflow", notice="They repair it.", since_at=now)
    RateBudget.objects.create(connection=source, full_at=later, calls=60, per_seconds=60)
    text = page()
    assert re.search(rf"{source.organisation}: {source.name} open .* 7 ", text)
    assert "Host api.example.com half open: one probe decides" in text
    assert "Connector kashflow, all tenants: “They repair it.” paused by us" in text
    assert re.search(rf"fakeshop {source.pk} all [\d.]+ 0 % 1[12]\d\.\d s", text)


def test_counters_are_told_since_start_and_lately(page, monkeypatch):
    page()
    LEASES_LOST.add("ending", by=3)
    for _ in range(3):
        FLUSH_SECONDS.see(0.02, "ok")
    text = page()
    assert "Leases lost lately 3" in text
    assert re.search(r"One flush of the journal 3 ≤ 25 ms ≤ 25 ms", text)


class TestReading:
    def test_a_quantile_is_the_bound_it_lies_below(self):
        before = reading.reading()
        for seconds in [0.003] * 9 + [0.4]:
            FLUSH_SECONDS.see(seconds, "ok")
        added = reading.reading().since(before)
        assert added.quantile("causeway_flush_seconds", 0.5) == 0.005
        assert added.quantile("causeway_flush_seconds", 0.95) == 0.5
        assert added.quantile("causeway_flush_seconds", 0.5, result="failed") is None

    def test_a_counter_begun_anew_counts_from_nothing(self):
        key = ("causeway_x_total", ())
        assert Reading(2.0, {key: 3.0}).since(Reading(1.0, {key: 10.0})).total("causeway_x_total") == 3.0
