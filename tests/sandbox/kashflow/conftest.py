import pytest

from sandbox.common.server import running
from sandbox.kashflow import KashFlow
from tests.sandbox.kashflow.client import Client


@pytest.fixture(scope="session")
def address():
    with running(KashFlow(seed=1)) as url:
        yield url


@pytest.fixture
def kashflow(address):
    """A client of a stand-in that has just been started over."""
    client = Client(address)
    client.http.post("/control/reset", json={"seed": 1}).raise_for_status()
    yield client
    client.http.close()


@pytest.fixture
def second(kashflow):
    """A client of the second company on the same stand-in."""
    client = Client(kashflow.url, "demo2", "demo2-password", "watermill")
    yield client
    client.http.close()
