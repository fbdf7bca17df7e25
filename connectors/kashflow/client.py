"""The connector's client: one per connection and process. Chooses the transport, tests the connection."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from connectors.base.errors import NeedsAttention
from connectors.base.http import HttpDoor
from connectors.base.manifest import AccountFacts, ConnectionView
from connectors.base.shared_reads import SharedReads
from connectors.kashflow import client_rest, client_soap
from connectors.kashflow.auth import Login, RestSession
from connectors.kashflow.client_rest import RestLedger
from connectors.kashflow.client_soap import SoapLedger
from connectors.kashflow.customer_fields import Lengths
from connectors.kashflow.ledger import Ledger, Nominal

SETTLE_SECONDS = 90.0
"""60 s that a call may still be at work on their side after we gave up, plus 30 s until a new record is readable."""


@dataclass(frozen=True)
class Options:
    """Settings of a connection. ``shared_customers``: ids of customers with very many documents (a web customer)."""

    settle_seconds: float = SETTLE_SECONDS
    lengths: Lengths = field(default_factory=Lengths)
    shared_customers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Options:
        shared = str(settings.get("shared_customers") or "").replace(",", " ").split()
        return cls(
            settle_seconds=_number(settings, "settle_seconds", SETTLE_SECONDS),
            lengths=Lengths(
                name=int(_number(settings, "name_length", Lengths.name)),
                address_line=int(_number(settings, "address_length", Lengths.address_line)),
            ),
            shared_customers=frozenset(shared),
        )


def _number(settings: Mapping[str, Any], name: str, default: float) -> float:
    value = settings.get(name)
    if value in (None, ""):
        return default
    try:
        return float(Decimal(str(value)))
    except InvalidOperation:
        raise NeedsAttention(f"The setting {name} is not a number.", code="bad_setting", field=name) from None


class KashFlow:
    """``ledger`` is the account; ``large_customers`` learns whose documents are too many to read for one look.

    ``reads`` are shared by looks that ask at once; ``looking`` counts those under way by the day of their document, and
    ``large_days`` learns of which days there are too many documents to read.
    """

    def __init__(self, door: HttpDoor, view: ConnectionView) -> None:
        given = {**view.settings, **view.credentials}
        login = Login(
            username=str(given.get("username") or ""),
            password=str(given.get("password") or ""),
            memorable_word=str(given.get("memorable_word") or ""),
            auto_auth_key=str(given.get("auto_auth_key") or ""),
        )
        self.options = Options.of(given)
        self.large_customers: set[str] = set(self.options.shared_customers)
        self.large_days: set[date] = set()
        self.looking: Counter[date] = Counter()
        self.reads = SharedReads()
        self.address, self.ledger = _open_ledger(door, given, login)
        self._login = login
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, record: str) -> asyncio.Lock:
        """Read-change-write of one record is done one at a time, at least within this process (rule C7)."""
        lock = self._locks.get(record)
        if lock is None:
            lock = self._locks[record] = asyncio.Lock()
        return lock

    async def check(self) -> AccountFacts:
        """Company details prove the credentials; the chart of accounts says which account this is.

        :raises NeedsAttention: wrong password, address not on the account's list, memorable word missing.
        """
        try:
            company = await self.ledger.company()
        except NeedsAttention as error:
            if error.code != "ip_not_allowed" or not await self._allow_our_address():
                raise
            company = await self.ledger.company()
        return AccountFacts(
            account_id=account_id(await self.ledger.nominals(), self.address),
            name=company.name or self._login.username,  # REST does not tell the name
            currency=company.currency,
            time_zone="Europe/London",
            details={"vat_registered": "yes" if company.vat_registered else "no", "vat_number": company.vat_number},
        )

    async def _allow_our_address(self) -> bool:
        if not self._login.auto_auth_key or not isinstance(self.ledger, SoapLedger):
            return False
        return await self.ledger.allow_our_address(self._login.auto_auth_key)


def _open_ledger(door: HttpDoor, given: Mapping[str, Any], login: Login) -> tuple[str, Ledger]:
    typed = str(given.get("service_address") or "")
    if given.get("transport") == "rest":
        address = _address(typed, client_rest.REAL_ADDRESS)
        return address, RestLedger(door, address, RestSession(door, address, login))
    address = _address(typed, client_soap.REAL_ADDRESS)
    return address, SoapLedger(door, address, login)


def _address(typed: str, real: str) -> str:
    """A typed address without a path gets the path of the real one, so that one address serves both transports."""
    address = typed.strip().rstrip("/") or real
    return address if urlsplit(address).path else address + urlsplit(real).path


def account_id(nominals: list[Nominal], address: str) -> str:
    """A stable name of the account, equal on both transports. See NOTES.md, "Which account is this".

    KashFlow numbers nominals across all its accounts, so the id of a row that every account has and nobody can
    delete names the account: code 0, "Other", into which KashFlow books what has no sales type; else the oldest row.

    :raises NeedsAttention: the account shows no nominal code at all.
    """
    if not nominals:
        raise NeedsAttention(
            "KashFlow shows no nominal codes for this account.",
            code="no_nominals",
            cure="Log in to KashFlow once and finish the set-up of the chart of accounts.",
        )
    other = [nominal.id for nominal in nominals if nominal.code == "0"]
    anchor = min(other or [nominal.id for nominal in nominals])
    place = urlsplit(address).netloc
    real = {urlsplit(known).netloc for known in (client_soap.REAL_ADDRESS, client_rest.REAL_ADDRESS)}
    return f"nominal-{anchor}" if place in real else f"nominal-{anchor}@{place}"
