"""What the pages say, and to whom."""

import html
import re

import pytest
from django.urls import reverse

from runs.importing import import_claim
from runs.models import ImportJob, InboxEvent, Run
from runs.preview import PreviewItem
from tenants.models import AuditEntry
from tests.factories import NOW, ConnectionFactory, RecordFactory, RunFactory
from tests.portal.conftest import CAUSE


def url(name, books, **more):
    return reverse(name, kwargs={"slug": books.installation.organisation.slug, **more})


def pages_of(books):
    pair, record = {"installation_id": books.installation.pk}, {"record_id": books.dead.pk}
    connection = {"connection_id": books.installation.source_id}
    return {
        url("runs:home", books): "Money waiting",
        url("runs:pair-detail", books, **pair): "SO-501",
        url("runs:pair-live", books, **pair): "SO-502",
        url("runs:import-list", books, **pair): "Import past orders",
        url("runs:import-detail", books, public_id=books.job.public_id): "Invoiced by hand.",
        url("runs:record-detail", books, **record): "Add the product TEA-9",
        url("runs:attention", books): "£1,234.50",
        url("runs:cause-detail", books, cause=CAUSE): "SO-502",
        url("flows:installation-settings", books, **pair): "Time zone of your shop",
        url("flows:installation-outline", books, **pair): "Fetch the order",
        url("connections:connection-list", books): books.installation.source.name,
        url("connections:connection-detail", books, **connection): "/hooks/",
    }


@pytest.mark.parametrize("person", ["owner", "member", "viewer"])
def test_every_page_opens_for_every_role(books, as_, person, request):
    client = as_(request.getfixturevalue(person))
    for address, expected in pages_of(books).items():
        answer = client.get(address)
        assert answer.status_code == 200, address
        if expected != "/hooks/" or person == "owner":
            assert expected in answer.content.decode(), address


def test_viewer_may_change_nothing(books, viewer, as_):
    client = as_(viewer)
    refused = [
        url("runs:record-again", books, record_id=books.dead.pk),
        url("runs:record-dry-run", books, record_id=books.dead.pk),
        url("runs:record-let-go", books, record_id=books.dead.pk),
        url("runs:cause-replay", books, cause=CAUSE),
        url("runs:pair-switch", books, installation_id=books.installation.pk),
        url("runs:import-list", books, installation_id=books.installation.pk),
        url("runs:import-start", books, public_id=books.job.public_id),
        url("flows:installation-settings", books, installation_id=books.installation.pk),
        url("connections:connection-test", books, connection_id=books.installation.source_id),
        url("connections:connection-credentials", books, connection_id=books.installation.source_id),
    ]
    assert {address: client.post(address).status_code for address in refused} == dict.fromkeys(refused, 403)


def test_viewer_sees_neither_payloads_nor_hook_nor_buttons(books, viewer, as_):
    client = as_(viewer)
    assert client.get(url("runs:step-detail", books, batch_id=books.step.pk, place=0)).status_code == 403
    page = client.get(url("runs:record-detail", books, record_id=books.dead.pk)).content.decode()
    assert "lines add up to" not in page.lower() and "Try again now" not in page
    connection = client.get(url("connections:connection-detail", books, connection_id=books.installation.source_id))
    assert "/hooks/" not in connection.content.decode()


def test_opening_a_payload_is_written_into_the_audit_log(books, owner, as_):
    answer = as_(owner).get(url("runs:step-detail", books, batch_id=books.step.pk, place=0))
    assert "Ada Planted" in answer.content.decode()
    entry = AuditEntry.unscoped.get(action="step.payload_opened")
    assert (entry.actor, entry.object_id) == (owner, str(books.step.pk))


def test_record_page_shows_what_it_became_and_how(books, owner, as_):
    page = as_(owner).get(url("runs:record-detail", books, record_id=books.done.pk)).content.decode()
    for text in ("INV-77", "N-501", "Found and adopted", "£99.50", "Fetch the order", "Two documents answer."):
        assert text in page, text
    assert "Ada Planted" not in page  # payloads are opened on purpose only


def test_step_that_failed_tells_its_error_and_cure(books, owner, as_):
    page = as_(owner).get(url("runs:record-detail", books, record_id=books.dead.pk)).content.decode()
    timeline = page[page.index("Timeline") :]
    assert "KashFlow does not know the SKU TEA-9." in timeline and "Add the product TEA-9" in timeline


def test_held_parts_are_listed(books, owner, as_):
    parts = {"items": [{"customer_text": "Line 2 has no price.", "cure": "Price it."}]}
    Run.unscoped.filter(pk=books.dead_run.pk).update(state="held", error=parts)
    page = as_(owner).get(url("runs:record-detail", books, record_id=books.dead.pk)).content.decode()
    assert "Line 2 has no price." in page and "Price it." in page


def test_run_again_wakes_an_open_order(books, owner, as_, django_capture_on_commit_callbacks):
    answer = as_(owner).post(url("runs:record-again", books, record_id=books.dead.pk), follow=True)
    assert "being tried again" in answer.content.decode()
    assert InboxEvent.unscoped.get(record=books.dead).state == "waiting"


def test_run_again_opens_a_finished_order(books, owner, as_):
    as_(owner).post(url("runs:record-again", books, record_id=books.done.pk))
    assert InboxEvent.unscoped.get(record=books.done).via == "manual"


def test_let_go_needs_a_reason(books, owner, as_):
    address = url("runs:record-let-go", books, record_id=books.dead.pk)
    assert "say why" in as_(owner).post(address, {"reason": " "}, follow=True).content.decode()
    assert Run.unscoped.get(pk=books.dead_run.pk).state == "dead"
    as_(owner).post(address, {"reason": "Ordered twice by mistake."})
    run = Run.unscoped.get(pk=books.dead_run.pk)
    assert (run.state, run.reason) == ("cancelled", "Ordered twice by mistake.")


def test_dry_run_lists_what_would_be_written(books, owner, as_, monkeypatch):
    asked = []
    item = PreviewItem(
        "order", "502", "would_write", planned=({"title": "Create the invoice", "note": "", "input": {}},)
    )
    monkeypatch.setattr("runs.pages.record.preview", lambda where, records: asked.append(records) or [item])
    page = as_(owner).post(url("runs:record-dry-run", books, record_id=books.dead.pk)).content.decode()
    assert asked == [[("order", "502")]] and "Create the invoice" in page and "nothing was written" in page


def test_cause_page_shows_the_arithmetic_of_the_latest(books, owner, as_):
    page = as_(owner).get(url("runs:cause-detail", books, cause=CAUSE)).content.decode()
    assert "1234.49" in page and "Replay it (£1,234.50)" in re.sub(r"\s+", " ", page)


def test_group_is_replayed_only_with_the_count_that_was_shown(books, owner, as_):
    RunFactory(record=RecordFactory(installation=books.installation), state="dead", cause=CAUSE, reason="x")
    address = url("runs:cause-replay", books, cause=CAUSE)
    answer = as_(owner).post(address, {"count": "1"}, follow=True)
    assert "There are 2 of them now" in answer.content.decode()
    assert InboxEvent.unscoped.filter(state="dead").count() == 2
    assert "0 of 2 are through" in as_(owner).post(address, {"count": "2"}, follow=True).content.decode()
    assert InboxEvent.unscoped.filter(state="waiting").count() == 2


def test_orders_are_filtered_and_found_by_number(books, owner, as_):
    address = url("runs:pair-detail", books, installation_id=books.installation.pk)

    def shown(**query):
        return set(re.findall(r"SO-50\d", as_(owner).get(address, query).content.decode()))

    assert shown() == {"SO-501", "SO-502"}
    assert shown(state="dead") == {"SO-502"}
    assert shown(q="SO-501") == {"SO-501"}
    assert shown(q="502") == {"SO-502"}
    assert shown(q="INV-77") == {"SO-501"}  # by the number of its document
    assert "Nothing matches." in as_(owner).get(address, {"q": "999"}).content.decode()


def test_empty_pair_tells_the_next_step(books, owner, as_):
    address = url("runs:pair-detail", books, installation_id=books.installation.pk)
    assert "Place one in" in as_(owner).get(address, {"type": "ledger_product"}).content.decode()


def test_switching_off_and_on(books, owner, as_):
    address = url("runs:pair-switch", books, installation_id=books.installation.pk)
    for state in ("paused", "active"):
        as_(owner).post(address, {"state": state})
        books.installation.refresh_from_db()
        assert books.installation.state == state
    as_(owner).post(address, {"state": "removed"})
    books.installation.refresh_from_db()
    assert books.installation.state == "active"


def test_import_is_asked_for_and_waits_for_a_scheduler(books, owner, as_):
    address = url("runs:import-list", books, installation_id=books.installation.pk)
    answer = as_(owner).post(address, {"first_day": "2026-01-01", "last_day": "2026-01-31"})
    job = ImportJob.unscoped.latest("pk")
    assert import_claim() == job and str(job.public_id) in answer.url
    wrong = as_(owner).post(address, {"first_day": "2026-02-01", "last_day": "2026-01-31"}).content.decode()
    assert "The first day must not be after the last day." in wrong


def test_import_shows_totals_and_starts_once(books, owner, as_):
    page = as_(owner).get(url("runs:import-detail", books, public_id=books.job.public_id)).content.decode()
    assert "£1,000.00" in page and "£234.50" in page and "Import 2 orders" in page
    start = url("runs:import-start", books, public_id=books.job.public_id)
    assert "2 orders are being imported" in as_(owner).post(start, follow=True).content.decode()
    assert "Only a previewed import" in as_(owner).post(start, follow=True).content.decode()
    assert InboxEvent.unscoped.filter(via="import").count() == 2


def test_alert_leaves_the_home_page_once_seen(books, owner, as_):
    client, home = as_(owner), url("runs:home", books)
    assert "Two documents answer." in client.get(home).content.decode()
    client.post(url("runs:alert-dismiss", books, alert_id=books.alert.pk))
    assert "Two documents answer." not in client.get(home).content.decode()


def test_times_are_local_with_utc_on_hovering(books, owner, as_, organisation):
    organisation.time_zone = "Pacific/Auckland"
    organisation.save()
    page = as_(owner).get(url("runs:record-detail", books, record_id=books.done.pk)).content.decode()
    assert 'title="2026-11-20 09:00:00 UTC">22:00:00<' in page or "20 Nov 2026, 22:00" in page


def test_suspended_organisation_can_look_but_not_act(books, owner, as_, organisation):
    organisation.suspended_at, organisation.suspended_reason = NOW, "Unpaid."
    organisation.save()
    assert "is suspended" in as_(owner).get(url("runs:home", books)).content.decode()
    assert as_(owner).post(url("runs:record-again", books, record_id=books.dead.pk)).status_code == 403


def test_forms_refuse_posts_without_token(books, owner):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.post(url("runs:record-again", books, record_id=books.dead.pk)).status_code == 403
    assert InboxEvent.unscoped.get(record=books.dead).state == "dead"


def test_pages_carry_a_policy_they_keep(books, owner, as_):
    client = as_(owner)
    for address in [*pages_of(books), "/accounts/password/change/"]:
        answer = client.get(address)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        html = answer.content.decode()
        assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son[a-z]+=|(?:src|href)=\"https?:", html), address


@pytest.mark.parametrize("name", ["runs:home", "runs:attention", "connections:connection-list"])
def test_lists_cost_the_same_with_more_rows(books, owner, as_, name, django_assert_max_num_queries):
    client, address = as_(owner), url(name, books)
    _more(books, 12)
    with django_assert_max_num_queries(16):
        assert client.get(address).status_code == 200


@pytest.mark.parametrize("name", ["runs:pair-detail", "runs:pair-live"])
def test_order_list_costs_the_same_with_more_rows(books, owner, as_, name, django_assert_max_num_queries):
    client, address = as_(owner), url(name, books, installation_id=books.installation.pk)
    _more(books, 40)
    with django_assert_max_num_queries(16):
        page = client.get(address).content.decode()
    older = re.search(r'href="([^"]*before=[^"]*)"', page)
    following = client.get(html.unescape(older[1])).content.decode()
    shown = [set(re.findall(r"records/(\d+)/", one)) for one in (page, following)]
    assert len(shown[0]) == 25 and len(shown[0] | shown[1]) == 42 and not shown[0] & shown[1]
    assert "← Latest" in following and "← Latest" not in page


def _more(books, count):
    for _ in range(count):
        RunFactory(record=RecordFactory(installation=books.installation), state="dead", cause=CAUSE, reason="x")
        ConnectionFactory(organisation=books.installation.organisation)


def test_front_page_sends_members_home(books, owner, client):
    assert "Once, to the penny" in client.get("/").content.decode()
    client.force_login(owner)
    assert client.get("/").url == url("runs:home", books)


def test_new_person_makes_an_organisation(as_, db):
    from tests.factories import UserFactory

    client = as_(UserFactory())
    assert client.get("/").url == "/organisations/new"
    home = client.post("/organisations/new", {"name": "Mill & Sons"}, follow=True)
    assert "No pair is installed yet." in home.content.decode()


@pytest.mark.parametrize("address", ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"])
def test_account_pages_look_like_ours(client, db, address):
    page = client.get(address).content.decode()
    assert "causeway.css" in page and "Menu:" not in page
