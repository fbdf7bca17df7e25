"""Connecting: which plug-in, which account, and what people are told when it does not work."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connectors.base.errors import NeedsAttention, OutcomeUnknown, Rejected, Retryable
from connectors.base.manifest import ConnectionView
from connectors.nopcommerce.auth import authorize_url, exchange_code
from connectors.nopcommerce.setup import account_id, normal_url
from sandbox.nopcommerce.plugins import CLIENT_ID
from tests.connectors.nopcommerce.shops import CALLBACK, Shop, consent

FAMILIES = ["A", "B", "C"]


async def check(facing: Any) -> Any:
    return await facing.client.check()


class TestProbe:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_it_finds_the_one_plug_in(self, shop: Shop, family: str) -> None:
        view = shop.view(family)
        shop.settings(families=[family])
        found = shop.face("", check, view=_without(view, "family"))
        assert found.details["family"] == family
        assert found.currency == "GBP" and found.time_zone == "Europe/London"

    def test_official_plug_in_wins_among_several(self, shop: Shop) -> None:
        assert shop.face("", check).details["family"] == "A"

    def test_pasted_token_means_family_b(self, shop: Shop) -> None:
        view = _without(shop.view("B"), "family", "username", "client_id")
        assert shop.face("", check, view=view).details == {
            "family": "B",
            "webhooks": "yes",
            "address": shop.url,
        }

    def test_branch_without_webhooks_is_noticed(self, shop: Shop) -> None:
        view = shop.view("B")
        shop.settings(webhooks=False)
        assert shop.face("B", check, view=view).details["webhooks"] == "no"

    def test_no_plug_in_says_what_to_install(self, shop: Shop) -> None:
        shop.settings(families=[])
        with pytest.raises(NeedsAttention) as caught:
            shop.face("", check)
        assert caught.value.code == "plugin_missing" and "SevenSpikes" in caught.value.customer_text

    def test_family_is_probed_once_per_client(self, shop: Shop) -> None:
        placed = shop.order()

        async def twice(facing: Any) -> list[str]:
            await facing.run("get_order", order_id=str(placed["id"]))
            await facing.run("get_order", order_id=str(placed["id"]))
            return facing.operations()

        assert shop.face("", twice).count("GET /api/index.html") == 1


class TestAccount:
    @pytest.mark.parametrize(
        ("typed", "expected"),
        [
            ("Shop.Example/", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("https://shop.example:8443/store/?a=1#x", "https://shop.example:8443/store"),
        ],
    )
    def test_address_has_one_spelling(self, typed: str, expected: str) -> None:
        assert normal_url(typed) == expected

    @pytest.mark.parametrize("typed", ["", "ftp://shop.example", "https://u:p@shop.example", "https://shop:port"])
    def test_bad_address_is_named_and_its_password_is_not(self, typed: str) -> None:
        with pytest.raises(NeedsAttention) as caught:
            normal_url(typed)
        assert caught.value.field == "shop_url" and "u:p" not in caught.value.customer_text

    def test_id_survives_https_and_www(self) -> None:
        assert account_id("http://www.shop.example") == account_id("https://shop.example") == "shop.example"
        assert account_id("https://shop.example/two", 2) == "shop.example/two#2"

    def test_id_does_not_hang_on_the_plug_in(self, shop: Shop) -> None:
        ids = {shop.face(family, check).account_id for family in FAMILIES}
        assert len(ids) == 1

    @pytest.mark.parametrize("family", ["B", "C"])
    def test_missing_currency_is_asked_for(self, shop: Shop, family: str) -> None:
        with pytest.raises(NeedsAttention) as caught:
            shop.face(family, check, currency="")
        assert caught.value.field == "currency"

    def test_official_plug_in_tells_the_currency_itself(self, shop: Shop) -> None:
        assert shop.face("A", check, currency="").currency == "GBP"

    def test_bad_time_zone_is_named(self, shop: Shop) -> None:
        with pytest.raises(NeedsAttention) as caught:
            shop.face("A", check, time_zone="Mars/Olympus")
        assert caught.value.field == "time_zone"

    def test_view_and_setup_never_print_secrets(self, shop: Shop) -> None:
        async def shown(facing: Any) -> str:
            return repr(facing.client.setup)

        assert "shop-admin-password" not in shop.face("A", shown)


class TestLogIn:
    @pytest.mark.parametrize("family", ["A", "C"])
    def test_wrong_password(self, shop: Shop, family: str) -> None:
        with pytest.raises(NeedsAttention) as caught:
            shop.face(family, check, password="nonsense")
        assert caught.value.code == "wrong_password" and "nonsense" not in str(caught.value.operator_text)

    @pytest.mark.parametrize("style", ["bearer", "bare"])
    def test_family_a_takes_the_token_in_either_form_and_remembers(self, shop: Shop, style: str) -> None:
        shop.settings(token_header=style)
        placed = shop.order()

        async def twice(facing: Any) -> tuple[int, str]:
            await facing.run("get_order", order_id=str(placed["id"]))
            before = len(facing.sent)
            await facing.run("get_customer", customer_id="2")
            later = facing.sent[before:]
            assert all(call.reply.status == 200 for call in later)
            return len(later), later[0].headers["Authorization"]

        _, header = shop.face("A", twice)
        assert header.startswith("Bearer ") is (style == "bearer")

    @pytest.mark.parametrize(("family", "setting"), [("A", "token_seconds"), ("C", "c_token_seconds")])
    def test_expired_token_is_renewed_once_however_many_calls_run(self, shop: Shop, family: str, setting: str) -> None:
        placed = [shop.order()["id"] for _ in range(4)]
        log_in = "POST Authenticate/GetToken" if family == "A" else "POST /token"

        async def expire(facing: Any) -> list[str]:
            await facing.run("get_order", order_id=str(placed[0]))
            offset = shop.standin.settings["clock_offset_seconds"] + 400 * 86_400
            shop.standin.settings.patch({"clock_offset_seconds": offset})
            before = len(facing.sent)
            await asyncio.gather(*(facing.run("get_order", order_id=str(number)) for number in placed))
            return facing.operations()[before:]

        assert shop.face(family, expire).count(log_in) == 1

    def test_family_b_refreshes_and_stores_before_use(self, shop: Shop) -> None:
        placed = shop.order()
        view = shop.view("B", access_token="gone")
        stored: list[dict[str, str]] = []
        view = ConnectionView("test", view.credentials, view.settings, lambda new: stored.append(dict(new)))

        async def read(facing: Any) -> Any:
            order = await facing.run("get_order", order_id=str(placed["id"]))
            assert facing.sent[-1].headers["Authorization"] == f"Bearer {stored[0]['access_token']}"
            return order

        assert shop.face("B", read, view=view).source_id == str(placed["id"])
        assert len(stored) == 1 and stored[0]["refresh_token"]

    def test_family_b_without_a_way_to_renew_asks_to_connect_again(self, shop: Shop) -> None:
        with pytest.raises(NeedsAttention) as caught:
            shop.face("B", check, access_token="gone", refresh_token="gone-too")
        assert caught.value.code == "signed_out"

    def test_lost_answer_of_a_renewal_is_temporary_for_the_call_behind_it(self, shop: Shop) -> None:
        view = shop.view("B", access_token="gone")
        shop.faults({"kind": "cut_after", "operations": ["POST /api/token"]})
        with pytest.raises(Retryable):
            shop.face("B", lambda f: f.run("set_stock", sku="SKU-002", quantity=1, reference="r"), view=view)

    def test_consent_of_family_b_from_address_to_tokens(self, shop: Shop) -> None:
        where = authorize_url(shop.url, client_id=CLIENT_ID, redirect_uri=CALLBACK, state="a&b")
        back = consent(shop.http, where)
        assert back.params["state"] == "a&b"

        async def exchange(facing: Any) -> Any:
            return await exchange_code(
                facing.client._door, facing.client.setup, code=back.params["code"], redirect_uri=CALLBACK
            )

        tokens = shop.face("B", exchange)
        assert tokens.access_token and tokens.refresh_token and tokens.access_token not in repr(tokens)
        with pytest.raises(NeedsAttention):  # a code works once
            shop.face("B", exchange)


class TestTrouble:
    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("status", [200, 503])
    def test_maintenance_page_is_temporary_and_never_parsed(self, shop: Shop, family: str, status: int) -> None:
        placed = shop.order()
        view = shop.view(family)
        shop.faults({"kind": "html_error", "status": status})
        with pytest.raises(Retryable) as caught:
            shop.face(family, lambda f: f.run("get_order", order_id=str(placed["id"])), view=view)
        assert "<" not in caught.value.customer_text

    @pytest.mark.parametrize("family", FAMILIES)
    def test_refused_address_is_told_apart_from_a_missing_permission(self, shop: Shop, family: str) -> None:
        view = shop.view(family)
        shop.faults({"kind": "html_error", "status": 403})
        with pytest.raises(NeedsAttention) as caught:
            shop.face(family, check, view=view)
        assert caught.value.code == "address_refused"

    @pytest.mark.parametrize("family", FAMILIES)
    def test_truncated_json_is_temporary(self, shop: Shop, family: str) -> None:
        placed = shop.order()
        view = shop.view(family)
        shop.faults({"kind": "truncated", "operations": ["GET */orders/*", "*Order/GetById*"]})
        with pytest.raises(Retryable):
            shop.face(family, lambda f: f.run("get_order", order_id=str(placed["id"])), view=view)

    def test_unhandled_exception_of_family_b_is_temporary(self, shop: Shop) -> None:
        view = shop.view("B")
        shop.faults({"kind": "status", "status": 400, "operations": ["GET /api/orders*"]})
        with pytest.raises(Retryable):
            shop.face("B", lambda f: f.run("get_order", order_id="1"), view=view)

    def test_missing_permission_of_family_c_says_which(self, shop: Shop) -> None:
        from sandbox.nopcommerce import customers

        role = customers.role_id(shop.standin.shop, customers.API_USERS)
        admin = shop.standin.shop.customers.get(1)
        admin.role_ids.remove(role)
        with pytest.raises(NeedsAttention) as caught:
            shop.face("C", check)
        assert caught.value.code in ("permission_missing", "wrong_password")

    def test_cut_write_is_an_unknown_outcome(self, shop: Shop) -> None:
        placed = shop.order()
        shop.faults({"kind": "cut_after", "operations": ["POST */OrderNote/Create", "*OrderNote*Create*"]})

        async def note(facing: Any) -> Any:
            await facing.run("add_order_note", order_id=str(placed["id"]), text="Invoiced", reference="r-1")

        with pytest.raises(OutcomeUnknown):
            shop.face("A", note)

    def test_changed_api_is_named_without_values(self) -> None:
        with answering({"/api/orders/7": '{"orders": [{"id": 7, "order_total": "secret-value"}]}'}) as url:
            view = ConnectionView("t", {"access_token": "t"}, {"shop_url": url, "family": "B", "currency": "GBP"})
            with pytest.raises(Rejected) as caught:
                Shop(None, None).face("B", lambda f: f.run("get_order", order_id="7"), view=view)  # type: ignore[arg-type]
        assert caught.value.code == "unexpected_shape" and "secret-value" not in caught.value.operator_text
        assert "order_total" in caught.value.operator_text


class TestPrimaryCurrency:
    PAGES = {
        "/api-backend/Authenticate/GetToken": '{"token": "t", "customer_id": 1}',
        "/api-backend/Store/GetAll": '[{"id": 1, "name": "Two currencies"}]',
        "/api-backend/Order/Search": '{"items": [], "total_count": 0}',
        "/api-backend/Currency/GetAll": """{"items": [
            {"id": 1, "currency_code": "USD"}, {"id": 2, "currency_code": "GBP"}]}""",
        "/api-backend/Currency/ConvertToPrimaryStoreCurrency/1": "7874.02",
        "/api-backend/Currency/ConvertToPrimaryStoreCurrency/2": "10000.0",
    }

    def facts(self, pages: dict[str, str], currency: str = "") -> Any:
        with answering(pages) as url:
            settings = {"shop_url": url, "family": "A", "currency": currency, "username": "u"}
            view = ConnectionView("t", {"password": "p"}, settings)
            return Shop(None, None).face("A", check, view=view)  # type: ignore[arg-type]

    def test_family_a_tells_it_by_conversion(self) -> None:
        assert self.facts(self.PAGES).currency == "GBP"

    def test_a_wrong_setting_is_refused(self) -> None:
        with pytest.raises(NeedsAttention) as caught:
            self.facts(self.PAGES, "USD")
        assert caught.value.code == "other_currency"

    def test_two_of_equal_rate_leave_it_to_the_setting(self) -> None:
        pages = {**self.PAGES, "/api-backend/Currency/ConvertToPrimaryStoreCurrency/1": "10000"}
        assert self.facts(pages, "USD").currency == "USD"
        with pytest.raises(NeedsAttention):
            self.facts(pages)


@contextmanager
def answering(pages: dict[str, str]) -> Iterator[str]:
    """A tiny server for what the stand-in does not do."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = pages.get(self.path.partition("?")[0], "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _without(view: ConnectionView, *names: str) -> ConnectionView:
    return ConnectionView("test", view.credentials, {k: v for k, v in view.settings.items() if k not in names})
