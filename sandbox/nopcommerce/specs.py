"""What drivers and the shop's page send to place and edit orders, read into the shop's own terms."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.nopcommerce import customers, stock
from sandbox.nopcommerce.placing import LineRequest, OrderRequest, new_coupon_code
from sandbox.nopcommerce.row import ZERO, parse_moment
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Address, Customer, GiftCard

_KNOWN = {
    "customer",
    "lines",
    "shipping",
    "payment_method",
    "paid",
    "payment_fee",
    "subtotal_discount",
    "order_discount",
    "gift_cards",
    "reward_points",
    "display_currency",
    "created_at",
    "shipping_address",
    "pickup_in_store",
    "order_guid",
    "checkout_attributes",
    "notes",
}
_PERSON = ("first_name", "last_name", "company")
_NOBODY = {"first_name": "Jo", "last_name": "Bloggs", "address1": "1 High Street", "city": "York"}


def order_request(shop: Shop, spec: Any) -> OrderRequest:
    """An order as ``control.py`` describes it; amounts are numbers or texts.

    :raises ValueError: an unknown member, SKU or customer, or a bad value. Nothing but the customer, addresses and
        gift cards named in the spec is stored.
    """
    if not isinstance(spec, Mapping):
        raise ValueError("the body is an object")
    if unknown := set(spec) - _KNOWN:
        raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
    lines = lines_of(shop, spec.get("lines"))
    created = parse_moment(spec["created_at"]) if spec.get("created_at") else None
    buyer = spec.get("customer") or {}
    customer = _customer(shop, buyer, created)
    billing = _billing(shop, customer, buyer)
    shipping = spec.get("shipping") or {}
    delivery = spec.get("shipping_address")
    return OrderRequest(
        customer=customer,
        billing=billing,
        shipping=customers.new_address(shop, {**_NOBODY, **delivery}) if delivery else billing,
        lines=lines,
        payment_method=spec.get("payment_method", "Payments.CheckMoneyOrder"),
        paid=bool(spec.get("paid", False)),
        shipping_method=shipping.get("method", "Ground"),
        shipping_price=amount(shipping.get("price"), "shipping.price"),
        pickup_in_store=bool(spec.get("pickup_in_store", False)),
        payment_fee=amount(spec.get("payment_fee"), "payment_fee"),
        subtotal_discount=amount(spec.get("subtotal_discount"), "subtotal_discount"),
        order_discount=amount(spec.get("order_discount"), "order_discount"),
        gift_cards=[_gift_card(shop, card) for card in spec.get("gift_cards") or []],
        points=int(spec.get("reward_points") or 0),
        display_currency=spec.get("display_currency"),
        created_at=created,
        order_guid=spec.get("order_guid"),
        checkout_attributes=spec.get("checkout_attributes"),
        notes=spec.get("notes") or [],
    )


def lines_of(shop: Shop, given: Any) -> list[LineRequest]:
    """Lines named by product or combination SKU, or by ``product_id`` for articles without one.

    :raises ValueError: an unknown SKU or a bad quantity.
    """
    if not isinstance(given, list):
        raise ValueError("lines is a list of {sku, quantity, unit_price?, discount?}")
    return [_line(shop, line) for line in given]


def _line(shop: Shop, given: Mapping[str, Any]) -> LineRequest:
    sku, number = given.get("sku"), given.get("product_id")
    combination = stock.combination_by_sku(shop, sku)
    product = shop.products.get(number) if number else stock.product_by_sku(shop, sku)
    if combination is not None:
        product = shop.products.get(combination.product_id)
    if product is None:
        raise ValueError(f"unknown SKU {sku!r}")
    quantity = given.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
        raise ValueError(f"quantity of {sku!r} is a whole number from 1")
    price = given.get("unit_price")
    return LineRequest(
        product,
        quantity,
        combination,
        unit_price=None if price is None else amount(price, "unit_price"),
        discount=amount(given.get("discount"), "discount"),
    )


def amount(value: Any, name: str) -> Decimal:
    """None is 0. :raises ValueError: no number."""
    if value is None:
        return ZERO
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{name} is a number") from error
    if not number.is_finite():
        raise ValueError(f"{name} is a number")
    return number


def _customer(shop: Shop, buyer: Mapping[str, Any], at: dt.datetime | None) -> Customer:
    """By id, by e-mail, or registered now; ``guest`` makes a new guest each time."""
    if buyer.get("id"):
        customer = shop.customers.get(buyer["id"])
        if customer is None:
            raise ValueError(f"unknown customer {buyer['id']}")
        return customer
    if buyer.get("guest") or not buyer.get("email"):
        return customers.new_guest(shop, at=at)
    existing = customers.by_email(shop, buyer["email"])
    if existing is not None:
        return existing
    return register(shop, buyer, at=at)


def register(shop: Shop, given: Mapping[str, Any], *, at: dt.datetime | None = None) -> Customer:
    """A customer with an address and, if asked for, reward points.

    :raises ValueError: no e-mail, or it is taken.
    """
    if not given.get("email"):
        raise ValueError("email is required")
    names = {name: given[name] for name in (*_PERSON, "phone", "vat_number", "is_tax_exempt") if given.get(name)}
    customer = customers.register(shop, email=given["email"], at=at, **names)
    address = customers.new_address(shop, _address_data(given), at=at)
    customer.address_ids.append(address.id)
    customer.billing_address_id = customer.shipping_address_id = address.id
    if given.get("reward_points"):
        customers.add_points(shop, customer.id, int(given["reward_points"]), "Granted")
    return customer


def _billing(shop: Shop, customer: Customer, buyer: Mapping[str, Any]) -> Address | None:
    stored = shop.addresses.get(customer.billing_address_id or 0)
    if stored is not None and not buyer.get("address"):
        return stored
    # Guests have their e-mail here only.
    return customers.new_address(shop, _address_data({"email": customer.email, **buyer}))


def _address_data(given: Mapping[str, Any]) -> dict[str, Any]:
    person = {name: given[name] for name in (*_PERSON, "email") if given.get(name)}
    phone = {"phone_number": given["phone"]} if given.get("phone") else {}
    defaults = {**_NOBODY, "zip_postal_code": "YO1 7HU"}
    return {**defaults, **person, **phone, **(given.get("address") or {})}


def _gift_card(shop: Shop, given: Mapping[str, Any]) -> GiftCard:
    """The card with this code, or a new active one worth ``amount``."""
    code = given.get("code") or new_coupon_code(shop)
    existing = next((card for card in shop.gift_cards.all() if card.gift_card_coupon_code == code), None)
    if existing is not None:
        return existing
    worth = amount(given.get("amount"), "gift card amount")
    return shop.gift_cards.insert(
        GiftCard(amount=worth, is_gift_card_activated=True, gift_card_coupon_code=code, created_on_utc=shop.now())
    )
