"""What a person typed when connecting the shop, checked and put into one typed object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.base.errors import NeedsAttention
from connectors.base.manifest import ConnectionView

DEFAULT_SETTLE_SECONDS = 120.0
DEFAULT_PORTS = {"http": 80, "https": 443}


class Family(StrEnum):
    """Which API plug-in the shop runs (NOTES.md names them)."""

    A = "A"
    B = "B"
    C = "C"


@dataclass(frozen=True)
class Setup:
    """Fields of one connection. Secrets are kept out of ``repr``."""

    shop_url: str
    username: str = ""
    password: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    family: Family | None = None
    store_id: int = 0
    currency: str = ""
    time_zone: str = "UTC"
    follow_orders_from: date | None = None
    create_customers: bool = False
    settle_seconds: float = DEFAULT_SETTLE_SECONDS

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def account_id(self) -> str:
        return account_id(self.shop_url, self.store_id)

    def local_date(self, moment: datetime) -> date:
        """The day in the shop's own time zone: the one that decides about VAT periods."""
        return moment.astimezone(self.zone).date()

    def start_of_day(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)


def read_setup(view: ConnectionView) -> Setup:
    """Open fields and secrets arrive apart from each other; here they are one form again.

    :raises NeedsAttention: an address, time zone or number that cannot be used; the text says which.
    """
    given: dict[str, Any] = {**view.settings, **view.credentials}
    family = str(given.get("family") or "").strip().upper()
    return Setup(
        shop_url=normal_url(str(given.get("shop_url") or "")),
        username=str(given.get("username") or "").strip(),
        password=str(given.get("password") or ""),
        client_id=str(given.get("client_id") or "").strip(),
        client_secret=str(given.get("client_secret") or ""),
        access_token=str(given.get("access_token") or "").strip(),
        refresh_token=str(given.get("refresh_token") or "").strip(),
        family=Family(family) if family in Family.__members__ else None,
        store_id=int(_number(given, "store_id", 0)),
        currency=str(given.get("currency") or "").strip().upper(),
        time_zone=_time_zone(str(given.get("time_zone") or "UTC").strip()),
        follow_orders_from=_day(given, "follow_orders_from"),
        create_customers=_is_on(given.get("create_customers")),
        settle_seconds=_number(given, "settle_seconds", DEFAULT_SETTLE_SECONDS),
    )


def normal_url(typed: str) -> str:
    """``Shop.Example/`` → ``https://shop.example``; a folder stays, query and trailing slashes go.

    :raises NeedsAttention: no address, or one with a log-in inside.
    """
    text = typed.strip()
    if text and "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _bad_address(typed) from error
    if parts.scheme.lower() not in DEFAULT_PORTS or not parts.hostname or parts.username:
        raise _bad_address(typed)
    scheme = parts.scheme.lower()
    shown_port = f":{port}" if port and port != DEFAULT_PORTS[scheme] else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.lower()
    return f"{scheme}://{host}{shown_port}{parts.path.rstrip('/')}"


def account_id(shop_url: str, store_id: int = 0) -> str:
    """The shop's id in effect keys: its host (and folder), and the store when the connection is limited to one.

    A shop has no id of its own that all three plug-ins tell. The scheme and ``www.`` are left out, so that moving to
    https changes nothing; the plug-in family is left out, so that installing another plug-in changes nothing either.
    """
    parts = urlsplit(shop_url)
    host = parts.netloc.lower().removeprefix("www.")
    return f"{host}{parts.path.rstrip('/')}" + (f"#{store_id}" if store_id else "")


def _bad_address(typed: str) -> NeedsAttention:
    shown = typed if "@" not in typed else "(hidden)"
    return NeedsAttention(
        f"“{shown}” is not a web address of a shop. Enter it as https://shop.example.",
        code="bad_address",
        field="shop_url",
    )


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise NeedsAttention(
            f"“{name}” is no time zone. Enter one such as Europe/London.", code="bad_time_zone", field="time_zone"
        ) from error
    return name


def _number(given: Mapping[str, Any], name: str, default: float) -> float:
    value = given.get(name)
    if value in (None, ""):
        return default
    try:
        number = float(str(value))
    except ValueError as error:
        raise NeedsAttention(f"“{value}” is not a number.", code="bad_number", field=name) from error
    if not 0 <= number < 10**9:
        raise NeedsAttention(f"“{value}” is out of range.", code="bad_number", field=name)
    return number


def _day(given: Mapping[str, Any], name: str) -> date | None:
    value = given.get(name)
    if not value:
        return None
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise NeedsAttention(f"“{value}” is not a day such as 2026-04-30.", code="bad_day", field=name) from error


def _is_on(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "1", "on", "yes")
