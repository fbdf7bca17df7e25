"""One stand-in for the whole run, started over for each test."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sandbox.common.server import running
from sandbox.nopcommerce.standin import NopCommerce
from tests.connectors.nopcommerce import openapi
from tests.connectors.nopcommerce.shops import Shop


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[NopCommerce, str]]:
    standin = NopCommerce()
    with running(standin) as address:
        yield standin, address


@pytest.fixture
def shop(served: tuple[NopCommerce, str]) -> Iterator[Shop]:
    """Afterwards every call made to family A is held against the published description, where that is at hand."""
    standin, address = served
    with httpx.Client(base_url=address, timeout=10) as http:
        under_test = Shop(standin, http)
        under_test.control("POST", "reset", {"seed": 1})
        yield under_test
    openapi.check(under_test.sent)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if openapi.checks:
        terminalreporter.write_line(f"nopCommerce OpenAPI: {openapi.checks} requests and replies checked")
