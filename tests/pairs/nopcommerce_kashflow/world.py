"""Both sandbox systems, a tenant and the pair between them: everything of one test module, over real HTTP.

A ``World`` is built once per module; each test looks at orders of its own. ``settle`` runs a real drain until nothing
is left to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from pytest_django.live_server_helper import LiveServer

from connections.models import Connection
from connections.services import connection_create, connection_test, connection_webhook_register
from demo.consent import CLIENT, shop_tokens
from demo.http import call
from flows.models import Installation
from flows.services import (
    installation_create,
    installation_settings_change,
    installation_state_set,
    pair_publish,
)
from runs.drain import Drain
from runs.inbox import News, news_store
from runs.models import InboxEvent, PollCursor, RecordLink, Run
from runs.polling import cursors_prepare
from runs.slots import slots_prepare
from runs.steps import steps_of_run
from sandbox.common.server import running
from sandbox.kashflow.standin import KashFlow
from sandbox.nopcommerce.standin import NopCommerce
from tenants.clock import database_now
from tenants.keys import forget_opened_keys
from tenants.models import Organisation
from tests.factories import OrganisationFactory

ADMIN = {"username": "admin@shop.test", "password": "shop-admin-password"}
PAYPAL, CARD, CHEQUE = "Payments.PayPalCommerce", "Payments.Manual", "Payments.CheckMoneyOrder"
LEEDS = {"address1": "12 Mill Lane", "city": "Leeds", "zip_postal_code": "LS1 4AP", "country_id": 1}

SETTLE_SECONDS = 0.5
"""Of both connections: the stand-ins land late only where a fault says so."""
SOON_SECONDS = 6.0
"""A retry due within this time is waited for; what is due later counts as left for later."""


@dataclass
class World:
    """``shops`` and ``ledger`` are addresses; ``installation`` is the first one."""

    organisation: Organisation
    shop: str
    ledger: str
    installation: Installation
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # Doing things in the shop

    def order(self, *, shop: str = "", **spec: Any) -> int:
        """Place an order; returns its id. Every order has a buyer of its own unless ``customer`` says otherwise."""
        number = next(self._numbers)
        buyer = {"first_name": "Ada", "last_name": "Palmer", "email": f"buyer{number}@example.test", "address": LEEDS}
        spec = {
            "customer": buyer,
            "lines": [{"sku": "SKU-001", "quantity": 2}],
            "shipping": {"method": "Ground", "price": "3.95"},
            "payment_method": PAYPAL,
            "paid": True,
            **spec,
        }
        return int(call("POST", f"{shop or self.shop}/control/orders", spec)["id"])

    def act(self, order_id: int, action: str, **body: Any) -> dict[str, Any]:
        return dict(call("POST", f"{self.shop}/control/orders/{order_id}/{action}", body))

    def shop_order(self, order_id: int) -> dict[str, Any]:
        return dict(call("GET", f"{self.shop}/control/orders/{order_id}"))

    def shop_product(self, sku: str) -> dict[str, Any]:
        return next(p for p in call("GET", f"{self.shop}/control/state")["products"] if p["sku"] == sku)

    # Looking at the ledger

    def books(self, account: str = "demo") -> dict[str, Any]:
        return dict(call("GET", f"{self.ledger}/control/state")["accounts"][account])

    def documents(self, order_id: int, *, prefix: str = "NOP-", account: str = "demo") -> dict[str, dict[str, Any]]:
        """Documents of an order by what follows its reference ("" the invoice, "D1", "CR1" …); one each or it fails."""
        found: dict[str, dict[str, Any]] = {}
        for invoice in self.books(account)["invoices"]:
            reference = invoice["customer_reference"]
            base, _, rest = reference.removeprefix(prefix).partition("-")
            if reference.startswith(prefix) and base == str(order_id):
                assert rest not in found, f"{reference} exists twice"
                found[rest] = invoice
        return found

    def invoice(self, order_id: int) -> dict[str, Any]:
        return self.documents(order_id)[""]

    def ledger_customer(self, email: str) -> dict[str, Any]:
        found = [row for row in self.books()["customers"] if row["email"].lower() == email.lower()]
        assert len(found) == 1, f"{len(found)} customers with {email}"
        return dict(found[0])

    def ledger_product(self, code: str) -> dict[str, Any]:
        return next(row for row in self.books()["products"] if row["code"] == code)

    # Switches

    def set(self, **settings: Any) -> None:
        """Replace the settings of the installation; what is not named has the pair's default."""
        self.installation.refresh_from_db()
        installation_settings_change(installation=self.installation, settings=settings, at=database_now())

    def shop_set(self, **settings: Any) -> None:
        call("PATCH", f"{self.shop}/control/settings", settings)

    def ledger_set(self, **settings: Any) -> None:
        call("PATCH", f"{self.ledger}/control/settings", settings)

    def faults(self, *rules: dict[str, Any], at: str = "") -> None:
        """Put these fault rules in force at the ledger (or ``at`` an address); none clears them."""
        call("PUT", f"{at or self.ledger}/control/faults", list(rules))

    def calls(self, at: str = "") -> dict[str, int]:
        return dict(call("GET", f"{at or self.ledger}/control/calls"))

    def calls_forget(self) -> None:
        for url in (self.shop, self.ledger):
            call("POST", f"{url}/control/calls/reset")

    # Our own side

    def run(self, record_id: int | str, record_type: str = "order", installation: Installation | None = None) -> Run:
        """The latest run of a record."""
        runs = Run.unscoped.filter(
            record__record_type=record_type,
            record__record_id=str(record_id),
            installation=installation or self.installation,
        )
        latest = runs.order_by("pk").last()
        assert latest is not None, f"nobody has heard of {record_type} {record_id}"
        return latest

    def steps(self, record_id: int | str, record_type: str = "order") -> dict[str, Any]:
        """Step path → state of the latest attempt."""
        return {step.path: step.state for step in steps_of_run(self.run(record_id, record_type))}

    def links(self, record_id: int | str) -> int:
        return RecordLink.unscoped.filter(record__record_id=str(record_id), record__record_type="order").count()

    def news(
        self,
        record_type: str,
        *record_ids: int | str,
        installation: Installation | None = None,
        via: str = Run.Via.MANUAL,
    ) -> None:
        """Tell about records as a person or a webhook would."""
        news_store(
            installation=installation or self.installation,
            news=[News(record_type, str(record_id)) for record_id in record_ids],
            via=via,
            at=database_now(),
        )

    def poll(self) -> None:
        """Make every trigger due now."""
        PollCursor.unscoped.update(due_at=database_now())

    def settle(self, *, seconds: float = 15.0, soon: float = SOON_SECONDS) -> None:
        """Wait for the shop's webhooks, then drain until nothing is due soon. Fails when that takes too long."""
        deadline = time.monotonic() + seconds
        self._wait_for_webhooks(deadline)
        asyncio.run(_drain(deadline, soon))

    def work(self, seconds: float) -> None:
        """Drain for this long, whatever is left then: for systems that stay down."""
        self._wait_for_webhooks(time.monotonic() + seconds)
        asyncio.run(Drain(seconds=seconds, concurrency=24, lease_seconds=30.0).run())

    def _wait_for_webhooks(self, deadline: float) -> None:
        while any(not row["suppressed"] and row["status"] is None and not row["error"] for row in self.deliveries()):
            assert time.monotonic() < deadline, "webhooks were not delivered"
            time.sleep(0.02)

    def deliveries(self) -> list[dict[str, Any]]:
        return list(call("GET", f"{self.shop}/control/webhooks"))

    def join(
        self,
        *,
        shop: Connection | None = None,
        ledger: Connection | None = None,
        prefix: str = "NOP-",
        settings: dict[str, Any] | None = None,
        days_back: int = 0,
    ) -> Installation:
        """A further installation of the pair, switched on."""
        installation = installation_create(
            organisation=self.organisation,
            version=pair_publish(pair_key="nopcommerce-kashflow", at=database_now()),
            name=f"Pair {prefix}",
            source=shop or self.installation.source,
            target=ledger or self.installation.target,
            reference_prefix=prefix,
            settings=settings or {},
            start_at=database_now() - timedelta(days=days_back, minutes=5),
            at=database_now(),
        )
        installation_state_set(installation=installation, state=Installation.State.ACTIVE, at=database_now())
        cursors_prepare(installation)
        return installation


async def _drain(deadline: float, soon: float) -> None:
    drain = Drain(seconds=deadline - time.monotonic(), concurrency=24, lease_seconds=30.0)
    work = asyncio.create_task(drain.run())
    quiet = 0
    while not work.done() and time.monotonic() < deadline:
        await asyncio.sleep(0.03)
        # Twice in a row: a poll that has just ended may have left news behind the first look.
        quiet = quiet + 1 if await asyncio.to_thread(_quiet, soon) else 0
        if quiet >= 2:
            drain.ends_at = time.monotonic()
            break
    await work
    left = await asyncio.to_thread(_left, soon)
    assert not left, f"still open: {left}"


def _open(soon: float) -> Any:
    from django.db.models import Q

    due = Q(state="waiting", due_at__lte=database_now() + timedelta(seconds=soon))
    able = Q(installation__state="active", installation__source__state="active", installation__target__state="active")
    return InboxEvent.unscoped.filter(Q(state="leased") | (due & able))


def _left(soon: float) -> list[str]:
    with _closing():
        return [f"{event.record} {event.state}: {event.run and event.run.reason}" for event in _open(soon)[:5]]


def _quiet(soon: float) -> bool:
    with _closing():
        now = database_now()
        polls = PollCursor.unscoped.filter(connection__state="active")
        return (
            not _open(soon).exists()
            and not polls.filter(due_at__lte=now).exists()
            and not polls.filter(lease_expires_at__gt=now).exists()
        )


@contextlib.contextmanager
def _closing() -> Iterator[None]:
    """Threads of the default pool end when they like; their database connections must not outlive the look."""
    from django.db import connection

    try:
        yield
    finally:
        connection.close()


def shop_connection(
    organisation: Organisation, url: str, family: str, *, name: str = "Shop", **values: str
) -> Connection:
    call("PATCH", f"{url}/control/settings", {"families": [family]})
    common = {"shop_url": url, "currency": "GBP", "time_zone": "Europe/London", **values}
    who = {**CLIENT, **shop_tokens(url, f"{url}/demo-callback")} if family == "B" else ADMIN
    return _connection(organisation, "nopcommerce", name, {**common, **who})


def ledger_connection(
    organisation: Organisation, url: str, *, account: str = "demo", name: str = "Ledger", **values: str
) -> Connection:
    who = {"username": account, "password": f"{account}-password", "service_address": url}
    return _connection(organisation, "kashflow", name, {**who, **values})


def _connection(organisation: Organisation, connector: str, name: str, values: dict[str, str]) -> Connection:
    connection = connection_create(
        organisation=organisation, connector=connector, name=name, values=values, at=database_now(), by=None
    )
    pace = {"settle_seconds": str(SETTLE_SECONDS), "poll_seconds": "600"}
    connection.settings = {**connection.settings, **pace}
    connection.save(update_fields=["settings"])
    connection_test(connection=connection, at=database_now())
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTIVE, connection.state_reason
    return connection


@contextlib.contextmanager
def world(
    blocker: Any,
    settings_of: Any,
    *,
    family: str = "B",
    webhooks: bool = True,
    ledger_values: dict[str, str] | None = None,
    shop_settings: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    days_back: int = 0,
) -> Iterator[World]:
    """Everything switched on and read once; nothing of it is left afterwards."""
    with blocker.unblock(), contextlib.ExitStack() as stack:
        stack.callback(forget_opened_keys)
        stack.callback(call_command, "flush", verbosity=0, interactive=False)
        forget_opened_keys()  # of tenants that had the same number in an earlier world
        live = LiveServer("127.0.0.1:0")
        stack.callback(live.stop)
        settings_of.setattr("django.conf.settings.BASE_URL", live.url)
        shop = stack.enter_context(running(NopCommerce()))
        ledger = stack.enter_context(running(KashFlow()))
        targets = [url.removeprefix("http://") for url in (shop, ledger)]
        settings_of.setattr("django.conf.settings.ALLOWED_PRIVATE_TARGETS", targets)
        call("PATCH", f"{shop}/control/settings", shop_settings or {})
        call("PUT", f"{ledger}/control/catalogue", call("GET", f"{shop}/control/catalogue"))
        slots_prepare()
        organisation = OrganisationFactory()
        source = shop_connection(organisation, shop, family)
        target = ledger_connection(organisation, ledger, **(ledger_values or {}))
        made = World(organisation, shop, ledger, None)  # type: ignore[arg-type]
        made.installation = made.join(shop=source, ledger=target, settings=settings, days_back=days_back)
        if family == "B" and webhooks:
            assert connection_webhook_register(connection=source, at=database_now())
        yield made
