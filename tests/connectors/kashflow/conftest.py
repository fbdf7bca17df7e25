"""A KashFlow stand-in over real HTTP, and a desk at which the connector's actions are run against it.

Every SOAP request any test here sends is checked against the published service description, where that is at hand.
"""

import asyncio
import inspect
import json
import os
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from connectors.base.actions import ActionContext
from connectors.base.gate import OpenGate
from connectors.base.http import AddressPolicy, HttpPool
from connectors.base.manifest import ConnectionView
from connectors.kashflow.manifest import CALL_NAMES, CONNECTOR
from sandbox.common.server import running
from sandbox.kashflow import KashFlow as StandIn

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
LOCAL = AddressPolicy(allow=("127.0.0.1",))


class Description:
    """The published service description, as a schema. ``checked`` counts requests by operation."""

    def __init__(self):
        folder = Path(os.environ.get("CAUSEWAY_SPECS") or ROOT.parent / "shared" / "systems" / "specs")
        self.path = folder / "kashflow" / "kashflow-soap-service.wsdl"
        self.checked: dict[str, int] = {}
        self._schema = None

    @property
    def is_there(self):
        return self.path.is_file()

    def check(self, operation, content):
        if not self.is_there:
            return
        if self._schema is None:
            types = etree.parse(self.path).find(".//{http://www.w3.org/2001/XMLSchema}schema")
            # Written out and read again: the namespaces it uses are declared on the description's root.
            self._schema = etree.XMLSchema(etree.fromstring(etree.tostring(types)))
        body = etree.fromstring(content).find("{http://schemas.xmlsoap.org/soap/envelope/}Body")
        # A copy keeps the namespaces that xsi:type needs.
        document = etree.fromstring(etree.tostring(body[0]))
        self._schema.assertValid(document)
        self.checked[operation] = self.checked.get(operation, 0) + 1


DESCRIPTION = Description()


def pytest_terminal_summary(terminalreporter):
    if not DESCRIPTION.is_there:
        terminalreporter.write_line(f"KashFlow: no published description at {DESCRIPTION.path}, nothing checked")
    elif DESCRIPTION.checked:
        total = sum(DESCRIPTION.checked.values())
        terminalreporter.write_line(
            f"KashFlow: {total} SOAP requests of {len(DESCRIPTION.checked)} operations checked against the description"
        )


class SpyingDoor:
    """Remembers what passes, checks it, passes it on."""

    def __init__(self, door):
        self._door = door
        self.sent: list[tuple[str, bytes]] = []

    async def call(self, method, url, *, operation, content=None, **rest):
        assert operation in CALL_NAMES
        self.sent.append((operation, content))
        if content is not None:
            DESCRIPTION.check(operation, content)
        return await self._door.call(method, url, operation=operation, content=content, **rest)

    def count(self, operation):
        return sum(name == operation for name, _ in self.sent)


class Remembered:
    """``ctx.remembered`` of one connection and process. ``forget`` lets all that is kept grow old."""

    def __init__(self):
        self.kept = {}

    async def __call__(self, key, ttl_seconds, load):
        if key not in self.kept:
            self.kept[key] = await load()
        return self.kept[key]

    def forget(self, ending=""):
        self.kept = {key: value for key, value in self.kept.items() if not key.endswith(ending)}


class Desk:
    """One connection to the stand-in: a client, a context for actions, and the stand-in's own view of the books."""

    def __init__(self, url, transport, **settings):
        self.url, self.transport = url, transport
        self.pools = []
        self.settings = {"transport": transport, "service_address": url, **settings}
        self.client = self.open()
        self.door = self.client.ledger._door
        self.ctx = self.context(self.client)

    def open(self, **changed):
        """Another client of the same account, as another process would have."""
        pool = HttpPool()
        self.pools.append(pool)
        credentials = {"username": "demo", "password": "demo-password", "memorable_word": "lighthouse"}
        given = {**self.settings, **changed}
        credentials.update({name: given.pop(name) for name in list(given) if name in (*credentials, "auto_auth_key")})
        door = SpyingDoor(pool.door(OpenGate(), LOCAL))
        return CONNECTOR.open_client(door, ConnectionView("c1", credentials, given))

    @staticmethod
    def context(client):
        return ActionContext(
            client=client, account_id="a", settings={}, now=lambda: NOW, remembered=Remembered(), effect_key="k"
        )

    async def run(self, key, data, ctx=None):
        action = CONNECTOR.action(key)()
        step = action.run if hasattr(action, "run") else action.write
        return await step(ctx or self.ctx, action.input.model_validate(data))

    async def plan(self, key, data):
        action = CONNECTOR.action(key)()
        return await action.plan(self.ctx, action.input.model_validate(data))

    async def find(self, key, data):
        action = CONNECTOR.action(key)()
        return await action.find(self.ctx, action.input.model_validate(data))

    async def close(self):
        for pool in self.pools:
            await pool.close()

    # The stand-in's own view

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/control/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def faults(self, *rules):
        self.control("PUT", "faults", list(rules))

    def switch(self, **settings):
        self.control("PATCH", "settings", settings)

    def books(self):
        return self.control("GET", "state")["accounts"]["demo"]

    def invoices(self):
        return self.books()["invoices"]

    def customers(self):
        return self.books()["customers"]

    def product(self, code):
        return next(row for row in self.books()["products"] if row["code"] == code)

    def calls(self):
        return self.control("GET", "calls")

    # Names of the writes whose answers are tampered with, by transport

    def operation(self, soap, rest):
        return soap if self.transport == "soap" else rest


@pytest.fixture(scope="session")
def standin():
    with running(StandIn()) as url:
        yield url


@pytest.fixture(params=["soap", "rest"])
def desk(request, standin):
    return _fresh(standin, request.param)


@pytest.fixture
def soap(standin):
    return _fresh(standin, "soap")


@pytest.fixture
def rest(standin):
    return _fresh(standin, "rest")


def _fresh(url, transport):
    desk = Desk(url, transport, settle_seconds="0.5")
    desk.control("POST", "reset", {"seed": 1})
    return desk


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Tests written as coroutines, each in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def whole():
        try:
            await pyfuncitem.obj(**arguments)
        finally:
            for value in arguments.values():
                if isinstance(value, Desk):
                    await value.close()

    asyncio.run(whole())
    return True
