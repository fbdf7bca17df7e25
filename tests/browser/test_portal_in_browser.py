"""The portal as people meet it: log in, walk, keyboard only, narrow, refreshing by itself."""

import pytest
from django.core.management import call_command

from runs.models import Record
from tests.factories import RecordFactory, RunFactory
from tests.portal.conftest import CAUSE, books_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def books(transactional_db, organisation, owner):
    call_command("createcachetable")
    return books_of(organisation)


@pytest.fixture
def addresses(books):
    home = f"/o/{books.installation.organisation.slug}/"
    pair = f"{home}pairs/{books.installation.pk}/"
    return [
        home, pair, f"{pair}settings", f"{pair}steps", f"{pair}imports/", f"{home}imports/{books.job.public_id}/",
        f"{home}records/{books.done.pk}/", f"{home}records/{books.dead.pk}/", f"{home}attention/",
        f"{home}attention/{CAUSE}/", f"{home}connections/", f"{home}connections/{books.installation.target_id}/",
        f"{home}connections/{books.installation.target_id}/credentials",
    ]  # fmt: skip


def log_in(page):
    page.goto("/accounts/login/")
    page.fill("[name=login]", "owner@example.com")
    page.fill("[name=password]", "a long enough passphrase")
    page.keyboard.press("Enter")
    page.wait_for_url("**/o/**")
    return page


@pytest.mark.parametrize("width", [1280, 360])
def test_pages_fit_and_the_browser_has_no_complaint(books, addresses, page_of, complaints, width):
    Record.unscoped.filter(pk=books.dead.pk).update(label="An order with a very " + "long" * 40 + " label")
    page = page_of(width)
    for address in ("/", "/accounts/signup/", "/accounts/password/reset/"):
        page.goto(address)
        assert _overflow(page) <= 0, address
    log_in(page)
    for address in addresses:
        assert page.goto(address).status == 200, address
        page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
        page.wait_for_load_state("networkidle")
        assert _overflow(page) <= 0, address
    assert complaints == []


def _overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_keyboard_reaches_everything_and_shows_where_it_is(books, addresses, page_of):
    page = log_in(page_of())
    page.goto(addresses[1])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "(() => { const at = document.activeElement, style = getComputedStyle(at);"
            " return [at.textContent.trim() || at.name, style.outlineStyle, parseFloat(style.outlineWidth)] })()"
        )
        reached.add(seen[0])
        if seen[0] and seen[0] != "Skip to content" and page.evaluate("document.activeElement !== document.body"):
            assert seen[1] != "none" and seen[2] >= 2, f"no visible focus on {seen[0]!r}"
    assert {"Home", "Pause", "Settings", "Find", "SO-501", "SO-502"} <= reached


def test_new_order_appears_without_reloading(books, addresses, page_of, complaints):
    page = log_in(page_of())
    page.goto(addresses[1])
    assert page.get_by_text("SO-777").count() == 0
    RunFactory(record=RecordFactory(installation=books.installation, facts={"order_number": "SO-777"}))
    page.get_by_text("SO-777").first.wait_for(timeout=10_000)
    assert complaints == []


def test_payload_opens_in_place(books, page_of, addresses, complaints):
    page = log_in(page_of())
    page.goto(addresses[6])
    page.evaluate("document.querySelectorAll('details.flow').forEach(box => box.open = true)")
    page.locator(".payload summary").first.click()
    page.get_by_text("Ada Planted").wait_for()
    assert complaints == []


def test_row_is_added_to_a_table_and_saved(books, addresses, page_of, complaints):
    page = log_in(page_of())
    page.goto(addresses[2])
    before = page.locator("table[data-rows=sku_table] tbody tr").count()
    page.click("[data-add-row=sku_table]")
    assert page.locator("table[data-rows=sku_table] tbody tr").count() == before + 1
    page.keyboard.type("TEA-9")
    page.keyboard.press("Tab")
    page.keyboard.type("T9")
    page.click("text=Save settings")
    page.get_by_text("Saved.").wait_for()
    books.installation.refresh_from_db()
    assert books.installation.settings == {"sku_table": {"TEA-9": "T9"}}
    assert complaints == []


def test_letting_go_asks_for_a_reason(books, addresses, page_of):
    page = log_in(page_of())
    page.goto(addresses[7])
    page.get_by_text("Let go…").click()
    page.fill("#reason", "Ordered twice.")
    page.get_by_role("button", name="Let go", exact=True).click()
    page.get_by_text("Let go. The next change").wait_for()
    books.dead_run.refresh_from_db()
    assert books.dead_run.state == "cancelled"
