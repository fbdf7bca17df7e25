"""Administrators hear of a new cause once, at once; of more of the same once an hour; never of payloads."""

import threading
import time
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from runs import cause_alerts
from runs.cause_alerts import DIGEST_EVERY, MOST_MAILS_AN_HOUR, NEW_AGAIN_AFTER, Announcer, causes_announce
from runs.models import Alert, CauseNotice, Run
from tests.factories import NOW, InstallationFactory, MembershipFactory, RecordFactory, RunFactory

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)
ERROR = {"class": "Held", "code": "unknown_sku", "cure": "Add the product.", "details": {"buyer": "Ada Planted"}}


@pytest.fixture
def installation(organisation, owner, member):
    """Owner ``owner@example.com`` hears of trouble; the bookkeeper ``member`` does not."""
    return InstallationFactory(organisation=organisation, name="Tea to books")


def dead(installation, cause="c1", reason="KashFlow has no product TEA-9.", **more):
    record = RecordFactory(installation=installation)
    return RunFactory(record=record, state="dead", cause=cause, reason=reason, error=ERROR, **more)


def test_a_new_cause_is_an_alert_and_a_mail_with_cure_and_link(installation, settings):
    settings.BASE_URL = "https://causeway.example"
    dead(installation)
    dead(installation)
    assert causes_announce(LATER) == 1
    (alert,) = Alert.unscoped.all()
    assert alert.kind == "new_cause" and "TEA-9" in alert.text and alert.record is None
    (sent,) = mail.outbox
    assert sent.to == ["owner@example.com"] and "2 wait" in sent.subject and "Mill Lane Teas" in sent.subject
    assert "What to do: Add the product." in sent.body
    assert "https://causeway.example/o/mill-lane-teas/attention/c1/" in sent.body
    assert "Ada Planted" not in sent.body + sent.subject


def test_it_is_told_once(installation):
    dead(installation)
    for minute in range(5):
        causes_announce(LATER + timedelta(minutes=minute))
    assert len(mail.outbox) == 1 and Alert.unscoped.count() == 1 and CauseNotice.unscoped.count() == 1


def test_more_of_the_same_come_once_an_hour_with_their_count(installation):
    dead(installation)
    causes_announce(LATER)
    for minute in range(1, 60, 7):
        dead(installation)
        assert causes_announce(LATER + timedelta(minutes=minute)) == 0
    assert causes_announce(LATER + DIGEST_EVERY) == 1
    assert "Still, 10 in Tea to books" in mail.outbox[-1].body
    assert causes_announce(LATER + 2 * DIGEST_EVERY) == 0, "nothing new since"


def test_another_cause_is_told_at_once_also_within_the_hour(installation):
    dead(installation)
    causes_announce(LATER)
    dead(installation, cause="c2", reason="The period is closed.")
    assert causes_announce(LATER + timedelta(minutes=1)) == 1
    assert "period is closed" in mail.outbox[-1].subject and "TEA-9" not in mail.outbox[-1].body


def test_several_new_ones_come_in_one_mail(installation):
    for number in range(4):
        dead(installation, cause=f"c{number}", reason=f"Reason {number}.")
    assert causes_announce(LATER) == 1
    assert all(f"Reason {number}." in mail.outbox[0].body for number in range(4))


def test_a_flood_of_causes_becomes_a_digest(installation):
    for number in range(MOST_MAILS_AN_HOUR + 10):
        dead(installation, cause=f"c{number}")
        causes_announce(LATER + timedelta(seconds=number))
    assert len(mail.outbox) == MOST_MAILS_AN_HOUR
    assert causes_announce(LATER + timedelta(hours=2)) == 1
    assert f"{10} wait" in mail.outbox[-1].subject


def test_each_installation_and_each_organisation_hears_of_its_own(installation, other_organisation, stranger):
    dead(installation)
    theirs = InstallationFactory(organisation=other_organisation, name="Bikes to books")
    dead(theirs)
    assert causes_announce(LATER) == 2
    by_person = {sent.to[0]: sent.body for sent in mail.outbox}
    assert "Bikes" not in by_person["owner@example.com"] and "Tea" not in by_person["stranger@example.com"]


def test_only_owners_and_administrators_get_mail_each_by_themselves(installation, organisation):
    for role in ("admin", "bookkeeper", "developer", "viewer"):
        MembershipFactory(organisation=organisation, user__email=f"{role}@example.com", role=role)
    MembershipFactory(organisation=organisation, user__email="left@example.com", user__is_active=False, role="owner")
    dead(installation)
    causes_announce(LATER)
    assert sorted(sent.to for sent in mail.outbox) == [["admin@example.com"], ["owner@example.com"]]


def test_a_suspended_organisation_gets_no_mail(installation, organisation):
    organisation.suspended_at = NOW
    organisation.save()
    dead(installation)
    assert causes_announce(LATER) == 0 and Alert.unscoped.exists()


def test_a_mail_server_that_is_away_is_tried_again(installation, monkeypatch):
    dead(installation)

    def away(self, messages):
        raise OSError("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", away)
        assert causes_announce(LATER) == 0
    assert Alert.unscoped.count() == 1
    assert causes_announce(LATER + timedelta(seconds=5)) == 1 and Alert.unscoped.count() == 1


def test_two_schedulers_send_one_mail(installation, monkeypatch):
    """The second looks before the first has noted what it told, and notes after it."""
    dead(installation)
    cause_alerts._notice(cause_alerts._open_now()[0], LATER)
    take, lost = cause_alerts._take, []

    def beaten(told, now):
        told = list(told)
        if not lost:
            lost.append(True)
            assert take(told, now)
        return take(told, now)

    monkeypatch.setattr(cause_alerts, "_take", beaten)
    assert causes_announce(LATER) == 0 and mail.outbox == []


def test_what_is_cured_leaves_the_home_page_and_is_news_again_much_later(installation):
    run = dead(installation)
    causes_announce(LATER)
    Run.unscoped.filter(pk=run.pk).update(state="done", finished_at=NOW)
    causes_announce(LATER + timedelta(minutes=1))
    assert Alert.unscoped.get().seen_at
    dead(installation)
    assert causes_announce(LATER + timedelta(minutes=2)) == 0, "it was told minutes ago"
    Run.unscoped.update(state="done", finished_at=NOW)
    closed = LATER + timedelta(minutes=3)
    causes_announce(closed)
    causes_announce(closed + NEW_AGAIN_AFTER)
    dead(installation)
    assert causes_announce(closed + NEW_AGAIN_AFTER + timedelta(seconds=5)) == 1


def test_the_home_page_links_to_the_cause(installation, client, owner):
    dead(installation)
    causes_announce(LATER)
    client.force_login(owner)
    assert 'href="/o/mill-lane-teas/attention/c1/"' in client.get("/o/mill-lane-teas/").content.decode()


def test_the_sweep_is_not_held_up_by_a_mail_server_that_hangs(monkeypatch):
    let_go = threading.Event()
    monkeypatch.setattr(cause_alerts, "causes_announce", let_go.wait)
    announcer = Announcer()
    started = time.monotonic()
    assert announcer.round() and not announcer.round()
    assert time.monotonic() - started < 1.0
    let_go.set()
    announcer.close()
    assert not announcer._thread.is_alive()
