"""One switch for a connector of all tenants: who is told, when it is over, what the console may do."""

from datetime import timedelta

import pytest
from django.urls import reverse

from connections.errors import UnknownConnector
from connections.models import ConnectorPause
from connections.pauses import PauseRefused, connector_pause, connector_resume, connectors_paused, pauses_seen_by
from tenants.clock import database_now
from tenants.models import AuditEntry
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db
NOTICE = "KashFlow answers wrong totals."


@pytest.fixture
def now(db):
    return database_now()


def pause(now, **members):
    return connector_pause(**{"connector": "kashflow", "notice": NOTICE, "at": now, "by": None, **members})


def test_everybody_who_has_such_a_connection_is_told_and_finds_it_in_the_audit_log(
    organisation, other_organisation, operator, now
):
    ConnectionFactory(organisation=organisation, connector="kashflow")
    ConnectionFactory(organisation=organisation, connector="kashflow")
    ConnectionFactory(organisation=other_organisation, connector="nopcommerce")
    pause(now, by=operator)
    assert [seen.notice for seen in pauses_seen_by(organisation)] == [NOTICE]
    assert pauses_seen_by(other_organisation) == []
    (entry,) = AuditEntry.unscoped.filter(action="connector.paused")
    assert (entry.organisation, entry.actor, entry.details["notice"]) == (organisation, operator, NOTICE)
    connector_resume(connector="kashflow", at=now, by=operator)
    assert AuditEntry.unscoped.filter(action="connector.resumed", organisation=organisation).count() == 1
    assert pauses_seen_by(organisation) == []


def test_a_revoked_connection_hears_nothing(organisation, now):
    ConnectionFactory(organisation=organisation, connector="kashflow", state="revoked")
    pause(now)
    assert pauses_seen_by(organisation) == [] and not AuditEntry.unscoped.filter(action="connector.paused").exists()


def test_pausing_again_changes_notice_and_end(now):
    pause(now)
    pause(now, notice="Until noon.", until=now + timedelta(hours=1))
    (row,) = ConnectorPause.objects.all()
    assert (row.notice, row.since_at) == ("Until noon.", now) and row.until_at == now + timedelta(hours=1)


def test_a_pause_with_an_end_is_over_by_itself_and_makes_room_for_the_next(now):
    pause(now - timedelta(hours=2), until=now - timedelta(hours=1))
    assert not connectors_paused().exists()
    pause(now)
    assert list(connectors_paused()) == ["kashflow"] and ConnectorPause.objects.count() == 2


def test_it_is_refused_without_words_or_with_an_end_that_is_past(now):
    with pytest.raises(PauseRefused):
        pause(now, notice="  ")
    with pytest.raises(PauseRefused):
        pause(now, until=now)
    with pytest.raises(UnknownConnector):
        pause(now, connector="no_such")


def test_letting_go_on_what_was_not_paused_says_so(now):
    assert not connector_resume(connector="kashflow", at=now, by=None)


class TestConsole:
    """Operators pause and resume there; nothing else about a pause can be changed."""

    def test_an_operator_pauses_and_lets_go_on(self, client, operator, organisation):
        ConnectionFactory(organisation=organisation, connector="kashflow")
        client.force_login(operator)
        form = {"connector": "kashflow", "notice": NOTICE, "until_at_0": "", "until_at_1": ""}
        assert client.post(reverse("admin:connections_connectorpause_add"), form).status_code == 302
        row = ConnectorPause.objects.get()
        assert (row.notice, row.by_label) == (NOTICE, operator.email)
        listed = reverse("admin:connections_connectorpause_changelist")
        client.post(listed, {"action": "resume", "_selected_action": [str(row.pk)]})
        row.refresh_from_db()
        assert row.ended_at and row.ended_by_label == operator.email

    @pytest.mark.parametrize("wrong", [{"notice": ""}, {"until_at_0": "2001-01-01", "until_at_1": "10:00"}])
    def test_a_wrong_form_is_shown_again(self, client, operator, wrong):
        client.force_login(operator)
        form = {"connector": "kashflow", "notice": NOTICE, "until_at_0": "", "until_at_1": "", **wrong}
        assert client.post(reverse("admin:connections_connectorpause_add"), form).status_code == 200
        assert not ConnectorPause.objects.exists()

    def test_a_pause_is_looked_at_not_edited(self, client, operator, now):
        row = pause(now)
        client.force_login(operator)
        address = reverse("admin:connections_connectorpause_change", args=[row.pk])
        client.post(address, {"connector": "kashflow", "notice": "Other words", "until_at_0": "", "until_at_1": ""})
        row.refresh_from_db()
        assert row.notice == NOTICE and NOTICE in client.get(address).content.decode()

    def test_people_of_an_organisation_have_no_such_switch(self, client, owner):
        client.force_login(owner)
        assert client.get(reverse("admin:connections_connectorpause_add")).status_code == 302
