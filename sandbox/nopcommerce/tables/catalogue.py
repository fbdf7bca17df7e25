"""Products, combinations, warehouse stock and its history.

Member names are those of the official plug-in's DTOs, which mirror the tables.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sandbox.nopcommerce.row import NEVER, ZERO, Row


@dataclass
class Product(Row):
    product_type_id: int = 5
    parent_grouped_product_id: int = 0
    visible_individually: bool = True
    name: str | None = None
    short_description: str | None = None
    full_description: str | None = None
    admin_comment: str | None = None
    product_template_id: int = 0
    vendor_id: int = 0
    show_on_homepage: bool = False
    meta_keywords: str | None = None
    meta_description: str | None = None
    meta_title: str | None = None
    allow_customer_reviews: bool = True
    approved_rating_sum: int = 0
    not_approved_rating_sum: int = 0
    approved_total_reviews: int = 0
    not_approved_total_reviews: int = 0
    subject_to_acl: bool = False
    limited_to_stores: bool = False
    sku: str | None = None
    manufacturer_part_number: str | None = None
    gtin: str | None = None
    is_gift_card: bool = False
    gift_card_type_id: int = 0
    overridden_gift_card_amount: Decimal | None = None
    require_other_products: bool = False
    required_product_ids: str | None = None
    automatically_add_required_products: bool = False
    is_download: bool = False
    download_id: int = 0
    unlimited_downloads: bool = False
    max_number_of_downloads: int = 0
    download_expiration_days: int | None = None
    download_activation_type_id: int = 0
    has_sample_download: bool = False
    sample_download_id: int = 0
    has_user_agreement: bool = False
    user_agreement_text: str | None = None
    is_recurring: bool = False
    recurring_cycle_length: int = 0
    recurring_cycle_period_id: int = 0
    recurring_total_cycles: int = 0
    is_rental: bool = False
    rental_price_length: int = 0
    rental_price_period_id: int = 0
    is_ship_enabled: bool = True
    is_free_shipping: bool = False
    ship_separately: bool = False
    additional_shipping_charge: Decimal = ZERO
    delivery_date_id: int = 0
    is_tax_exempt: bool = False
    tax_category_id: int = 0
    is_telecommunications_or_broadcasting_or_electronic_services: bool = False
    manage_inventory_method_id: int = 0
    product_availability_range_id: int = 0
    use_multiple_warehouses: bool = False
    warehouse_id: int = 0
    stock_quantity: int = 0
    display_stock_availability: bool = True
    display_stock_quantity: bool = False
    min_stock_quantity: int = 0
    low_stock_activity_id: int = 0
    notify_admin_for_quantity_below: int = 0
    backorder_mode_id: int = 0
    allow_back_in_stock_subscriptions: bool = False
    order_minimum_quantity: int = 1
    order_maximum_quantity: int = 10000
    allowed_quantities: str | None = None
    allow_adding_only_existing_attribute_combinations: bool = False
    not_returnable: bool = False
    disable_buy_button: bool = False
    disable_wishlist_button: bool = False
    available_for_pre_order: bool = False
    pre_order_availability_start_date_time_utc: datetime | None = None
    call_for_price: bool = False
    price: Decimal = ZERO
    old_price: Decimal = ZERO
    product_cost: Decimal = ZERO
    customer_enters_price: bool = False
    minimum_customer_entered_price: Decimal = ZERO
    maximum_customer_entered_price: Decimal = ZERO
    baseprice_enabled: bool = False
    baseprice_amount: Decimal = ZERO
    baseprice_unit_id: int = 0
    baseprice_base_amount: Decimal = ZERO
    baseprice_base_unit_id: int = 0
    mark_as_new: bool = False
    mark_as_new_start_date_time_utc: datetime | None = None
    mark_as_new_end_date_time_utc: datetime | None = None
    has_tier_prices: bool = False
    has_discounts_applied: bool = False
    weight: Decimal = ZERO
    length: Decimal = ZERO
    width: Decimal = ZERO
    height: Decimal = ZERO
    available_start_date_time_utc: datetime | None = None
    available_end_date_time_utc: datetime | None = None
    display_order: int = 0
    published: bool = True
    deleted: bool = False
    created_on_utc: datetime = NEVER
    updated_on_utc: datetime = NEVER


@dataclass
class ProductAttributeCombination(Row):
    product_id: int = 0
    attributes_xml: str | None = None
    stock_quantity: int = 0
    allow_out_of_stock_orders: bool = False
    sku: str | None = None
    manufacturer_part_number: str | None = None
    gtin: str | None = None
    overridden_price: Decimal | None = None
    notify_admin_for_quantity_below: int = 0
    picture_id: int = 0
    min_stock_quantity: int = 0


@dataclass
class ProductWarehouseInventory(Row):
    product_id: int = 0
    warehouse_id: int = 0
    stock_quantity: int = 0
    reserved_quantity: int = 0


@dataclass
class StockQuantityHistory(Row):
    quantity_adjustment: int = 0
    stock_quantity: int = 0
    message: str | None = None
    created_on_utc: datetime = NEVER
    product_id: int = 0
    combination_id: int | None = None
    warehouse_id: int | None = None
