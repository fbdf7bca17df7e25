"""Rows as the resource plug-ins show them: nested, statuses by name, countries by name, no custom order number."""

from datetime import datetime
from typing import Any

from sandbox.nopcommerce import customers
from sandbox.nopcommerce.enums import (
    OrderStatus,
    PaymentStatus,
    ProductType,
    ShippingStatus,
    TaxDisplayType,
    name_of,
)
from sandbox.nopcommerce.row import Row, as_utc_text, dto, shown_members
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import Address, Customer, Order, OrderItem, Product, ProductAttributeCombination

# Columns of the order that these plug-ins do not show.
_HIDDEN_IN_ORDER = {
    "order_guid",
    "custom_order_number",
    "billing_address_id",
    "shipping_address_id",
    "pickup_address_id",
    "pickup_in_store",
    "order_status_id",
    "payment_status_id",
    "shipping_status_id",
    "reward_points_history_entry_id",
    "redeemed_reward_points_entry_id",
    "checkout_attributes_xml",
    "allow_storing_credit_card_number",
    "card_type",
    "card_name",
    "card_number",
    "masked_credit_card_number",
    "card_cvv2",
    "card_expiration_month",
    "card_expiration_year",
}
_CUSTOMER_MEMBERS = (
    "customer_guid",
    "username",
    "email",
    "first_name",
    "last_name",
    "admin_comment",
    "is_tax_exempt",
    "has_shopping_cart_items",
    "active",
    "deleted",
    "is_system_account",
    "system_name",
    "last_ip_address",
    "created_on_utc",
    "last_login_date_utc",
    "last_activity_date_utc",
    "registered_in_store_id",
    "id",
)


class View:
    """Builds DTOs of one shop; ``naive_dates`` leaves the offset off."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.naive_dates = bool(shop.settings["naive_dates"])

    def order(self, order: Order) -> dict[str, Any]:
        shop = self.shop
        shown = {name: value for name, value in self._plain(order).items() if name not in _HIDDEN_IN_ORDER}
        customer = shop.customers.get(order.customer_id)
        return shown | {
            "pick_up_in_store": order.pickup_in_store,
            "reward_points_were_added": order.reward_points_history_entry_id is not None,
            "customer": self.customer(customer, nested=True) if customer else None,
            "billing_address": self.address(shop.addresses.get(order.billing_address_id)),
            "shipping_address": self.address(shop.addresses.get(order.shipping_address_id or 0)),
            "order_items": [self.item(item) for item in shop.order_items.by("order_id", order.id)],
            "order_status": name_of(OrderStatus, order.order_status_id),
            "payment_status": name_of(PaymentStatus, order.payment_status_id),
            "shipping_status": name_of(ShippingStatus, order.shipping_status_id),
            "customer_tax_display_type": name_of(TaxDisplayType, order.customer_tax_display_type_id),
        }

    def item(self, item: OrderItem) -> dict[str, Any]:
        hidden = {"order_item_guid", "order_id", "license_download_id"}
        shown = {name: value for name, value in self._plain(item).items() if name not in hidden}
        product = self.shop.products.get(item.product_id)
        return shown | {"product_attributes": [], "product": self.product(product) if product else None}

    def customer(self, customer: Customer, *, nested: bool = False) -> dict[str, Any]:
        shown = {name: self._value(getattr(customer, name)) for name in _CUSTOMER_MEMBERS}
        if nested:
            return shown
        addresses = (self.shop.addresses.get(number) for number in customer.address_ids)
        return shown | {
            "language_id": None,
            "role_ids": list(customer.role_ids),
            "addresses": [self.address(address) for address in addresses if address],
            "billing_address": self.address(self.shop.addresses.get(customer.billing_address_id or 0)),
            "shipping_address": self.address(self.shop.addresses.get(customer.shipping_address_id or 0)),
            "shopping_cart_items": [],
        }

    def address(self, address: Address | None) -> dict[str, Any] | None:
        """Without county; country and province are names."""
        if address is None:
            return None
        shown = self._plain(address)
        del shown["county"]
        shown["customer_attributes"] = shown.pop("custom_attributes")
        country = customers.country_of(self.shop, address)
        state = self.shop.states.get(address.state_province_id or 0)
        return shown | {"country": country.name if country else None, "province": state.name if state else None}

    def product(self, product: Product) -> dict[str, Any]:
        shown = self._plain(product)
        combinations = self.shop.combinations.by("product_id", product.id)
        return shown | {
            "product_type": name_of(ProductType, product.product_type_id),
            "product_attribute_combinations": [self.combination(row) for row in combinations],
            "associated_product_ids": [],
            "attributes": [],
            "images": [],
            "tags": [],
            "store_ids": [],
        }

    def combination(self, row: ProductAttributeCombination) -> dict[str, Any]:
        return self._plain(row)

    def row(self, row: Row) -> dict[str, Any]:
        return self._plain(row)

    def event_item(self, event: str, row: Row) -> dict[str, Any]:
        """The record of a webhook."""
        builders = {"orders": self.order, "customers": self.customer, "products": self.product}
        return builders.get(event.partition("/")[0], self.row)(row)  # type: ignore[operator]

    def _plain(self, row: Row) -> dict[str, Any]:
        if not self.naive_dates:
            return dto(row)
        return dto(row) | {
            name: self._value(value)
            for name in shown_members(type(row))
            if isinstance(value := getattr(row, name), datetime)
        }

    def _value(self, value: Any) -> Any:
        if isinstance(value, datetime):
            text = as_utc_text(value)
            return text.removesuffix("Z") if self.naive_dates else text
        return value
