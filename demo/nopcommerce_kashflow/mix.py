"""A fixed, seeded mix of orders as real shops have them, with what happens to each of them afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PEOPLE = [
    ("Ada", "Palmer", "12 Mill Lane", "Leeds", "LS1 4AP"),
    ("Rohan", "Mehta", "3 Quay Street", "Bristol", "BS1 4DJ"),
    ("Siân", "Llewellyn-Davies", "The Old Rectory, Church Walk", "Cardiff", "cf10 1ep"),
    ("Tom", "O'Brien", "Flat 9, 210 City Road", "London", "EC1V2PA"),
    ("Marguerite", "Featherstonehaugh", "8 Canal Works", "Manchester", "M1 2AB"),
]
REDIRECT, CARD, OFFLINE = "Payments.PayPalCommerce", "Payments.Manual", "Payments.CheckMoneyOrder"


@dataclass(frozen=True)
class Later:
    """Something that happens to an order ``after_seconds``: an action of the shop's control interface."""

    after_seconds: float
    action: str
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedOrder:
    """``together``: orders with the same number are placed at the same moment."""

    kind: str
    spec: dict[str, Any]
    later: tuple[Later, ...] = ()
    together: int = 0


def orders(count: int, seed: int) -> list[PlannedOrder]:
    """The first ``count`` orders of the mix. Same seed, same orders."""
    dice = random.Random(seed)
    planned: list[PlannedOrder] = []
    while len(planned) < count:
        kind = KINDS[len(planned) % len(KINDS)]
        planned.extend(kind(dice, len(planned)))
    return planned[:count]


def _person(dice: random.Random, number: int, *, guest: bool = False) -> dict[str, Any]:
    first, last, street, city, postcode = dice.choice(PEOPLE)
    return {
        "guest": guest,
        "first_name": first,
        "last_name": last,
        "email": f"buyer{number % 37}.{'guest' if guest else 'known'}@example.test",
        "address": {"address1": street, "city": city, "zip_postal_code": postcode, "country_id": 1},
    }


def _lines(
    dice: random.Random, most: int = 4, quantities: tuple[int, ...] = (1, 1, 1, 2, 3, 7)
) -> list[dict[str, Any]]:
    skus = dice.sample(range(1, 41), dice.randint(1, most))
    return [{"sku": f"SKU-{sku:03d}", "quantity": dice.choice(quantities)} for sku in skus]


def _spec(dice: random.Random, number: int, *, guest: bool = False, **members: Any) -> dict[str, Any]:
    return {
        "customer": _person(dice, number, guest=guest),
        "lines": _lines(dice),
        "shipping": {"method": "Ground", "price": dice.choice(["0", "3.95", "5.95"])},
        "payment_method": REDIRECT,
        "paid": True,
        **members,
    }


def _plain(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("plain", _spec(dice, number))]


def _guest(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("guest", _spec(dice, number, guest=True, payment_method=CARD))]


def _large(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("large basket", _spec(dice, number, lines=_lines(dice, 18, (1, 2, 3, 5, 12, 40))))]


def _item_discount(dice: random.Random, number: int) -> list[PlannedOrder]:
    lines = [{**line, "discount": dice.choice(["0.37", "0.50", "1.01"])} for line in _lines(dice)]
    return [PlannedOrder("item discount", _spec(dice, number, lines=lines))]


def _subtotal_discount(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("subtotal discount", _spec(dice, number, subtotal_discount=dice.choice(["1.00", "3.33"])))]


def _order_discount(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("order discount", _spec(dice, number, order_discount=dice.choice(["0.50", "1.99"])))]


def _fee(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("payment fee", _spec(dice, number, payment_fee=dice.choice(["1.25", "-0.75"])))]


def _gift_card(dice: random.Random, number: int) -> list[PlannedOrder]:
    cards = [{"code": f"CARD-{number}", "amount": dice.choice(["1.50", "5.00"])}]
    return [PlannedOrder("gift card", _spec(dice, number, gift_cards=cards))]


def _free_line(dice: random.Random, number: int) -> list[PlannedOrder]:
    lines = [*_lines(dice, 2), {"sku": "SKU-007", "quantity": 1, "unit_price": "0"}]
    lines = list({line["sku"]: line for line in lines}.values())
    return [PlannedOrder("free line", _spec(dice, number, lines=lines))]


def _foreign_display(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("foreign display currency", _spec(dice, number, display_currency=dice.choice(["EUR", "USD"])))]


def _paid_later(dice: random.Random, number: int) -> list[PlannedOrder]:
    spec = _spec(dice, number, payment_method=OFFLINE, paid=False)
    return [PlannedOrder("offline, paid later", spec, (Later(2.0, "pay"),))]


def _offline_unpaid(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("offline, unpaid", _spec(dice, number, payment_method=OFFLINE, paid=False))]


def _abandoned(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("redirect, abandoned", _spec(dice, number, paid=False))]


def _redirect_paid_late(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("redirect, paid late", _spec(dice, number, paid=False), (Later(1.5, "pay"),))]


def _refund_full(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("full refund", _spec(dice, number), (Later(3.0, "refund"),))]


def _refund_parts(dice: random.Random, number: int) -> list[PlannedOrder]:
    parts = (Later(2.5, "refund", {"amount": "1.11"}), Later(4.0, "refund", {"amount": "0.57"}))
    return [PlannedOrder("two partial refunds", _spec(dice, number), parts)]


def _cancel_unpaid(dice: random.Random, number: int) -> list[PlannedOrder]:
    spec = _spec(dice, number, payment_method=OFFLINE, paid=False)
    return [PlannedOrder("cancelled unpaid", spec, (Later(2.5, "cancel"),))]


def _cancel_paid(dice: random.Random, number: int) -> list[PlannedOrder]:
    return [PlannedOrder("refunded and cancelled", _spec(dice, number), (Later(2.5, "refund"), Later(4.0, "cancel")))]


def _edit(dice: random.Random, number: int) -> list[PlannedOrder]:
    spec = _spec(dice, number, payment_method=OFFLINE, paid=False)
    lines = spec["lines"]
    changed = [{**lines[0], "quantity": lines[0]["quantity"] + dice.choice([1, 2])}, *lines[1:]]
    if len(lines) > 1 and dice.random() < 0.5:
        changed = lines[:-1]
    return [PlannedOrder("edited", spec, (Later(3.0, "edit", {"lines": changed}),))]


def _same_person(dice: random.Random, number: int) -> list[PlannedOrder]:
    person = _person(dice, number, guest=True) | {"email": f"first-orders.{number}@example.test"}
    return [
        PlannedOrder("one person's first orders at once", _spec(dice, number, customer=person), together=number + 1)
        for _ in range(3)
    ]


KINDS: list[Callable[[random.Random, int], list[PlannedOrder]]] = [
    _plain, _guest, _large, _item_discount, _plain, _subtotal_discount, _order_discount, _fee, _gift_card, _guest,
    _free_line, _foreign_display, _paid_later, _plain, _offline_unpaid, _abandoned, _redirect_paid_late, _refund_full,
    _refund_parts, _same_person, _cancel_unpaid, _cancel_paid, _edit, _plain,
]  # fmt: skip
