"""Where things are: stores, countries, currencies, tax categories, warehouses, addresses.

Member names are those of the official plug-in's DTOs, which mirror the tables.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sandbox.nopcommerce.row import NEVER, ZERO, Row


@dataclass
class Store(Row):
    name: str | None = None
    url: str | None = None
    ssl_enabled: bool = False
    hosts: str | None = None
    default_language_id: int = 0
    display_order: int = 0
    company_name: str | None = None
    company_address: str | None = None
    company_phone_number: str | None = None
    company_vat: str | None = None


@dataclass
class Country(Row):
    name: str | None = None
    allows_billing: bool = True
    allows_shipping: bool = True
    two_letter_iso_code: str | None = None
    three_letter_iso_code: str | None = None
    numeric_iso_code: int = 0
    subject_to_vat: bool = False
    published: bool = True
    display_order: int = 0
    limited_to_stores: bool = False


@dataclass
class StateProvince(Row):
    country_id: int = 0
    name: str | None = None
    abbreviation: str | None = None
    published: bool = True
    display_order: int = 0


@dataclass
class Currency(Row):
    name: str | None = None
    currency_code: str | None = None
    rate: Decimal = ZERO
    display_locale: str | None = None
    custom_formatting: str | None = None
    limited_to_stores: bool = False
    published: bool = True
    display_order: int = 0
    created_on_utc: datetime = NEVER
    updated_on_utc: datetime = NEVER
    rounding_type_id: int = 0


@dataclass
class TaxCategory(Row):
    name: str | None = None
    display_order: int = 0


@dataclass
class Warehouse(Row):
    name: str | None = None
    admin_comment: str | None = None
    address_id: int = 0


@dataclass
class Address(Row):
    """Each order holds its own copies, so address ids differ per order."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    company: str | None = None
    country_id: int | None = None
    state_province_id: int | None = None
    county: str | None = None
    city: str | None = None
    address1: str | None = None
    address2: str | None = None
    zip_postal_code: str | None = None
    phone_number: str | None = None
    fax_number: str | None = None
    custom_attributes: str | None = None
    created_on_utc: datetime = NEVER
