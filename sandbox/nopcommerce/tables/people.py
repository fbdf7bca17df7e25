"""Customers, their roles, attributes and reward points.

Member names are those of the official plug-in's DTOs, which mirror the tables. Members marked
``UNSEEN`` are columns (or bookkeeping of the stand-in) that the DTO does not show.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sandbox.nopcommerce.row import NEVER, NO_GUID, UNSEEN, ZERO, Row


@dataclass
class CustomerRole(Row):
    name: str | None = None
    free_shipping: bool = False
    tax_exempt: bool = False
    active: bool = True
    is_system_role: bool = False
    system_name: str | None = None
    enable_password_lifetime: bool = False
    override_tax_display_type: bool = False
    default_tax_display_type_id: int = 0
    purchased_with_product_id: int = 0


@dataclass
class Customer(Row):
    """A guest has no e-mail here; the role system name ``Guests`` tells it apart."""

    customer_guid: str = NO_GUID
    username: str | None = None
    email: str | None = None
    email_to_revalidate: str | None = None
    admin_comment: str | None = None
    is_tax_exempt: bool = False
    affiliate_id: int = 0
    vendor_id: int = 0
    has_shopping_cart_items: bool = False
    require_re_login: bool = False
    failed_login_attempts: int = 0
    cannot_login_until_date_utc: datetime | None = None
    active: bool = True
    deleted: bool = False
    is_system_account: bool = False
    system_name: str | None = None
    last_ip_address: str | None = None
    created_on_utc: datetime = NEVER
    last_login_date_utc: datetime | None = None
    last_activity_date_utc: datetime = NEVER
    registered_in_store_id: int = 0
    billing_address_id: int | None = None
    shipping_address_id: int | None = None
    first_name: str | None = field(default=None, metadata=UNSEEN)
    last_name: str | None = field(default=None, metadata=UNSEEN)
    company: str | None = field(default=None, metadata=UNSEEN)
    phone: str | None = field(default=None, metadata=UNSEEN)
    vat_number: str | None = field(default=None, metadata=UNSEEN)
    vat_number_status_id: int = field(default=10, metadata=UNSEEN)
    currency_id: int | None = field(default=None, metadata=UNSEEN)
    role_ids: list[int] = field(default_factory=list, metadata=UNSEEN)
    address_ids: list[int] = field(default_factory=list, metadata=UNSEEN)
    password: str | None = field(default=None, metadata=UNSEEN)


@dataclass
class GenericAttribute(Row):
    entity_id: int = 0
    key_group: str | None = None
    key: str | None = None
    value: str | None = None
    store_id: int = 0
    created_or_updated_date_utc: datetime | None = None


@dataclass
class RewardPointsHistory(Row):
    customer_id: int = 0
    store_id: int = 0
    points: int = 0
    points_balance: int | None = None
    used_amount: Decimal = ZERO
    message: str | None = None
    created_on_utc: datetime = NEVER
    end_date_utc: datetime | None = None
    valid_points: int | None = None
    used_with_order: str | None = None
