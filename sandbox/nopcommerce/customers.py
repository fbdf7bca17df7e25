"""Customers: registered ones and guests, their addresses, what tax they pay, their reward points."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.nopcommerce.enums import VatNumberStatus
from sandbox.nopcommerce.row import ZERO
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Address, Country, Customer, GenericAttribute, RewardPointsHistory

GUESTS, REGISTERED, ADMINISTRATORS, API_USERS = "Guests", "Registered", "Administrators", "ApiUserRole"
ATTRIBUTE_NAMES = {"first_name": "FirstName", "last_name": "LastName", "company": "Company", "phone": "Phone"}
DELETED_SUFFIX = "-DELETED"


def role_id(shop: Shop, system_name: str) -> int:
    return next((role.id for role in shop.roles.all() if role.system_name == system_name), 0)


def is_in_role(shop: Shop, customer: Customer, system_name: str) -> bool:
    return role_id(shop, system_name) in customer.role_ids


def is_guest(shop: Shop, customer: Customer) -> bool:
    return is_in_role(shop, customer, GUESTS)


def by_email(shop: Shop, email: str | None) -> Customer | None:
    wanted = (email or "").strip().lower()
    return next(
        (c for c in shop.customers.all() if wanted and not c.deleted and (c.email or "").lower() == wanted), None
    )


def register(shop: Shop, *, email: str, at: dt.datetime | None = None, **names: Any) -> Customer:
    """``names``: first_name, last_name, company, phone, vat_number, username, password, is_tax_exempt, role_ids.

    :raises ValueError: the e-mail is taken.
    """
    if by_email(shop, email) is not None:
        raise ValueError("The specified email already exists")
    customer = _new(shop, email=email, at=at, roles=[REGISTERED], **names)
    sync_attributes(shop, customer)
    shop.publish("customers/create", customer)
    return customer


def new_guest(shop: Shop, *, at: dt.datetime | None = None) -> Customer:
    """A guest: no e-mail, and what happens to it is no webhook (the plug-in's rule, kept where they are sent)."""
    return _new(shop, email=None, at=at, roles=[GUESTS])


def _new(shop: Shop, *, email: str | None, at: dt.datetime | None, roles: list[str], **names: Any) -> Customer:
    moment = at or shop.now()
    customer = Customer(
        customer_guid=shop.new_guid(),
        email=email,
        username=names.pop("username", email),
        created_on_utc=moment,
        last_activity_date_utc=moment,
        registered_in_store_id=shop.store.id if email else 0,
        role_ids=[role_id(shop, name) for name in roles],
        **names,
    )
    if customer.vat_number:
        customer.vat_number_status_id = VatNumberStatus.Valid
    return shop.customers.insert(customer)


def updated(shop: Shop, customer: Customer) -> None:
    """Call after changing a customer: attributes follow."""
    shop.customers.save(customer)
    sync_attributes(shop, customer)
    shop.publish("customers/update", customer)


def delete(shop: Shop, customer: Customer) -> None:
    """Soft, with a suffix that frees the e-mail for another registration."""
    shop.customers.edit(customer.id)
    customer.deleted, customer.active = True, False
    if customer.email:
        customer.email += DELETED_SUFFIX
    if customer.username:
        customer.username += DELETED_SUFFIX
    shop.publish("customers/delete", customer)


def sync_attributes(shop: Shop, customer: Customer) -> None:
    """Names live in generic attributes in the shop versions the older official plug-in belongs to."""
    values = {key: getattr(customer, member) for member, key in ATTRIBUTE_NAMES.items()}
    values["VatNumber"] = customer.vat_number
    values["VatNumberStatusId"] = str(int(customer.vat_number_status_id))
    for key, value in values.items():
        save_attribute(shop, customer.id, "Customer", key, value)


def save_attribute(shop: Shop, entity_id: int, group: str, key: str, value: str | None, store_id: int = 0) -> None:
    """As the shop does: an empty value removes the attribute."""
    existing = find_attribute(shop, entity_id, group, key, store_id)
    if existing is not None and not value:
        shop.attributes.delete(existing.id)
    elif existing is not None:
        shop.attributes.edit(existing.id)
        existing.value = value
        existing.created_or_updated_date_utc = shop.now()
    elif value:
        shop.attributes.insert(
            GenericAttribute(
                entity_id=entity_id,
                key_group=group,
                key=key,
                value=value,
                store_id=store_id,
                created_or_updated_date_utc=shop.now(),
            )
        )


def find_attribute(shop: Shop, entity_id: int, group: str, key: str, store_id: int = 0) -> GenericAttribute | None:
    return next(
        (
            a
            for a in shop.attributes.by("entity_id", entity_id)
            if (a.key_group, a.key, a.store_id) == (group, key, store_id)
        ),
        None,
    )


def attribute_written(shop: Shop, attribute: GenericAttribute) -> None:
    """A name written as a generic attribute is the customer's name from then on."""
    member = {key: member for member, key in ATTRIBUTE_NAMES.items()}.get(attribute.key or "")
    customer = shop.customers.get(attribute.entity_id) if attribute.key_group == "Customer" else None
    if customer is None:
        return
    if member:
        setattr(customer, member, attribute.value)
    elif attribute.key == "VatNumber":
        customer.vat_number = attribute.value


def full_name(customer: Customer) -> str:
    return " ".join(part for part in (customer.first_name, customer.last_name) if part)


def new_address(shop: Shop, data: Mapping[str, Any], *, at: dt.datetime | None = None) -> Address:
    """``data`` has the DTO's member names; ``country`` may be given as two letters instead of ``country_id``."""
    known = {name: data[name] for name in _ADDRESS_TEXTS if data.get(name) is not None}
    address = Address(**known, country_id=_country_id(shop, data), created_on_utc=at or shop.now())
    address.state_province_id = data.get("state_province_id")
    return shop.addresses.insert(address)


_ADDRESS_TEXTS = (
    "first_name",
    "last_name",
    "email",
    "company",
    "county",
    "city",
    "address1",
    "address2",
    "zip_postal_code",
    "phone_number",
    "fax_number",
)


def _country_id(shop: Shop, data: Mapping[str, Any]) -> int | None:
    if "country_id" in data:
        return data["country_id"]
    code = str(data.get("country", "GB")).upper()
    return next((c.id for c in shop.countries.all() if c.two_letter_iso_code == code), None)


def country_of(shop: Shop, address: Address | None) -> Country | None:
    return shop.countries.get(address.country_id) if address and address.country_id else None


def is_vat_exempt(shop: Shop, customer: Customer, billing: Address | None) -> bool:
    """Tax exempt customers, and EU businesses with a valid VAT number abroad in a country subject to VAT."""
    if customer.is_tax_exempt:
        return True
    country = country_of(shop, billing)
    return bool(
        shop.settings["eu_vat_exemption"]
        and country
        and country.subject_to_vat
        and customer.vat_number
        and customer.vat_number_status_id == VatNumberStatus.Valid
    )


def points_balance(shop: Shop, customer_id: int) -> int:
    return sum(entry.points for entry in shop.points.by("customer_id", customer_id))


def add_points(
    shop: Shop,
    customer_id: int,
    points: int,
    message: str,
    *,
    used_amount: Decimal = ZERO,
    order_guid: str | None = None,
) -> RewardPointsHistory:
    entry = RewardPointsHistory(
        customer_id=customer_id,
        store_id=shop.store.id,
        points=points,
        points_balance=points_balance(shop, customer_id) + points,
        used_amount=used_amount,
        message=message,
        created_on_utc=shop.now(),
    )
    if order_guid:
        entry.used_with_order = order_guid
    return shop.points.insert(entry)
