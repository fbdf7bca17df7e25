"""A real browser before a real server. Set ``CAUSEWAY_BROWSER`` to a Chromium binary to run these tests."""

import os

import pytest

BINARY = os.environ.get("CAUSEWAY_BROWSER", "")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(config, items):
    if BINARY:
        return
    away = [item for item in items if item.get_closest_marker("browser")]
    items[:] = [item for item in items if item not in away]
    if away:
        config.hook.pytest_deselected(items=away)


def pytest_report_header():
    return None if BINARY else "browser tests: deselected, CAUSEWAY_BROWSER names no Chromium binary"


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    # Playwright's synchronous interface keeps an event loop in this thread; the tests' own queries are no part of it.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BINARY, args=QUIET)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def complaints():
    """What the browser complained about; a test ends by asserting there is nothing."""
    return []


@pytest.fixture
def page_of(chromium, live_server, complaints):
    """``page_of(width)``: a fresh page of that width on the live server."""
    opened = []

    def page(width=1280):
        context = chromium.new_context(viewport={"width": width, "height": 800}, base_url=live_server.url)
        context.set_default_timeout(10_000)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield page
    for context in opened:
        context.close()
