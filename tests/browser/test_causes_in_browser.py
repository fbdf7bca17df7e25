"""Causes as people meet them: look, preview, replay and let go, by keyboard, wide and narrow."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from connections.pauses import connector_pause
from flows.models import Installation, PairVersion
from runs.cause_previews import PreviewReader
from runs.models import CauseAction, Run, StepBatch
from runs.payloads import STEPS, payload_seal, steps_object
from runs.preview import PreviewItem
from tenants.audit import audit_record
from tenants.clock import database_now
from tests.browser.test_portal_in_browser import _overflow, log_in
from tests.factories import NOW, RecordFactory, RunFactory
from tests.portal.conftest import CAUSE, ERROR, books_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOME = "/o/mill-lane-teas/"
EXCHANGE = {
    "operation": "create_invoice", "effect": "write", "method": "POST", "own": True, "status": 422, "seconds": 0.3127,
    "url": "https://securedwebapp.com/api/service.asmx?" + "long-query=" + "x" * 120, "request_id": "req-7781-aa",
    "request_headers": {"content-type": "application/json", "authorization": "[redacted]"},
    "request_body": '{"CustomerReference":"NOP-1002","Lines":[{"ProductCode":"TEA-9","Quantity":2}]}',
    "reply_headers": {"content-type": "application/json", "x-request-id": "req-7781-aa"},
    "reply_body": '{"Error":"InvalidProduct","Message":"There is no product TEA-9."}', "error": "",
}  # fmt: skip


@pytest.fixture
def books(transactional_db, organisation, owner):
    """Twelve orders of one cause with a history, one of another with long words, and a pair that has moved on."""
    call_command("createcachetable")
    books = books_of(organisation)
    for number in range(11):
        record = RecordFactory(installation=books.installation, record_id=str(600 + number))
        RunFactory(record=record, state="dead", cause=CAUSE, error=ERROR, reason=ERROR["text"],
                   facts={"amount": f"{number * 37}.10", "currency": "GBP", "order_number": f"SO-{600 + number}"},
                   received_at=NOW + timedelta(minutes=number))  # fmt: skip
    long = "The description of line 3 says “" + "Darjeeling-first-flush-" * 9 + "” and KashFlow takes 100 letters."
    RunFactory(record=RecordFactory(installation=books.installation, record_id="700"), state="held", cause="f00d",
               reason=long, error={"class": "Held", "code": "too_long", "cure": "Shorten it in the shop, then replay."},
               facts={"amount": "8.00", "currency": "EUR"})  # fmt: skip
    for action, before, target, more in (
        ("installation.settings_changed", timedelta(minutes=42), books.installation, {"changed": ["unknown_sku"]}),
        ("connection.credentials_replaced", timedelta(days=2), books.installation.target, {"changed": ["username"]}),
    ):
        audit_record(organisation=organisation, action=action, actor=owner, target=target, at=NOW - before,
                     details=more)  # fmt: skip
    old = books.installation.pair_version
    newer = PairVersion.objects.create(
        pair_key=old.pair_key, number=old.number + 1, title=old.title, document=old.document, digest="n", created_at=NOW
    )
    Installation.unscoped.update(pair_version=newer)
    return books


@pytest.fixture
def foreseen(monkeypatch):
    """What both systems would say: every third order would be held again."""

    def look(installation, records):
        return [_item(int(number)) for _, number in records]

    monkeypatch.setattr("runs.cause_previews.preview", look)
    monkeypatch.setattr("runs.cause_previews.AT_ONCE", 4)


def _item(number):
    if number % 3 == 0:
        error = {"class": "Held", "code": "unknown_sku", "cure": "Add the product in KashFlow, then replay."}
        return PreviewItem("order", str(number), "held", f"KashFlow has no product TEA-{number}.", error=error)
    planned = tuple(
        {"title": title, "step": "f.x", "note": "", "input": {"reference": f"NOP-{number}", name: f"{number}.10"}}
        for title, name in (("Create an invoice or credit note", "gross"), ("Record a payment on an invoice", "amount"))
    )
    return PreviewItem("order", str(number), "would_write", planned=planned, facts={"currency": "GBP"})


def failed_step(books):
    """Order 502 with what was said on the wire."""
    run = books.dead_run
    steps = [{"path": "order-to-invoice.invoice", "kind": "action", "title": "Create the sales invoice",
              "state": "failed", "started_at": NOW.isoformat(), "seconds": 0.32,
              "error": {"customer_text": ERROR["text"], "cure": ERROR["cure"], "code": "unknown_sku",
                        "request_id": "req-7781-aa"}}]  # fmt: skip
    sealed = [{"input": {"reference": "NOP-1002"}, "output": None, "exchanges": [EXCHANGE]}]
    StepBatch.objects.create(
        organisation=run.organisation, run=run, attempt=2, first_sequence=0, written_at=NOW, steps=steps,
        sealed=payload_seal(run.organisation_id, STEPS, steps_object(run.pk, 2, 0), sealed),
    )  # fmt: skip


def finish_preview():
    reader = PreviewReader()
    CauseAction.unscoped.update(lease_expires_at=None)
    assert reader.round()
    reader._thread.join(20)


@pytest.mark.parametrize("width", [1280, 360])
def test_pages_fit_and_the_browser_has_no_complaint(books, foreseen, page_of, complaints, width):
    failed_step(books)
    connector_pause(connector="kashflow", notice="KashFlow loses payments.", at=database_now(), by=None)
    page = log_in(page_of(width))
    page.goto(f"{HOME}attention/{CAUSE}/")
    page.get_by_role("button", name="See what a replay would do").click()
    page.wait_for_url("**/cause-actions/**")
    assert _overflow(page) <= 0
    finish_preview()
    page.reload()
    preview = page.url
    for address in (f"{HOME}attention/", f"{HOME}attention/{CAUSE}/", f"{HOME}attention/f00d/", preview,
                    f"{HOME}records/{books.dead.pk}/"):  # fmt: skip
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
        page.wait_for_load_state("networkidle")
        assert _overflow(page) <= 0, address
    assert complaints == []


def test_preview_shows_progress_and_ends_by_itself(books, foreseen, page_of, complaints):
    page = log_in(page_of())
    page.goto(f"{HOME}attention/{CAUSE}/")
    page.get_by_role("button", name="See what a replay would do").click()
    page.get_by_role("heading", name="4 of 12 looked at").wait_for()
    finish_preview()
    page.get_by_role("heading", name="8 of 12 would be written").wait_for()
    assert page.get_by_text("Again, because: KashFlow has no product").first.is_visible()
    page.get_by_role("button", name="Replay all 12").click()
    page.get_by_role("heading", name="0 of 12 are through").wait_for()
    Run.unscoped.filter(cause=CAUSE).update(state="done", finished_at=NOW)
    page.get_by_role("heading", name="All 12 are through").wait_for()
    assert complaints == []


def test_replay_by_keyboard_alone(books, page_of):
    page = log_in(page_of())
    page.goto(f"{HOME}attention/")
    _tab_to(page, "Look and decide about: KashFlow does not know")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/attention/{CAUSE}/")
    _tab_to(page, "start")
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("From the step that failed").is_checked()
    _tab_to(page, "present")
    page.keyboard.press("ArrowDown")
    _tab_to(page, "Replay all 12")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="0 of 12 are through").wait_for()
    action = CauseAction.unscoped.get(kind="replay")
    assert (action.resume, action.own_version) == (True, True)


def _tab_to(page, words):
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate("(() => { const e = document.activeElement; return e.value || e.textContent.trim() })()")
        if at.replace("\n", " ").startswith(words):
            return
    raise AssertionError(f"{words!r} cannot be reached by the keyboard")


def test_letting_all_go_asks_for_a_reason(books, page_of):
    page = log_in(page_of())
    page.goto(f"{HOME}attention/{CAUSE}/")
    page.get_by_text("Let all 12 go…").click()
    button = page.get_by_role("button", name="Let all 12 go")
    button.click()
    assert page.url.endswith(f"/attention/{CAUSE}/"), "the reason is required"
    page.get_by_label("Why are they let go?").fill("Test orders of last night.")
    button.click()
    page.get_by_text("12 were let go.").wait_for()
    assert Run.unscoped.filter(state="cancelled").count() == 12


def test_request_and_reply_open_beside_the_error(books, page_of, complaints):
    failed_step(books)
    page = log_in(page_of())
    page.goto(f"{HOME}records/{books.dead.pk}/")
    page.get_by_text("Request, reply and data").last.click()
    page.get_by_text("There is no product TEA-9.").wait_for()
    assert page.get_by_text("req-7781-aa").first.is_visible() and complaints == []
