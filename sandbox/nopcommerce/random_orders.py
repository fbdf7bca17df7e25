"""Orders a shop sees on an ordinary day, drawn from the shop's own dice."""

from typing import Any

from sandbox.nopcommerce.customers import is_in_role
from sandbox.nopcommerce.shop import Shop

_GUESTS = [
    ("Nadia", "Rahman", "Leicester", "LE1 5WW"),
    ("Tom", "Ashworth", "Bristol", "BS1 4DJ"),
    ("Ines", "Marques", "Brighton", "BN1 1AE"),
]


def random_order(shop: Shop) -> dict[str, Any]:
    """A spec as ``POST /control/orders`` takes it."""
    dice = shop.rng
    sellable = [p for p in shop.products.all() if (p.sku or "").startswith("SKU-") and not p.deleted]
    chosen = dice.sample(sellable, min(dice.randint(1, 4), len(sellable)))
    lines = [{"sku": product.sku, "quantity": dice.choice([1, 1, 1, 2, 3])} for product in chosen]
    method = dice.choice(shop.settings["payment_methods"] or [None])
    return {
        "customer": _customer(shop),
        "lines": lines,
        "shipping": {"method": "Ground", "price": dice.choice(["0", "3.95", "5.95"])},
        "payment_method": method,
        "paid": method != "Payments.CheckMoneyOrder" or dice.random() < 0.3,
        "order_discount": dice.choice(["0", "0", "0", "0", "5.00"]),
        "display_currency": dice.choice(["GBP", "GBP", "GBP", "EUR"]),
    }


def _customer(shop: Shop) -> dict[str, Any]:
    dice = shop.rng
    if dice.random() < 0.4:
        first, last, city, postcode = dice.choice(_GUESTS)
        return {
            "guest": True,
            "first_name": first,
            "last_name": last,
            "email": f"{first}.{last}@guest.test".lower(),
            "address": {"address1": f"{dice.randint(1, 99)} Station Road", "city": city, "zip_postal_code": postcode},
        }
    people = [
        c for c in shop.customers.all() if c.email and not c.deleted and not is_in_role(shop, c, "Administrators")
    ]
    return {"id": dice.choice(people).id}
