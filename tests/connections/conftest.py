"""A connector of our own making: it answers, refuses or falls silent as the test says."""

import pytest

from connections import catalogue
from connectors.base.manifest import AccountFacts, AuthKind, Connector, Field, FieldKind
from connectors.base.triggers import Webhook


class TeaShopHooks(Webhook):
    def __init__(self, shop):
        self.shop = shop

    async def register(self, client, url, secret):
        self.shop.hooks.append((url, secret))
        return "hook-1"

    async def unregister(self, client, registration_id):
        if self.shop.answer is not None and isinstance(self.shop.answer, Exception):
            raise self.shop.answer
        self.shop.hooks.clear()


class TeaShop:
    """``answer``: facts to give or an error to raise. ``views``: what each client was opened with."""

    def __init__(self):
        self.answer = AccountFacts(
            account_id="shop-77", name="Tea Shop 77", currency="GBP", time_zone="Europe/London", details={"family": "A"}
        )
        self.views = []
        self.hooks = []

    def open_client(self, door, view):
        self.views.append(view)
        return TeaShopClient(self, door)


class TeaShopClient:
    def __init__(self, shop, door):
        self.shop, self.door = shop, door

    async def check(self):
        if isinstance(self.shop.answer, Exception):
            raise self.shop.answer
        return self.shop.answer


VALUES = {"address": " https://tea.example/ ", "user": "ann", "password": "planted-Secret-1", "junk": "x"}


@pytest.fixture
def tea_shop(monkeypatch):
    shop = TeaShop()
    connector = Connector(
        key="tea_shop",
        name="Tea Shop",
        summary="Sells tea",
        docs="https://tea.example/docs",
        auth=AuthKind.PASSWORD,
        fields=(
            Field("address", "Address", kind=FieldKind.URL),
            Field("user", "User name"),
            Field("password", "Password", secret=True),
            Field("edition", "Edition", kind=FieldKind.CHOICE, choices=(("a", "A"), ("b", "B")), default="a"),
            Field("pause", "Pause", kind=FieldKind.NUMBER, required=False),
        ),
        open_client=shop.open_client,
        webhook=TeaShopHooks(shop),
        host_of=lambda view: "tea.example",
    )
    monkeypatch.setitem(catalogue.CONNECTORS, "tea_shop", connector)
    return shop
