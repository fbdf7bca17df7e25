"""The pages of a cause: what it says, the previews, and decisions that carry the count the person saw."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from flows.models import Installation, PairVersion
from runs.models import CauseAction, InboxEvent, Replay, Run
from runs.preview import PreviewItem
from tenants.audit import audit_record
from tenants.models import AuditEntry
from tests.factories import NOW, RecordFactory, RunFactory
from tests.portal.conftest import CAUSE, ERROR


def url(name, books, **more):
    return reverse(f"runs:{name}", kwargs={"slug": books.installation.organisation.slug, "cause": CAUSE, **more})


def action_url(books, action):
    return reverse("runs:cause-action", args=[books.installation.organisation.slug, action.public_id])


def page(client, address, **posted):
    answer = client.post(address, posted, follow=True) if posted else client.get(address)
    return re.sub(r"\s+", " ", answer.content.decode())


@pytest.fixture
def more(books):
    """Two more orders of the same cause."""
    made = []
    for number in ("503", "504"):
        record = RecordFactory(installation=books.installation, record_id=number)
        made.append(
            RunFactory(record=record, state="dead", cause=CAUSE, error=ERROR, reason=ERROR["text"],
                       facts={"amount": "10.00", "currency": "GBP"})
        )  # fmt: skip
    return made


def test_attention_says_how_many_what_they_are_worth_and_what_to_do(books, more, owner, as_):
    told = page(as_(owner), reverse("runs:attention", args=[books.installation.organisation.slug]))
    assert "<dd>3</dd>" in told and "£1,254.50" in told and ERROR["cure"] in told and books.installation.name in told


def test_cause_without_a_fingerprint_has_a_page_too(books, owner, as_):
    Run.unscoped.filter(pk=books.dead_run.pk).update(cause="")
    slug = books.installation.organisation.slug
    client = as_(owner)
    assert "unclassified" in page(client, reverse("runs:attention", args=[slug]))
    assert "SO-502" in page(client, reverse("runs:cause-detail", args=[slug, "unclassified"]))
    assert "unclassified" in page(client, reverse("runs:record-detail", args=[slug, books.dead.pk]))


@pytest.mark.parametrize("decision", ["cause-replay", "cause-let-go"])
def test_a_decision_with_another_count_does_nothing_and_tells_the_new_one(books, more, owner, as_, decision):
    told = page(as_(owner), url(decision, books), count="2", reason="x")
    assert "There are 3 of them now." in told
    assert set(InboxEvent.unscoped.values_list("state", flat=True)) == {"dead"} and not Replay.unscoped.exists()


@pytest.mark.parametrize("count", ["", "-3", "3.0", "three", "٣", "99999999999999999999"])
def test_a_count_that_is_none_is_no_consent(books, more, owner, as_, count):
    page(as_(owner), url("cause-replay", books), count=count)
    assert set(InboxEvent.unscoped.values_list("state", flat=True)) == {"dead"}


def test_replay_shows_how_far_it_is(books, more, owner, as_):
    client = as_(owner)
    told = page(client, url("cause-replay", books), count="3")
    assert "0 of 3 are through" in told and 'data-live="/o/' in told
    Run.unscoped.filter(pk=more[0].pk).update(state="done", finished_at=NOW)
    Run.unscoped.filter(pk=more[1].pk).update(state="dead")
    address = action_url(books, CauseAction.unscoped.get(kind="replay"))
    assert "2 of 3 are through" in page(client, address)
    Run.unscoped.filter(pk=books.dead_run.pk).update(state="done", finished_at=NOW)
    told = page(client, address)
    assert "All 3 are through" in told and "data-live" not in told and "1 wait for the same reason again" in told


def test_a_second_replay_finds_nothing_left(books, owner, as_):
    client = as_(owner)
    page(client, url("cause-replay", books), count="1")
    assert "Nothing of this cause is open any more." in page(client, url("cause-replay", books), count="1")


def test_letting_all_go_needs_a_reason(books, more, owner, as_):
    client = as_(owner)
    assert "say why" in page(client, url("cause-let-go", books), count="3", reason="  ")
    assert Run.unscoped.filter(state="dead").count() == 3
    assert "3 were let go" in page(client, url("cause-let-go", books), count="3", reason="Test orders.")
    assert {run.reason for run in Run.unscoped.filter(state="cancelled")} == {"Test orders."}


class TestChoices:
    """Where to begin, and on which version."""

    def asked(self, client, books, **choice):
        page(client, url("cause-replay", books), count="1", **choice)
        return Replay.unscoped.get()

    def test_from_the_start_unless_asked_otherwise(self, books, owner, as_):
        assert not self.asked(as_(owner), books).resume

    def test_from_the_failed_step(self, books, owner, as_):
        assert self.asked(as_(owner), books, **{"from": "step"}).resume

    def test_one_order_alone(self, books, owner, as_):
        address = reverse("runs:record-again", args=[books.installation.organisation.slug, books.dead.pk])
        page(as_(owner), address, **{"from": "step"})
        assert Replay.unscoped.get().resume

    def test_versions_are_offered_only_where_they_differ(self, books, owner, as_):
        client, old = as_(owner), books.installation.pair_version
        record = reverse("runs:record-detail", args=[books.installation.organisation.slug, books.dead.pk])
        for address in (url("cause-detail", books), record):
            assert "On which version" not in page(client, address)
        newer = PairVersion.objects.create(
            pair_key=old.pair_key, number=9, title="Newer", document=old.document, digest="n", created_at=NOW
        )
        Installation.unscoped.update(pair_version=newer)
        for address in (url("cause-detail", books), record):
            assert "On which version" in page(client, address)
        assert self.asked(client, books, version="own").pair_version == old


class TestPreview:
    @pytest.fixture
    def looked(self, monkeypatch):
        """Which records were asked for; every second would be held again."""
        asked = []

        def look(installation, records):
            asked.extend(records)
            return [self.item(number) for _, number in records]

        monkeypatch.setattr("runs.cause_previews.preview", look)
        return asked

    def item(self, number):
        if int(number) % 2:
            held = {"class": "Held", "code": "unknown_sku", "cure": "Add it."}
            return PreviewItem("order", number, "held", f"Unknown SKU in {number}.", error=held)
        planned = {"title": "Create the invoice", "step": "f.invoice", "note": "",
                   "input": {"reference": f"N-{number}", "gross": "10.00", "name": "Ada Planted"}}  # fmt: skip
        return PreviewItem("order", number, "would_write", planned=(planned,), facts={"currency": "GBP"})

    def test_it_says_how_many_would_be_written_and_what_would_wait_again(self, books, more, owner, as_, looked):
        told = page(as_(owner), url("cause-dry-run", books), **{"from": "start"})
        assert sorted(number for _, number in looked) == ["502", "503", "504"]
        assert "2 of 3 would be written" in told and "Again, because: Unknown SKU in 503." in told
        assert "2 × Create the invoice" in told and "£20.00" in told and "N-504" in told
        assert "Ada Planted" not in told, "no personal data is kept of a preview"
        assert "Replay all 3" in told
        assert set(InboxEvent.unscoped.values_list("state", flat=True)) == {"dead"}
        assert AuditEntry.unscoped.get(action="cause.previewed").details["count"] == 3

    @pytest.mark.django_db(transaction=True)
    def test_many_go_on_in_the_scheduler_with_progress(self, books, more, owner, as_, looked, monkeypatch):
        from runs.cause_previews import PreviewReader

        monkeypatch.setattr("runs.cause_previews.AT_ONCE", 1)
        client = as_(owner)
        told = page(client, url("cause-dry-run", books), **{"from": "start"})
        assert "1 of 3 looked at" in told and 'data-live="/o/' in told
        reader = PreviewReader()
        assert reader.round() == 1
        reader._thread.join(20)
        action = CauseAction.unscoped.latest("pk")
        assert (action.state, len(action.rows)) == ("ready", 3)
        assert "2 of 3 would be written" in page(client, action_url(books, action))
        assert reader.round() == 0

    def test_more_than_can_be_looked_at_says_so(self, books, more, owner, as_, looked, monkeypatch):
        monkeypatch.setattr("runs.cause_previews.MOST_PREVIEWED", 2)
        told = page(as_(owner), url("cause-dry-run", books), **{"from": "start"})
        assert "The oldest 2 of 3 were looked at." in told

    def test_what_goes_wrong_is_told(self, books, owner, as_, monkeypatch):
        from connectors.base.errors import NeedsAttention

        def refuse(installation, records):
            raise NeedsAttention("The password was refused.")

        monkeypatch.setattr("runs.cause_previews.preview", refuse)
        assert "The password was refused." in page(as_(owner), url("cause-dry-run", books), **{"from": "start"})

    def test_a_run_that_does_not_wait_any_more_is_no_hole(self, books, more, owner, as_, looked):
        from runs.cause_previews import preview_step

        action = CauseAction.objects.create(
            organisation=books.installation.organisation, kind="preview", cause=CAUSE, count=2, created_at=NOW,
            state="working", run_ids=[books.dead_run.pk, 10**9],
        )  # fmt: skip
        assert not preview_step(action)
        assert [row["outcome"] for row in action.rows] == ["would_write", "nothing_to_do"]

    def test_the_fragment_is_the_changing_part_alone(self, books, owner, as_):
        answer = as_(owner).get(action_url(books, books.action), headers={"X-Fragment": "1"}).content.decode()
        assert "would be written" in answer and "<html" not in answer


class TestChanges:
    def note(self, books, action, *, before, target=None, by=None, **details):
        audit_record(
            organisation=books.installation.organisation, action=action, actor=by,
            target=target or books.installation, details=details, at=NOW - before,
        )  # fmt: skip

    def test_what_changed_before_the_first_failure_is_shown_closest_first(self, books, owner, as_):
        self.note(books, "installation.settings_changed", before=timedelta(hours=5), by=owner, changed=["unknown_sku"])
        self.note(books, "connection.credentials_replaced", before=timedelta(minutes=3), by=owner,
                  target=books.installation.target, changed=["service_address"])  # fmt: skip
        told = page(as_(owner), url("cause-detail", books))
        near, far = told.index("Credentials or address"), told.index("Settings changed")
        assert near < far and "service address" in told and "unknown sku" in told and owner.email in told
        assert "3 min" in told and "5 h" in told

    def test_later_older_and_other_things_are_left_out(self, books, owner, as_, other_organisation):
        from tests.factories import InstallationFactory

        other = InstallationFactory(organisation=books.installation.organisation)
        self.note(books, "installation.settings_changed", before=timedelta(minutes=-1))
        self.note(books, "installation.settings_changed", before=timedelta(days=8))
        self.note(books, "installation.settings_changed", before=timedelta(hours=1), target=other)
        self.note(books, "step.payload_opened", before=timedelta(hours=1))
        assert "Nobody changed settings" in page(as_(owner), url("cause-detail", books))

    def test_who_it_was_is_for_those_who_may_read_the_audit_log(self, books, owner, member, as_):
        self.note(books, "installation.settings_changed", before=timedelta(hours=5), by=owner)
        told = page(as_(member), url("cause-detail", books))
        assert "a member" in told and owner.email not in told


class TestRoles:
    def test_viewer_looks_and_decides_nothing(self, books, viewer, as_):
        client = as_(viewer)
        told = page(client, url("cause-detail", books))
        assert "SO-502" in told and "<button>Replay" not in told and "Let it go" not in told
        for decision in ("cause-replay", "cause-let-go", "cause-dry-run"):
            assert client.post(url(decision, books), {"count": "1", "reason": "x"}).status_code == 403
        assert client.get(action_url(books, books.action)).status_code == 200

    def test_bookkeeper_decides(self, books, member, as_):
        page(as_(member), url("cause-replay", books), count="1")
        assert Replay.unscoped.get().by_label == member.email


def test_queries_do_not_grow_with_the_orders_of_a_cause(books, owner, as_, django_assert_max_num_queries):
    client = as_(owner)
    for number in range(30):
        record = RecordFactory(installation=books.installation, record_id=f"9{number}")
        RunFactory(record=record, state="dead", cause=CAUSE, reason="x", facts={"amount": "1", "currency": "GBP"})
    with django_assert_max_num_queries(22):
        client.get(url("cause-detail", books))
    with django_assert_max_num_queries(16):
        client.get(reverse("runs:attention", args=[books.installation.organisation.slug]))
