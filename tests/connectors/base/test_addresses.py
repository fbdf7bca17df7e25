"""No spelling of a private address gets through, and the refusal is said as what it is."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base.addresses import AddressPolicy, AddressRefused, PlainHttp, guarded_socket, is_public
from connectors.base.errors import ConnectorError, NeedsAttention, NotSent
from connectors.base.gate import OpenGate
from connectors.base.http import Effect
from tests.connectors.base.doors import Memory, get, pool, run
from tests.connectors.base.raw_server import RawServer

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2001:10::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "172.32.0.1",
    "192.88.98.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
]
SPELLINGS = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "localhost",
    "LOCALHOST",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "2852039166",
    "[fd00:ec2::254]",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "10.0.0.1",
    "192.168.0.1",
    "[fe80::1]",
]


@pytest.mark.parametrize("address", REFUSED)
def test_refused(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address):
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_nothing_is_public_that_python_knows_as_special(address):
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_link_local:
        assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_v6_wrapping_of_a_v4_address_is_public(address: IPv4Address):
    number = int(address)
    wrapped = [0xFFFF << 32 | number, number, (0x64FF9B << 96) | number, 0x2002 << 112 | number << 80]
    assert not any(is_public(IPv6Address(value)) for value in wrapped)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", SPELLINGS)
def test_every_spelling_is_refused_before_anything_connects(host, scheme):
    """Under a policy that lets plain http go anywhere, so that only the address can be the reason."""

    async def go():
        gate = Memory()
        async with RawServer() as server, pool() as shared:
            door = shared.door(gate, AddressPolicy(plain_http=PlainHttp.ANYWHERE))
            with pytest.raises(NeedsAttention) as caught:
                await get(door, f"{scheme}://{host}:{server.port}/")
            return caught.value, server.connections, len(gate.entered)

    error, connections, entered = run(go())
    assert (error.code, connections) == ("address_refused", 0)
    assert entered <= 1, "a refusal is not retried"
    assert error.cure


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://x/",
        "//x/",
        "example.com",
        "",
        "http://",
        "https://u:p@x.example/",
    ],
)
def test_what_is_no_address_of_ours(url):
    async def go():
        async with pool() as shared:
            await shared.door(OpenGate()).call("POST", url, operation="o", effect=Effect.WRITE)

    with pytest.raises(NeedsAttention):
        run(go())


def reasons(policy: AddressPolicy, *, host="", address="127.0.0.1", port=9101, scheme="https") -> str:
    return policy.why_refused(scheme=scheme, host=host, address=address, port=port)


def test_the_allow_list():
    policy = AddressPolicy(allow={"127.0.0.1:9101", "10.0.0.0/8", "[::1]:80", "shop.internal", "Ledger.Internal.:443"})
    assert not reasons(policy)
    assert reasons(policy, port=9102)
    assert not reasons(policy, address="10.200.0.1", port=1)
    assert reasons(policy, address="11.0.0.1", scheme="http")
    assert not reasons(policy, address="::1", port=80)
    assert reasons(policy, address="::1", port=81)
    assert not reasons(policy, host="SHOP.internal", address="192.168.0.9")
    assert not reasons(policy, host="ledger.internal", address="192.168.0.9", port=443)
    assert reasons(policy, host="ledger.internal", address="192.168.0.9", port=444)
    assert reasons(policy, host="evil-shop.internal", address="192.168.0.9")
    for never in ("169.254.169.254", "fe80::1%eth0", "0.0.0.0", "224.0.0.1", "fd00:ec2::254", "168.63.129.16"):
        assert reasons(policy, host="shop.internal", address=never), never


@pytest.mark.parametrize("entry", ["", "a b", "http://x", "x:y", "1.2.3.4:", "a@b", "::1:x", "10.0.0.0/99"])
def test_a_wrong_entry_is_noticed_when_it_is_written(entry):
    with pytest.raises(ValueError, match="not an address"):
        AddressPolicy(allow={entry})


def test_plain_http():
    listed = {"127.0.0.1"}
    public = {"host": "x.example", "address": "93.184.216.34", "scheme": "http"}
    assert reasons(AddressPolicy(), **public)
    assert not reasons(AddressPolicy(), **(public | {"scheme": "https"}))
    assert not reasons(AddressPolicy(allow={"x.example"}), **public)
    assert not reasons(AddressPolicy(plain_http=PlainHttp.ANYWHERE), **public)
    assert not reasons(AddressPolicy(allow=listed), scheme="http")
    assert reasons(AddressPolicy(allow=listed, plain_http=PlainHttp.NEVER), scheme="http")


def test_an_equal_policy_is_one_policy():
    assert AddressPolicy(allow=["a", "b"]) == AddressPolicy(allow={"b", "a"})
    assert hash(AddressPolicy(allow=["a", "b"])) == hash(AddressPolicy(allow={"b", "a"}))
    assert AddressPolicy() != AddressPolicy(plain_http=PlainHttp.ANYWHERE)


def test_a_socket_outside_any_call_is_refused():
    with pytest.raises(AddressRefused):
        guarded_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443)))


@pytest.mark.parametrize("order", [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]])
def test_a_name_with_an_allowed_and_a_forbidden_address_reaches_only_the_allowed_one(monkeypatch, order):
    """What DNS answers is in a stranger's hand. The server listens on the first loopback address only."""
    answer_names(monkeypatch, {"both.example": order})

    async def go(allow):
        async with RawServer() as server, pool() as shared:
            door = shared.door(OpenGate(), AddressPolicy(allow={allow}))
            try:
                return (await get(door, f"http://both.example:{server.port}/")).status, server.connections
            except ConnectorError as error:
                return type(error), server.connections

    assert run(go("127.0.0.1")) == (200, 1)
    assert run(go("127.0.0.2")) == (NotSent, 0), "the allowed one is down: passing trouble, not a wrong address"
    assert run(go("127.0.0.3")) == (NeedsAttention, 0)


def answer_names(monkeypatch, names: dict[str, list[str]]) -> None:
    real = socket.getaddrinfo

    def answer(host, port, *args, **kwargs):
        if host in names:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in names[host]]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
