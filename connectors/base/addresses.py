"""Which network addresses a call may reach, decided on the address about to be connected.

A name, a decimal or hexadecimal spelling, a redirect, a DNS answer that changes between check and use: whatever was
typed, the socket is made for one numeric address, and that is where the policy is asked (architecture, section 6).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Ip = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA special-purpose registries, plus 192.88.99.0/24 (6to4 relays, which Python 3.11 calls global) and the address
# of Azure's instance services, which looks public. Listed in full: ``is_global`` differs between Python releases.
_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",
    )
)
# Only 2000::/3 is public at all (so mapped, NAT64, ULA, link-local, multicast and loopback are out); of that:
# 2001::/23 holds Teredo and other protocol use, 2002::/16 is 6to4, the rest is documentation.
_PUBLIC_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# What a host name on the allow list may resolve to besides public addresses: never link-local or metadata services.
_NAME_MAY_REACH: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
    )
)
_METADATA_V6 = IPv6Network("fd00:ec2::/32")  # Amazon's instance services, inside the private range


class PlainHttp(StrEnum):
    """Where unencrypted http is accepted; https is accepted everywhere the address is."""

    NEVER = "never"
    ALLOW_LISTED = "allow_listed"
    ANYWHERE = "anywhere"


def is_public(address: Ip) -> bool:
    """True for ordinary addresses of the internet, False for every private, special or wrapped one."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _REFUSED_V6)


@dataclass(frozen=True)
class AddressPolicy:
    """Public addresses, and those on the allow list.

    :param allow: addresses, networks or host names, each with or without a port: ``127.0.0.1:9101``, ``10.0.0.0/8``,
        ``[::1]:9101``, ``shop.internal``. A name permits private networks and loopback, never link-local ones.
    :param plain_http: by default http only to what is on the allow list.
    :raises ValueError: an entry that is none of these.
    """

    allow: Iterable[str] = frozenset()
    plain_http: PlainHttp = PlainHttp.ALLOW_LISTED

    def __post_init__(self) -> None:
        object.__setattr__(self, "allow", frozenset(self.allow))
        _ = self._entries  # a wrong entry fails here and not at the first call

    @cached_property
    def _entries(self) -> tuple[_Entry, ...]:
        return tuple(_entry(text) for text in self.allow)

    def why_refused(self, *, scheme: str, host: str, address: str, port: int) -> str:
        """Empty when the connection may be made, else the reason in words."""
        ip = _parse(address)
        if ip is None:
            return f"{address} is not a network address"
        listed = any(entry.covers(host, ip, port) for entry in self._entries)
        if not listed and not is_public(ip):
            return f"{_named(host, address)} is in a private or reserved network"
        if scheme == "http" and not self._http_is_fine(listed):
            return f"{_named(host, address)} was to be reached without encryption (http)"
        return ""

    def _http_is_fine(self, listed: bool) -> bool:
        return self.plain_http is PlainHttp.ANYWHERE or (self.plain_http is PlainHttp.ALLOW_LISTED and listed)


PUBLIC_ONLY = AddressPolicy()


@dataclass(frozen=True)
class _Entry:
    """One line of an allow list: a network or a name, for one port or (None) for all."""

    network: Network | None
    name: str
    port: int | None

    def covers(self, host: str, address: Ip, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address in self.network
        reachable = is_public(address) or any(address in network for network in _NAME_MAY_REACH)
        return reachable and address not in _METADATA_V6 and host.lower().rstrip(".") == self.name


def _entry(text: str) -> _Entry:
    network = _network(text)
    if network is not None:
        return _Entry(network, "", None)
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, ""
    if (colon and not port.isdigit()) or not host or any(mark in host for mark in "/@ "):
        raise ValueError(f"not an address, network or host name: {text!r}")
    network = _network(host.strip("[]"))
    if network is None and ":" in host:
        raise ValueError(f"not an address, network or host name: {text!r}")
    name = "" if network else host.lower().rstrip(".")
    return _Entry(network, name, int(port) if port else None)


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _parse(address: str) -> Ip | None:
    """The address without its zone; a v4 address in v6 clothes is taken out of them for the allow list only."""
    try:
        return ip_address(address.partition("%")[0])
    except ValueError:
        return None


def _named(host: str, address: str) -> str:
    return address if host in ("", address) else f"{host} ({address})"


@dataclass
class Dial:
    """One call's wish to connect; tells afterwards which addresses were tried and which were refused.

    ``has_place``: our pool had room for the connection, so what follows is up to the other side.
    """

    policy: AddressPolicy
    scheme: str
    host: str
    has_place: bool = False
    refusal: str = ""
    permitted: int = 0


# The pool is shared by tenants; the call that makes a connection carries its own policy to the place of the check.
current_dial: ContextVar[Dial] = ContextVar("current_dial")


class AddressRefused(OSError):
    """Our own refusal. An OSError, so that the next address of a name is still tried."""


def guarded_socket(address_info: tuple[Any, ...]) -> socket.socket:
    """Socket factory of the connection pool: ``address_info`` is what is about to be connected.

    :raises AddressRefused: the policy of the current call forbids it, or there is no current call to ask.
    """
    family, kind, protocol, _, target = address_info
    dial = current_dial.get(None)
    if dial is None:
        raise AddressRefused("a connection outside any call")
    why = dial.policy.why_refused(scheme=dial.scheme, host=dial.host, address=str(target[0]), port=int(target[1]))
    if why:
        dial.refusal = why
        raise AddressRefused(why)
    dial.permitted += 1
    return socket.socket(family=family, type=kind, proto=protocol)
