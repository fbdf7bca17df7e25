"""What the connector declares about itself."""

from __future__ import annotations

from urllib.parse import urlsplit

from connectors.base.actions import LONGEST_SETTLE_SECONDS
from connectors.base.manifest import AuthKind, ConnectionView, Connector, Field, FieldKind
from connectors.nopcommerce.actions import ACTIONS
from connectors.nopcommerce.client import open_client
from connectors.nopcommerce.setup import DEFAULT_SETTLE_SECONDS, normal_url
from connectors.nopcommerce.triggers import TRIGGERS
from connectors.nopcommerce.webhooks import NopWebhook

FIELDS = (
    Field("shop_url", "Shop address", FieldKind.URL, help="As people type it, for instance https://shop.example"),
    Field(
        "username",
        "User name",
        required=False,
        help="A shop user with access to the API (or that user's e-mail address). Not needed with an access token.",
    ),
    Field("password", "Password", secret=True, required=False),
    Field(
        "family",
        "API plug-in",
        FieldKind.CHOICE,
        required=False,
        choices=(
            ("", "Find out"),
            ("A", "Web API by nopCommerce (4.40 and later)"),
            ("B", "API plugin by SevenSpikes (3.80 to 4.20)"),
            ("C", "API for nopCommerce by stepanbenes (4.5 to 4.80)"),
        ),
    ),
    Field(
        "client_id", "API client id", required=False, help="SevenSpikes plug-in only: from its page “Manage clients”."
    ),
    Field("client_secret", "API client secret", secret=True, required=False),
    Field(
        "access_token",
        "Access token",
        secret=True,
        required=False,
        help="SevenSpikes plug-in only, instead of consent.",
    ),
    Field("refresh_token", "Refresh token", secret=True, required=False),
    Field(
        "currency",
        "Primary store currency",
        required=False,
        help="Three letters, such as GBP. Needed where the shop's plug-in does not tell it (SevenSpikes, stepanbenes).",
    ),
    Field(
        "time_zone",
        "Time zone of the shop",
        default="Europe/London",
        help="Decides on which day an order was placed, and so in which VAT period it falls.",
    ),
    Field(
        "store_id",
        "Store number",
        FieldKind.NUMBER,
        required=False,
        help="Only for several stores in one shop with the Web API plug-in: the one store to read. Empty for all.",
    ),
    Field(
        "follow_orders_from",
        "Follow changes of orders from",
        required=False,
        help="A day such as 2026-04-01: later changes of orders placed from that day on are noticed, too.",
    ),
    Field("create_customers", "Create customers in the shop", FieldKind.SWITCH, required=False, default="false"),
    Field(
        "settle_seconds",
        "Seconds to wait after a write without an answer",
        FieldKind.NUMBER,
        required=False,
        default=str(int(DEFAULT_SETTLE_SECONDS)),
        most=LONGEST_SETTLE_SECONDS,
        help="How long the shop may go on working on a call whose answer was lost.",
    ),
)


def host_of(view: ConnectionView) -> str:
    """For the circuit per host: one server may carry several shops."""
    return urlsplit(normal_url(str(view.settings.get("shop_url") or view.credentials.get("shop_url") or ""))).netloc


CONNECTOR = Connector(
    key="nopcommerce",
    name="nopCommerce",
    summary="Orders, customers, products and stock of a nopCommerce shop, through the API plug-in it has.",
    docs="https://docs.nopcommerce.com/en/developer/web-api/index.html",
    auth=AuthKind.PASSWORD,
    fields=FIELDS,
    open_client=open_client,
    actions=ACTIONS,
    triggers=tuple(TRIGGERS),
    webhook=NopWebhook(),
    limit=None,  # none is documented for any of the three plug-ins
    host_of=host_of,
)
