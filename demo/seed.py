"""A demo tenant on the sandbox systems: log-in, both connections tested, the pair switched on. Safe to run again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connections.models import Connection
from connections.services import connection_create, connection_test, connection_webhook_register
from demo.consent import CLIENT, shop_tokens
from demo.http import call
from flows.models import Installation
from flows.services import account_key, installation_create, installation_state_set, pair_publish
from runs.polling import cursors_prepare
from tenants.clock import database_now
from tenants.models import Membership, Organisation, User
from tenants.roles import Role

EMAIL, PASSWORD = "demo@causeway.example", "causeway-demo"
OPERATOR_EMAIL = "operator@causeway.example"
PREFIX = "NOP-"
ZONE = "Europe/London"
LEDGER_ACCOUNT = "demo"


@dataclass(frozen=True)
class SandboxSystems:
    """Where the stand-ins listen, and which API plug-in the shop is to have (A polls, B has webhooks, C polls)."""

    shop_url: str
    ledger_url: str
    family: str = "B"
    poll_seconds: float | None = None
    settle_seconds: float = 10.0


def demo_tenant() -> Organisation:
    """The demo organisation with its owner and an operator for the console."""
    now = database_now()
    organisation, _ = Organisation.objects.get_or_create(
        slug="demo", defaults={"name": "Harbour & Hearth Ltd (demo)", "created_at": now, "time_zone": ZONE}
    )
    owner = User.objects.filter(email=EMAIL).first() or User.objects.create_user(EMAIL, PASSWORD)
    Membership.unscoped.get_or_create(
        organisation=organisation, user=owner, defaults={"role": Role.OWNER, "created_at": now}
    )
    if not User.objects.filter(email=OPERATOR_EMAIL).exists():
        User.objects.create_superuser(OPERATOR_EMAIL, PASSWORD)
    return organisation


def demo_pair(organisation: Organisation, systems: SandboxSystems) -> Installation:
    """Connect both sandbox systems and switch the pair nopCommerce → KashFlow on."""
    owner = User.objects.get(email=EMAIL)
    shop = _connection(organisation, "nopcommerce", "Sandbox shop", _shop_values(systems), owner, systems)
    ledger = _connection(organisation, "kashflow", "Sandbox ledger", _ledger_values(systems), owner, systems)
    installation = (
        Installation.objects.for_tenant(organisation)
        .filter(source_account=account_key(shop), target_account=account_key(ledger))
        .exclude(state=Installation.State.REMOVED)
        .first()
    )
    if installation is None:
        installation = installation_create(
            organisation=organisation,
            version=pair_publish(pair_key="nopcommerce-kashflow", at=database_now()),
            name="Sandbox shop → sandbox ledger",
            source=shop,
            target=ledger,
            reference_prefix=PREFIX,
            settings=SETTINGS,
            start_at=database_now() - timedelta(minutes=5),
            at=database_now(),
            by=owner,
        )
        installation_state_set(installation=installation, state=Installation.State.ACTIVE, at=database_now(), by=owner)
    cursors_prepare(installation)
    if systems.family == "B":
        connection_webhook_register(connection=shop, at=database_now(), by=owner)
    return installation


# The sandbox ledger's own payment methods and accounts; everything else works with the pair's defaults.
SETTINGS: dict[str, Any] = {}


def catalogue_align(systems: SandboxSystems) -> None:
    """Give the ledger the shop's catalogue and stock, so that both sides start equal."""
    call("PUT", f"{systems.ledger_url}/control/catalogue", call("GET", f"{systems.shop_url}/control/catalogue"))


def _connection(
    organisation: Organisation, connector: str, name: str, values: dict[str, str], owner: User, systems: SandboxSystems
) -> Connection:
    known = Connection.objects.for_tenant(organisation).filter(connector=connector, name=name)
    connection = known.exclude(state=Connection.State.REVOKED).first()
    if connection is None:
        connection = connection_create(
            organisation=organisation, connector=connector, name=name, values=values, at=database_now(), by=owner
        )
    pace = {"settle_seconds": str(systems.settle_seconds)}
    if systems.poll_seconds:
        pace["poll_seconds"] = str(systems.poll_seconds)
    connection.settings = {**connection.settings, **pace}
    connection.save(update_fields=["settings"])
    connection_test(connection=connection, at=database_now(), by=owner)
    return connection


def _shop_values(systems: SandboxSystems) -> dict[str, str]:
    call("PATCH", f"{systems.shop_url}/control/settings", {"families": [systems.family]})
    common = {"shop_url": systems.shop_url, "currency": "GBP", "time_zone": ZONE}
    if systems.family == "B":
        return {**common, **CLIENT, **shop_tokens(systems.shop_url, f"{systems.shop_url}/demo-callback")}
    return {**common, "username": "admin@shop.test", "password": "shop-admin-password"}


def _ledger_values(systems: SandboxSystems) -> dict[str, str]:
    return {
        "username": LEDGER_ACCOUNT,
        "password": "demo-password",
        "service_address": systems.ledger_url,
    }
