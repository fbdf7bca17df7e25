"""Merging what a PUT brought into rows: members that are not there stay."""

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.nopcommerce.row import BadBody, Row, bind, members, nullable
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Address

ADDRESS_MEMBERS = (
    "first_name",
    "last_name",
    "email",
    "company",
    "country_id",
    "state_province_id",
    "city",
    "address1",
    "address2",
    "zip_postal_code",
    "phone_number",
    "fax_number",
)


def set_members(row: Row, body: Mapping[str, Any], names: Iterable[str]) -> None:
    """:raises BadBody: a value of the wrong type; nothing is written then."""
    kinds, may_be_null = members(type(row)), nullable(type(row))
    values = {
        name: bind(name, kinds[name], body[name], may_be_null=name in may_be_null) for name in names if name in body
    }
    for name, value in values.items():
        setattr(row, name, value)


def set_address(shop: Shop, address: Address, body: Mapping[str, Any]) -> None:
    """Values of a wrong type are dropped, as the plug-in's merge does."""
    shop.addresses.edit(address.id)
    for name in ADDRESS_MEMBERS:
        try:
            set_members(address, body, [name])
        except BadBody:
            continue
