"""Family B's webhooks: echo, signature over the raw bytes, hints, registration that is adopted rather than doubled."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from connectors.base.errors import NeedsAttention
from connectors.base.triggers import BadSignature, MalformedHook
from connectors.nopcommerce.webhooks import NopWebhook
from tests.connectors.nopcommerce.shops import Facing, Shop

SECRET = "0123456789abcdef0123456789abcdef"
HOOK = NopWebhook()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"ms-signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().upper()}


def delivery(*notifications: dict[str, Any], **rest: Any) -> bytes:
    body = {"Id": "1", "Attempt": 1, "Properties": {}, "Notifications": list(notifications), **rest}
    return json.dumps(body, indent=2).encode()


ORDER = {"Action": "orders/create", "Item": {"id": 1001, "store_id": 2}}


class TestSignature:
    def test_upper_case_hex_over_the_raw_bytes_is_accepted(self) -> None:
        body = delivery(ORDER)
        HOOK.verify(signed(body), body, SECRET)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"ms-signature": ""},
            {"ms-signature": "sha256="},
            {"ms-signature": "sha256=é"},
            {"ms-signature": signed(delivery(ORDER))["ms-signature"].replace("sha256", "sha1")},
            signed(delivery(ORDER), "another-secret-another-secret-32"),
        ],
    )
    def test_anything_else_is_not(self, headers: dict[str, str]) -> None:
        with pytest.raises(BadSignature):
            HOOK.verify(headers, delivery(ORDER), SECRET)

    def test_re_serialised_body_does_not_pass(self) -> None:
        body = delivery(ORDER)
        with pytest.raises(BadSignature):
            HOOK.verify(signed(body), json.dumps(json.loads(body)).encode(), SECRET)

    def test_empty_secret_signs_nothing(self) -> None:
        body = delivery(ORDER)
        with pytest.raises(BadSignature):
            HOOK.verify(signed(body, ""), body, "")


class TestParse:
    def test_each_notification_names_a_record(self) -> None:
        customer = {"Action": "customers/update", "Item": {"id": "7"}}
        store = {"Action": "stores/update", "Item": {"id": 1}}
        hints = HOOK.parse({}, delivery(ORDER, customer, store))
        assert [(hint.record_type, hint.record_id, hint.topic) for hint in hints] == [
            ("order", "1001", "orders/create"),
            ("customer", "7", "customers/update"),
        ]

    def test_account_comes_from_the_registration_and_another_store_is_another_account(self) -> None:
        own = {"causeway_account": "shop.example#2", "causeway_store": "2"}
        assert HOOK.parse({}, delivery(ORDER, Properties=own))[0].account_id == "shop.example#2"
        other = {"Action": "orders/create", "Item": {"id": 5, "store_id": 3}}
        assert HOOK.parse({}, delivery(other, Properties=own))[0].account_id == "shop.example#3"
        assert HOOK.parse({}, delivery(ORDER))[0].account_id == ""

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>",
            b"[]",
            b"{}",
            b"[" * 100_000,
            delivery({"Action": "orders/create"}),
            delivery({"Action": "orders/create", "Item": {"id": "1/2"}}),
            delivery({"Item": {"id": 1}}),
        ],
    )
    def test_what_is_not_documented_is_malformed(self, body: bytes) -> None:
        with pytest.raises(MalformedHook):
            HOOK.parse({}, body)


def test_echo_is_returned_exactly_and_deliveries_have_none() -> None:
    assert HOOK.handshake({"echo": "0f3b5e"}) == "0f3b5e"
    assert HOOK.handshake({}) is None
    assert HOOK.handshake({"echo": "<script>"}) is None


class TestRegistration:
    def test_the_shop_calls_back_signed_and_with_our_account(self, shop: Shop, door: Door) -> None:
        async def register(facing: Facing) -> str:
            return await HOOK.register(facing.client, door.address, SECRET)

        assert shop.face("B", register)
        placed = shop.order()
        headers, body = door.wait_for_one("orders/")
        HOOK.verify(headers, body, SECRET)
        (hint,) = HOOK.parse(headers, body)
        assert (hint.record_type, hint.record_id) == ("order", str(placed["id"]))
        assert hint.account_id == shop.url.removeprefix("http://")

    def test_second_registration_adopts_the_first(self, shop: Shop, door: Door) -> None:
        async def twice(facing: Facing) -> tuple[str, str, Any]:
            first = await HOOK.register(facing.client, door.address, SECRET)
            second = await HOOK.register(facing.client, door.address, SECRET[::-1])
            return first, second, None

        first, second, _ = shop.face("B", twice)
        assert first == second
        shop.order()
        headers, body = door.wait_for_one()
        HOOK.verify(headers, body, SECRET[::-1])

    def test_registration_made_at_the_same_moment_is_adopted_on_409(self, shop: Shop, door: Door) -> None:
        class Blind(NopWebhook):
            """Does not see the other one at the first look."""

            looks = 0

            async def _registered(self, client: Any, url: str) -> Any:
                self.looks += 1
                return None if self.looks == 1 else await super()._registered(client, url)

        async def both(facing: Facing) -> tuple[str, str]:
            first = await HOOK.register(facing.client, door.address, SECRET)
            return first, await Blind().register(facing.client, door.address, SECRET)

        first, second = shop.face("B", both)
        assert first == second and len(shop.standin.plugins.registrations) == 1

    def test_unregistering_twice_is_fine(self, shop: Shop, door: Door) -> None:
        async def go(facing: Facing) -> None:
            number = await HOOK.register(facing.client, door.address, SECRET)
            await HOOK.unregister(facing.client, number)
            await HOOK.unregister(facing.client, number)

        shop.face("B", go)
        assert shop.standin.plugins.registrations == {}

    def test_branch_without_webhooks_refuses_clearly(self, shop: Shop, door: Door) -> None:
        view = shop.view("B")
        shop.settings(webhooks=False)
        with pytest.raises(NeedsAttention):
            shop.face("B", lambda f: HOOK.register(f.client, door.address, SECRET), view=view)


@dataclass
class Door:
    address: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def wait_for_one(self, action: str = "", seconds: float = 5.0) -> tuple[dict[str, str], bytes]:
        """The first delivery about ``action`` (an order moves stock, so products are told of, too)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for headers, body in list(self.received):
                if action in json.loads(body)["Notifications"][0]["Action"]:
                    return headers, body
            time.sleep(0.01)
        raise AssertionError("nothing arrived")


@pytest.fixture
def door() -> Iterator[Door]:
    told = Door()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer((HOOK.handshake(dict(parse_qsl(urlsplit(self.path).query))) or "").encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.address = f"http://127.0.0.1:{server.server_port}/hooks/1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()
