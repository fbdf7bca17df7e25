"""Facts about KashFlow as a provider: how to connect, what it can do. Data, no logic."""

from __future__ import annotations

from urllib.parse import urlsplit

from connectors.base.actions import LONGEST_SETTLE_SECONDS
from connectors.base.manifest import AuthKind, ConnectionView, Connector, Field, FieldKind
from connectors.kashflow import client_rest, client_soap
from connectors.kashflow.actions import ACTIONS
from connectors.kashflow.client import SETTLE_SECONDS, KashFlow
from connectors.kashflow.customer_fields import Lengths
from connectors.kashflow.triggers import CustomerChanged, ProductChanged

CALL_NAMES: tuple[str, ...] = (*client_soap.CALL_NAMES, *client_rest.CALL_NAMES)
"""Every operation a call may be named by: the SOAP method, or the REST verb and route."""


def _host(view: ConnectionView) -> str:
    given = {**view.settings, **view.credentials}
    real = client_rest.REAL_ADDRESS if given.get("transport") == "rest" else client_soap.REAL_ADDRESS
    return urlsplit(str(given.get("service_address") or real)).netloc


FIELDS = (
    Field("username", "KashFlow user name"),
    Field(
        "password",
        "Password",
        secret=True,
        help="The log-in password, or the separate API password if your account uses one "
        "(KashFlow: Settings > API Settings). Tick the API there first.",
    ),
    Field(
        "transport",
        "Service",
        kind=FieldKind.CHOICE,
        choices=(("soap", "SOAP (recommended)"), ("rest", "REST v2")),
        default="soap",
    ),
    Field(
        "memorable_word",
        "Memorable word",
        secret=True,
        required=False,
        help="Only for REST: KashFlow asks for three letters of it at every log-in.",
    ),
    Field(
        "auto_auth_key",
        "AutoAuth key",
        secret=True,
        required=False,
        help="Only if your account restricts the API to listed addresses: with this key from the API settings we add "
        "our address ourselves.",
    ),
    Field(
        "service_address",
        "Service address",
        kind=FieldKind.URL,
        required=False,
        help="Leave empty for KashFlow itself; an address without a path serves both services (sandbox).",
    ),
    Field(
        "settle_seconds",
        "Settle time in seconds",
        kind=FieldKind.NUMBER,
        required=False,
        default=str(int(SETTLE_SECONDS)),
        most=LONGEST_SETTLE_SECONDS,
        help="How long after a lost answer nobody looks whether the document was made.",
    ),
    Field(
        "shared_customers",
        "Shared customers",
        required=False,
        help="Ids of KashFlow customers with very many documents, separated by commas; found out by itself otherwise.",
    ),
    Field("name_length", "Longest name", kind=FieldKind.NUMBER, required=False, default=str(Lengths.name), most=1000),
    Field(
        "address_length",
        "Longest address line",
        kind=FieldKind.NUMBER,
        required=False,
        default=str(Lengths.address_line),
        most=1000,
    ),
)

CONNECTOR = Connector(
    key="kashflow",
    name="KashFlow",
    summary="UK accounting: customers, invoices, credit notes, payments, products and stock.",
    docs="docs/connectors/kashflow.md",
    auth=AuthKind.PASSWORD,
    fields=FIELDS,
    open_client=KashFlow,
    actions=ACTIONS,
    triggers=(CustomerChanged, ProductChanged),
    limit=None,  # KashFlow states none
    host_of=_host,
)
