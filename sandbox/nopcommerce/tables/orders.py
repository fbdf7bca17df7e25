"""Orders and what hangs on them.

Member names are those of the official plug-in's DTOs, which mirror the tables. Members marked
``UNSEEN`` are columns (or bookkeeping of the stand-in) that the DTO does not show.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sandbox.nopcommerce.row import NEVER, NO_GUID, UNSEEN, ZERO, Row


@dataclass
class Order(Row):
    """All amounts are in the primary store currency; there is no "updated on"."""

    order_guid: str = NO_GUID
    store_id: int = 0
    customer_id: int = 0
    billing_address_id: int = 0
    shipping_address_id: int | None = None
    pickup_address_id: int | None = None
    pickup_in_store: bool = False
    order_status_id: int = 0
    shipping_status_id: int = 0
    payment_status_id: int = 0
    payment_method_system_name: str | None = None
    customer_currency_code: str | None = None
    currency_rate: Decimal = ZERO
    customer_tax_display_type_id: int = 0
    vat_number: str | None = None
    order_subtotal_incl_tax: Decimal = ZERO
    order_subtotal_excl_tax: Decimal = ZERO
    order_sub_total_discount_incl_tax: Decimal = ZERO
    order_sub_total_discount_excl_tax: Decimal = ZERO
    order_shipping_incl_tax: Decimal = ZERO
    order_shipping_excl_tax: Decimal = ZERO
    payment_method_additional_fee_incl_tax: Decimal = ZERO
    payment_method_additional_fee_excl_tax: Decimal = ZERO
    tax_rates: str | None = None
    order_tax: Decimal = ZERO
    order_discount: Decimal = ZERO
    order_total: Decimal = ZERO
    refunded_amount: Decimal = ZERO
    reward_points_history_entry_id: int | None = None
    checkout_attribute_description: str | None = None
    checkout_attributes_xml: str | None = None
    customer_language_id: int = 0
    affiliate_id: int = 0
    customer_ip: str | None = None
    allow_storing_credit_card_number: bool = False
    card_type: str | None = None
    card_name: str | None = None
    card_number: str | None = None
    masked_credit_card_number: str | None = None
    card_cvv2: str | None = None
    card_expiration_month: str | None = None
    card_expiration_year: str | None = None
    authorization_transaction_id: str | None = None
    authorization_transaction_code: str | None = None
    authorization_transaction_result: str | None = None
    capture_transaction_id: str | None = None
    capture_transaction_result: str | None = None
    subscription_transaction_id: str | None = None
    paid_date_utc: datetime | None = None
    shipping_method: str | None = None
    shipping_rate_computation_method_system_name: str | None = None
    custom_values_xml: str | None = None
    deleted: bool = False
    created_on_utc: datetime = NEVER
    custom_order_number: str | None = None
    redeemed_reward_points_entry_id: int | None = None
    placed_at: float = field(default=0.0, metadata=UNSEEN)
    gift_card_amount: Decimal = field(default=ZERO, metadata=UNSEEN)
    reward_points_amount: Decimal = field(default=ZERO, metadata=UNSEEN)
    payment_fee_rate: Decimal = field(default=ZERO, metadata=UNSEEN)
    shipping_rate: Decimal = field(default=ZERO, metadata=UNSEEN)


@dataclass
class OrderItem(Row):
    """No SKU and no name: both are looked up, and the product may be gone."""

    order_item_guid: str = NO_GUID
    order_id: int = 0
    product_id: int = 0
    quantity: int = 0
    unit_price_incl_tax: Decimal = ZERO
    unit_price_excl_tax: Decimal = ZERO
    price_incl_tax: Decimal = ZERO
    price_excl_tax: Decimal = ZERO
    discount_amount_incl_tax: Decimal = ZERO
    discount_amount_excl_tax: Decimal = ZERO
    original_product_cost: Decimal = ZERO
    attribute_description: str | None = None
    attributes_xml: str | None = None
    download_count: int = 0
    is_download_activated: bool = False
    license_download_id: int | None = None
    item_weight: Decimal | None = None
    rental_start_date_utc: datetime | None = None
    rental_end_date_utc: datetime | None = None
    tax_rate: Decimal = field(default=ZERO, metadata=UNSEEN)
    sku: str | None = field(default=None, metadata=UNSEEN)
    name: str = field(default="", metadata=UNSEEN)
    warehouse_id: int = field(default=0, metadata=UNSEEN)


@dataclass
class OrderNote(Row):
    order_id: int = 0
    note: str | None = None
    download_id: int = 0
    display_to_customer: bool = False
    created_on_utc: datetime = NEVER


@dataclass
class GiftCard(Row):
    purchased_with_order_item_id: int | None = None
    gift_card_type_id: int = 0
    amount: Decimal = ZERO
    is_gift_card_activated: bool = False
    gift_card_coupon_code: str | None = None
    recipient_name: str | None = None
    recipient_email: str | None = None
    sender_name: str | None = None
    sender_email: str | None = None
    message: str | None = None
    is_recipient_notified: bool = False
    created_on_utc: datetime = NEVER


@dataclass
class GiftCardUsageHistory(Row):
    gift_card_id: int = 0
    used_with_order_id: int = 0
    used_value: Decimal = ZERO
    created_on_utc: datetime = NEVER


@dataclass
class Shipment(Row):
    order_id: int = 0
    tracking_number: str | None = None
    total_weight: Decimal | None = None
    shipped_date_utc: datetime | None = None
    delivery_date_utc: datetime | None = None
    admin_comment: str | None = None
    created_on_utc: datetime = NEVER


@dataclass
class ShipmentItem(Row):
    shipment_id: int = 0
    order_item_id: int = 0
    quantity: int = 0
    warehouse_id: int = 0


@dataclass
class ReturnRequest(Row):
    custom_number: str | None = None
    store_id: int = 0
    order_item_id: int = 0
    customer_id: int = 0
    quantity: int = 0
    reason_for_return: str | None = None
    requested_action: str | None = None
    customer_comments: str | None = None
    uploaded_file_id: int = 0
    staff_notes: str | None = None
    return_request_status_id: int = 0
    created_on_utc: datetime = NEVER
    updated_on_utc: datetime = NEVER
