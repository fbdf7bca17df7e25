"""The reference's stub as a process, and a tenant with the six-call pair switched on."""

import pytest

from bench import sixcall, stub
from bench.sixcall import seed
from bench.stack import free_port
from connectors.registry import CONNECTORS
from tests.runs.conftest import drain


def _running(program):
    port = free_port()
    process = stub.start(port, program)
    yield stub.Stub(f"127.0.0.1:{port}")
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def plain_stub():
    yield from _running(stub.REFERENCE / "stub.py")


@pytest.fixture(scope="module")
def searchable_stub():
    yield from _running(stub.SEARCHABLE)


@pytest.fixture
def tenant_at(transactional_db, monkeypatch, settings):
    """``tenant_at(stub)``: a tenant whose connections were tested against that stub."""
    for key, connector in sixcall.CONNECTORS.items():
        monkeypatch.setitem(CONNECTORS, key, connector)
    monkeypatch.setattr("runs.wake.nudge", lambda *_, **__: None)

    def made(at, **how):
        settings.ALLOWED_PRIVATE_TARGETS = [at.address]
        at.reset(0)
        return seed.tenant("test", at.address, **how)

    return made


@pytest.fixture
def drained():
    """Work the inbox until nothing is due."""
    return drain
