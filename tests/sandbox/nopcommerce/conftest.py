"""A shop on a real port, started over for each test, and a receiver for its webhooks."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sandbox.common.server import running
from sandbox.nopcommerce.plugins import CLIENT_ID, CLIENT_SECRET
from sandbox.nopcommerce.seeding import ADMIN_EMAIL, ADMIN_PASSWORD
from sandbox.nopcommerce.standin import NopCommerce

CALLBACK = "http://127.0.0.1:1/callback"


@dataclass
class ShopUnderTest:
    """``http`` talks to the shop without credentials; ``a``, ``b`` and ``c`` as the three families."""

    standin: NopCommerce
    http: httpx.Client
    _clients: dict[str, httpx.Client] = field(default_factory=dict)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, f"/control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order(self, **spec: Any) -> dict[str, Any]:
        """Place an order; two of SKU-002 by a registered customer unless said otherwise."""
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

    def stock(self, sku: str) -> int:
        return next(p["stock_quantity"] for p in self.control("GET", "state")["products"] if p["sku"] == sku)

    @property
    def a(self) -> httpx.Client:
        body = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        return self._client(
            "a", lambda: self.http.post("/api-backend/Authenticate/GetToken", json=body).json()["token"]
        )

    @property
    def b(self) -> httpx.Client:
        return self._client("b", lambda: b_tokens(self.http)["access_token"])

    @property
    def c(self) -> httpx.Client:
        body = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        return self._client("c", lambda: self.http.post("/token", json=body).json()["access_token"])

    def _client(self, family: str, token: Callable[[], str]) -> httpx.Client:
        if family not in self._clients:
            headers = {"Authorization": f"Bearer {token()}"}
            base = f"{self.http.base_url}".rstrip("/") + ("/api-backend" if family == "a" else "")
            self._clients[family] = httpx.Client(base_url=base, headers=headers, timeout=10)
        return self._clients[family]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def b_code(http_client: httpx.Client, *, decision: str = "allow", state: str = "xyz") -> httpx.URL:
    """Walk the pages as a browser does; the address the shop sends the browser back to."""
    with httpx.Client(base_url=http_client.base_url, timeout=10) as browser:
        query = {
            "client_id": CLIENT_ID,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "nop_api",
            "state": state,
        }
        to_login = browser.get("/oauth/authorize", params=query)
        assert to_login.status_code == 302
        signed_in = browser.post(to_login.headers["Location"], data={"Email": ADMIN_EMAIL, "Password": ADMIN_PASSWORD})
        assert signed_in.status_code == 302, signed_in.text
        consent = browser.get(signed_in.headers["Location"])
        fields = dict(hidden_fields(consent.text))
        answer = browser.post("/oauth/authorize", data={**fields, "decision": decision})
        assert answer.status_code == 302, answer.text
        return httpx.URL(answer.headers["Location"])


def hidden_fields(page: str) -> list[tuple[str, str]]:
    from lxml import html

    return [(f.get("name"), f.get("value")) for f in html.fromstring(page).xpath("//input[@type='hidden']")]


def b_tokens(http_client: httpx.Client, path: str = "/api/token") -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": b_code(http_client).params["code"],
        "redirect_uri": CALLBACK,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    answer = http_client.post(path, data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[NopCommerce, str]]:
    standin = NopCommerce()
    with running(standin) as address:
        yield standin, address


@pytest.fixture
def shop(served: tuple[NopCommerce, str]) -> Iterator[ShopUnderTest]:
    standin, address = served
    with httpx.Client(base_url=address, timeout=10) as client:
        under_test = ShopUnderTest(standin, client)
        under_test.control("POST", "reset", {"seed": 1})
        yield under_test
        under_test.close()


@dataclass
class Received:
    raw: bytes
    headers: dict[str, str]
    at: float

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def event(self) -> str:
        return self.body["Notifications"][0]["Action"]

    @property
    def record_id(self) -> int:
        return self.body["Notifications"][0]["Item"]["id"]


@dataclass
class Receiver:
    """``statuses`` are answered in turn, the last one for ever; ``echoes`` false refuses registrations."""

    address: str = ""
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=lambda: [200])
    echoes: bool = True

    def wait_for(self, count: int, *, seconds: float = 5.0) -> list[Received]:
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.received) >= count, f"{len(self.received)} of {count} arrived"
        return self.received


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            echo = parse_qs(urlsplit(self.path).query).get("echo", [""])[0]
            self._answer(200, echo.encode() if told.echoes else b"hello")

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            told.received.append(Received(raw, {k.lower(): v for k, v in self.headers.items()}, time.monotonic()))
            self._answer(told.statuses[min(len(told.received), len(told.statuses)) - 1], b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.address = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()
