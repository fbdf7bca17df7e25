"""What the connector declares."""

from __future__ import annotations

from connectors.base.manifest import ConnectionView
from connectors.nopcommerce.manifest import CONNECTOR
from connectors.nopcommerce.setup import Setup, read_setup

PROMISED = {
    "get_order",
    "get_customer",
    "get_product",
    "get_product_by_id",
    "set_order_status",
    "add_order_note",
    "set_stock",
    "upsert_product",
    "upsert_customer",
}


def test_operations_have_the_names_that_flows_use() -> None:
    assert {action.key for action in CONNECTOR.actions} == PROMISED


def test_only_the_import_is_bounded() -> None:
    assert [trigger.key for trigger in CONNECTOR.triggers if trigger.bounded] == ["past_orders"]


def test_every_credential_is_sealed() -> None:
    secret = {field.name for field in CONNECTOR.fields if field.secret}
    assert secret == {"password", "client_secret", "access_token", "refresh_token"}


def test_every_field_is_one_the_client_reads() -> None:
    assert {field.name for field in CONNECTOR.fields} == set(Setup.__dataclass_fields__)


def test_empty_optional_fields_mean_their_defaults() -> None:
    typed = {field.name: "" for field in CONNECTOR.fields if not field.secret} | {"shop_url": "shop.example"}
    assert read_setup(ConnectionView("c", {}, typed)) == Setup("https://shop.example")


def test_host_is_known_without_opening_the_connection() -> None:
    assert (
        CONNECTOR.host_of(ConnectionView("c", {}, {"shop_url": "https://Shop.Example:8443/x"})) == "shop.example:8443"
    )
