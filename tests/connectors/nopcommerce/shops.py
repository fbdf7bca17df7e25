"""A stand-in shop on a real port, and the connector facing it through the real HTTP door."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
from lxml import html

from connectors.base.actions import ActionContext
from connectors.base.gate import OpenGate
from connectors.base.http import AddressPolicy, HttpDoor, HttpPool, Reply
from connectors.base.manifest import ConnectionView
from connectors.nopcommerce.auth import authorize_url
from connectors.nopcommerce.manifest import CONNECTOR
from sandbox.nopcommerce.plugins import CLIENT_ID, CLIENT_SECRET
from sandbox.nopcommerce.seeding import ADMIN_EMAIL, ADMIN_PASSWORD
from sandbox.nopcommerce.standin import NopCommerce

T = TypeVar("T")

CALLBACK = "http://127.0.0.1:1/callback"


@dataclass(frozen=True)
class Sent:
    """One call as the connector made it, before redaction."""

    method: str
    url: str
    operation: str
    headers: dict[str, str]
    params: dict[str, Any]
    json: Any
    reply: Reply


class SpyDoor:
    """Hands every call on and keeps it."""

    def __init__(self, door: HttpDoor, sent: list[Sent]) -> None:
        self._door = door
        self._sent = sent

    async def call(self, method: str, url: str, **rest: Any) -> Reply:
        reply = await self._door.call(method, url, **rest)
        given = (dict(rest.get("headers") or {}), dict(rest.get("params") or {}), rest.get("json"))
        self._sent.append(Sent(method, url, rest["operation"], *given, reply))
        return reply


@dataclass
class Facing:
    """The connector's client and context, inside one event loop."""

    client: Any
    ctx: ActionContext
    sent: list[Sent]

    async def run(self, action: str, **given: Any) -> Any:
        kind = CONNECTOR.action(action)
        data = kind.input.model_validate(given)
        made = kind()
        return await (made.run if hasattr(made, "run") else made.write)(self.ctx, data)

    async def poll(self, trigger: str, cursor: dict[str, Any] | None) -> tuple[list[Any], dict[str, Any] | None]:
        seen = []
        async for page in CONNECTOR.trigger(trigger)().read(self.ctx, cursor):
            seen += page.observations
            cursor = page.cursor
        return seen, cursor

    def operations(self) -> list[str]:
        return [call.operation for call in self.sent]


@dataclass
class Shop:
    """``control`` drives the stand-in; ``face`` runs a scenario of the connector against it."""

    standin: NopCommerce
    http: httpx.Client
    sent: list[Sent] = field(default_factory=list)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, f"/control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order(self, **spec: Any) -> dict[str, Any]:
        defaults = {
            "customer": {"id": 2},
            "lines": [{"sku": "SKU-002", "quantity": 2}],
            "payment_method": "Payments.Manual",
            "shipping": {"method": "Ground", "price": "5.00"},
        }
        return self.control("POST", "orders", {**defaults, **spec})

    def settings(self, **changes: Any) -> None:
        self.control("PATCH", "settings", changes)

    def faults(self, *rules: dict[str, Any]) -> None:
        self.control("PUT", "faults", list(rules))

    def view(self, family: str, **settings: Any) -> ConnectionView:
        secrets = {"password": ADMIN_PASSWORD}
        given = {
            "shop_url": self.url,
            "username": ADMIN_EMAIL,
            "family": family,
            "currency": "GBP",
            "time_zone": "Europe/London",
        }
        if family == "B":
            given |= {"client_id": CLIENT_ID}
            secrets |= {"client_secret": CLIENT_SECRET, **b_tokens(self.http)}
        for name, value in settings.items():
            (secrets if name in ("password", "access_token", "refresh_token", "client_secret") else given)[name] = value
        return ConnectionView("test", secrets, given)

    def face(self, family: str, scenario: Callable[[Facing], Awaitable[T]], **settings: Any) -> T:
        """One event loop, one pool, one client; remembered facts live as long as the scenario."""
        view = settings.pop("view", None) or self.view(family, **settings)

        async def go() -> T:
            pool = HttpPool()
            try:
                door = SpyDoor(pool.door(OpenGate(), AddressPolicy(allow=["127.0.0.1"])), self.sent)
                client = CONNECTOR.open_client(door, view)  # type: ignore[arg-type]
                ctx = ActionContext(client, client.setup.account_id, {}, self.now, Memory())
                return await scenario(Facing(client, ctx, self.sent))
            finally:
                await pool.close()

        return asyncio.run(go())


class Memory:
    """Remembers for ever, which is longer than any ttl."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    async def __call__(self, key: str, seconds: float, load: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self._known:
            self._known[key] = await load()
        return self._known[key]


def consent(http: httpx.Client, authorize_url: str) -> httpx.URL:
    """Walk the shop's pages as an administrator's browser does; where the shop sends the browser back to."""
    with httpx.Client(base_url=http.base_url, timeout=10) as browser:
        to_login = browser.get(authorize_url)
        login = {"Email": ADMIN_EMAIL, "Password": ADMIN_PASSWORD}
        signed_in = browser.post(to_login.headers["location"], data=login)
        page = html.fromstring(browser.get(signed_in.headers["location"]).text)
        fields = {field.get("name"): field.get("value") for field in page.xpath("//input[@type='hidden']")}
        answer = browser.post("/oauth/authorize", data={**fields, "decision": "allow"})
        return httpx.URL(answer.headers["location"])


def b_tokens(http: httpx.Client) -> dict[str, str]:
    """Bought past the connector, for tests that are about something else."""
    where = authorize_url(
        str(http.base_url).rstrip("/"), client_id=CLIENT_ID, redirect_uri=CALLBACK, state="state-of-the-test"
    )
    form = {
        "grant_type": "authorization_code",
        "code": consent(http, where).params["code"],
        "redirect_uri": CALLBACK,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    tokens = http.post("/api/token", data=form).json()
    return {"access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"]}
