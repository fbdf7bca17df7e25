"""Short hashes over what matters of a record: a changed one is news, an equal one is dropped (rule C9)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from connectors.nopcommerce.shapes import (
    AddressShape,
    CombinationShape,
    CustomerShape,
    OrderA,
    OrderBC,
    OrderShape,
    ProductShape,
)


def fingerprint(*facts: Any) -> str:
    """16 hex digits. 5 and 5.0000 are one amount; column widths are not news."""
    text = json.dumps([_plain(fact) for fact in facts], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def order_fingerprint(order: OrderShape) -> str:
    """Statuses, amounts, and addresses: their numbers in A (each order has its own copies), their text in B and C.

    Quantities too where the list tells them (B and C); in A an edited quantity shows in the amounts.
    """
    money = (
        order.refunded_amount,
        order.order_total,
        order.order_subtotal_excl_tax,
        order.order_tax,
        order.order_discount,
    )
    if isinstance(order, OrderA):
        statuses = (order.order_status_id, order.payment_status_id, order.shipping_status_id)
        return fingerprint(statuses, money, order.billing_address_id, order.shipping_address_id, order.deleted)
    if isinstance(order, OrderBC):
        names = (order.order_status, order.payment_status, order.shipping_status)
        quantities = [(item.id, item.quantity, item.price_excl_tax) for item in order.order_items]
        addresses = [address_facts(order.billing_address), address_facts(order.shipping_address)]
        return fingerprint(names, money, quantities, addresses, order.deleted)
    raise TypeError(f"no fingerprint for {type(order).__name__}")


def customer_fingerprint(customer: CustomerShape) -> str:
    """A lists no names, so activity stands in for them there: whoever edits the own account is active."""
    own = (customer.email, customer.username, customer.active, customer.deleted, customer.is_tax_exempt)
    if customer.first_name or customer.last_name or customer.billing_address:
        names = (customer.first_name, customer.last_name, customer.company, customer.phone)
        return fingerprint(
            own, names, address_facts(customer.billing_address), address_facts(customer.shipping_address)
        )
    activity = customer.last_activity_date_utc.isoformat() if customer.last_activity_date_utc else ""
    return fingerprint(own, customer.billing_address_id, customer.shipping_address_id, activity)


def product_fingerprint(product: ProductShape, combinations: Sequence[CombinationShape], quantity: int | None) -> str:
    parts = [(each.sku, each.stock_quantity, each.overridden_price) for each in combinations]
    return fingerprint(product.name, product.sku, product.price, quantity, product.published, product.deleted, parts)


def address_facts(address: AddressShape | None) -> list[str] | None:
    if address is None:
        return None
    names = [address.first_name, address.last_name, address.company, address.email, address.phone_number]
    return [
        *names,
        address.address1,
        address.address2,
        address.city,
        address.zip_postal_code,
        address.country,
        address.province,
    ]


def _plain(fact: Any) -> Any:
    if isinstance(fact, Decimal):
        return format(fact.normalize() + 0, "f")
    if isinstance(fact, list | tuple):
        return [_plain(part) for part in fact]
    return fact
