"""Deliveries of family B's webhook branches. A delivery is a hint only: the flow reads the record itself."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from connectors.base.errors import Rejected
from connectors.base.triggers import BadSignature, Hint, MalformedHook, Webhook
from connectors.nopcommerce.client import NopClient
from connectors.nopcommerce.families.b import WEBHOOK_FILTERS
from connectors.nopcommerce.setup import Family

RECORD_TYPES = {"orders": "order", "customers": "customer", "products": "product"}
SIGNATURE_HEADER = "ms-signature"
ACCOUNT_PROPERTY, STORE_PROPERTY = "causeway_account", "causeway_store"
SECRET_LENGTHS = range(32, 65)


class NopWebhook(Webhook):
    """Registered per shop with a secret of its own.

    The registration carries our account id in its ``Properties``, which every delivery repeats.
    """

    def handshake(self, query: Mapping[str, str]) -> str | None:
        """The shop calls ``?echo=<guid>`` when registering and wants exactly that text back."""
        echo = query.get("echo")
        return echo if echo and echo.isalnum() and len(echo) <= 64 else None

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str) -> None:
        """``ms-signature: sha256=<upper-case hex>`` over the raw bytes (the JSON is sent indented)."""
        algorithm, _, given = headers.get(SIGNATURE_HEADER, "").strip().partition("=")
        wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        # As bytes: compare_digest refuses non-ASCII text, and the header is the sender's.
        same = hmac.compare_digest(wanted.encode(), given.strip().lower().encode())
        if not secret or algorithm.strip().lower() != "sha256" or not same:
            raise BadSignature("the signature does not match")

    def parse(self, headers: Mapping[str, str], body: bytes) -> list[Hint]:
        delivery = _object(body)
        notifications = delivery.get("Notifications")
        if not isinstance(notifications, list):
            raise MalformedHook("Notifications is missing")
        properties = delivery.get("Properties")
        known = properties if isinstance(properties, dict) else {}
        return [hint for each in notifications if (hint := _hint(each, known)) is not None]

    async def register(self, client: Any, url: str, secret: str) -> str:
        """:returns: the registration's id in the shop; one of ours that exists is adopted and brought up to date.

        :raises Rejected: the shop's plug-in sends no webhooks.
        """
        shop = _family_b(client)
        if len(secret) not in SECRET_LENGTHS:
            raise ValueError("the shop takes secrets of 32 to 64 characters")
        present = await self._registered(shop, url)
        body = _registration(shop, url, secret)
        if present is not None:
            return await self._adopt(shop, present, body)
        try:
            made = await shop.calls(Family.B).write(
                "POST",
                "webhooks/registrations",
                operation="POST /api/webhooks/registrations",
                what="Webhook registration",
                body=body,
            )
        except Rejected as refusal:
            if refusal.provider_code != "409":
                raise
            # Somebody registered the same address between the look and the write.
            present = await self._registered(shop, url)
            if present is None:
                raise
            return await self._adopt(shop, present, body)
        return str(_member(made, "Id"))

    async def _registered(self, client: NopClient, url: str) -> dict[str, Any] | None:
        found = await client.calls(Family.B).read(
            "webhooks/registrations", operation="GET /api/webhooks/registrations", what="Webhook registrations"
        )
        rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
        return next((row for row in rows if _member(row, "WebHookUri") == url), None)

    async def _adopt(self, client: NopClient, present: dict[str, Any], body: dict[str, Any]) -> str:
        registration_id = str(_member(present, "Id"))
        await client.calls(Family.B).write(
            "PUT",
            f"webhooks/registrations/{registration_id}",
            operation="PUT /api/webhooks/registrations/{id}",
            what="Webhook registration",
            body={**body, "Id": registration_id},
        )
        return registration_id

    async def unregister(self, client: Any, registration_id: str) -> None:
        """A registration that is gone already is fine."""
        shop = _family_b(client)
        try:
            await shop.calls(Family.B).write(
                "DELETE",
                f"webhooks/registrations/{registration_id}",
                operation="DELETE /api/webhooks/registrations/{id}",
                what="Webhook registration",
            )
        except Rejected as refusal:
            if refusal.provider_code != "404":
                raise


def _family_b(client: Any) -> NopClient:
    if not isinstance(client, NopClient):
        raise TypeError("not a client of this connector")
    return client


def _registration(client: NopClient, url: str, secret: str) -> dict[str, Any]:
    return {
        "WebHookUri": url,
        "Filters": list(WEBHOOK_FILTERS),
        "Secret": secret,
        "Description": "Causeway",
        "IsPaused": False,
        "Headers": {},
        "Properties": {
            ACCOUNT_PROPERTY: client.setup.account_id,
            STORE_PROPERTY: str(client.setup.store_id or ""),
        },
    }


def _object(body: bytes) -> dict[str, Any]:
    try:
        delivery = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedHook("the body is not JSON") from error
    if not isinstance(delivery, dict):
        raise MalformedHook("the body is not an object")
    return delivery


def _hint(notification: Any, properties: Mapping[str, Any]) -> Hint | None:
    """None for events nobody asked for. :raises MalformedHook: no action, or no record id."""
    if not isinstance(notification, dict) or not isinstance(notification.get("Action"), str):
        raise MalformedHook("a notification has no Action")
    record_type = RECORD_TYPES.get(notification["Action"].partition("/")[0])
    if record_type is None:
        return None
    item = notification.get("Item")
    record_id = item.get("id") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not str(record_id or "").isdecimal():
        raise MalformedHook(f"{notification['Action']} names no record")
    return Hint(
        record_type=record_type,
        record_id=str(int(str(record_id))),
        topic=notification["Action"],
        account_id=_account_named(item, properties),
        label=str(record_id) if record_type == "order" else "",
    )


def _account_named(item: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """The account the registration was made for, unless the record belongs to another store of that shop.

    Empty where the delivery repeats no properties: the secret, which is this registration's own, has to do.
    """
    account = str(properties.get(ACCOUNT_PROPERTY) or "")
    own_store = str(properties.get(STORE_PROPERTY) or "")
    store = str(item.get("store_id") or "")
    if account and own_store and store and store != own_store:
        return f"{account.partition('#')[0]}#{store}"
    return account


def _member(row: Any, name: str) -> Any:
    """Members of registrations come as ``Id`` or ``id``, depending on the shop's serialiser."""
    found = {str(key).lower(): value for key, value in row.items()} if isinstance(row, dict) else {}
    return found.get(name.lower())
