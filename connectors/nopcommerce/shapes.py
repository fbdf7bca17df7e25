"""The shop's own shapes as received. Unknown members are ignored; card members are never among the known ones.

Members are those of the official plug-in's description (family A) and of the resource plug-ins (families B and C),
which share most names. Moments without an offset mean UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from connectors.base.errors import Rejected

S = TypeVar("S", bound="Shape")


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _none_is(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


Moment = Annotated[datetime, AfterValidator(_as_utc)]
Text = Annotated[str, _none_is("")]
Money = Annotated[Decimal, _none_is(Decimal(0))]
Number = Annotated[int, _none_is(0)]
Flag = Annotated[bool, _none_is(False)]


class Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


def parse(kind: type[S], data: Any, what: str) -> S:
    """:raises Rejected: the reply is not what the plug-in documents; values are not repeated in the text."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})[:8])
        raise Rejected(
            f"{what}: the shop's answer has another form than its plug-in documents.",
            operator_text=f"{what}: {kind.__name__} cannot be read at {places or 'the top'}",
            code="unexpected_shape",
        ) from None


def parse_all(kind: type[S], data: Any, what: str) -> list[S]:
    return [parse(kind, item, what) for item in (data if isinstance(data, list) else [])]


class AddressShape(Shape):
    """``country`` and ``province`` are names and come from families B and C only, ``county`` from A only."""

    id: Number = 0
    first_name: Text = ""
    last_name: Text = ""
    email: Text = ""
    company: Text = ""
    country_id: int | None = None
    state_province_id: int | None = None
    county: Text = ""
    country: Text = ""
    province: Text = ""
    city: Text = ""
    address1: Text = ""
    address2: Text = ""
    zip_postal_code: Text = ""
    phone_number: Text = ""


class CountryShape(Shape):
    id: int
    name: Text = ""
    two_letter_iso_code: Text = ""


class StateShape(Shape):
    id: int
    name: Text = ""
    abbreviation: Text = ""


class StoreShape(Shape):
    id: int
    name: Text = ""
    url: Text = ""


class CurrencyShape(Shape):
    id: int
    currency_code: Text = ""
    rate: Money = Decimal(0)
    published: Flag = True


class CombinationShape(Shape):
    id: Number = 0
    product_id: Number = 0
    attributes_xml: Text = ""
    sku: Text = ""
    stock_quantity: Number = 0
    overridden_price: Decimal | None = None


class ProductShape(Shape):
    id: int
    name: Text = ""
    sku: Text = ""
    short_description: Text = ""
    is_gift_card: Flag = False
    is_tax_exempt: Flag = False
    manage_inventory_method_id: Number = 0
    use_multiple_warehouses: Flag = False
    stock_quantity: Number = 0
    price: Money = Decimal(0)
    published: Flag = True
    deleted: Flag = False
    product_attribute_combinations: Annotated[tuple[CombinationShape, ...], _none_is(())] = ()


class AttributeValue(Shape):
    """One chosen attribute of an order line (families B and C): ``id`` is the mapping's, as in attributes XML."""

    id: Number = 0
    value: Text = ""


class OrderItemShape(Shape):
    """Amounts are totals of the line after item discount. ``product`` and ``product_attributes``: B and C only."""

    id: int
    product_id: Number = 0
    quantity: Number = 0
    price_incl_tax: Money = Decimal(0)
    price_excl_tax: Money = Decimal(0)
    attribute_description: Text = ""
    attributes_xml: Text = ""
    product: ProductShape | None = None
    product_attributes: Annotated[tuple[AttributeValue, ...], _none_is(())] = ()


class CustomerShape(Shape):
    """Names, addresses and ``role_ids`` come from families B and C; A keeps names in generic attributes."""

    id: int
    email: Text = ""
    username: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    company: Text = ""
    phone: Text = ""
    vat_number: Text = ""
    active: Flag = True
    deleted: Flag = False
    is_tax_exempt: Flag = False
    created_on_utc: Moment | None = None
    last_activity_date_utc: Moment | None = None
    billing_address_id: int | None = None
    shipping_address_id: int | None = None
    billing_address: AddressShape | None = None
    shipping_address: AddressShape | None = None


class GenericAttributeShape(Shape):
    id: int
    key: Text = ""
    value: Text = ""
    store_id: Number = 0


class OrderShape(Shape):
    """What all families say of an order. Statuses are numbers in A and names in B and C (``status_codes``)."""

    id: int
    store_id: Number = 0
    customer_id: Number = 0
    payment_method_system_name: Text = ""
    customer_currency_code: Text = ""
    currency_rate: Money = Decimal(1)
    vat_number: Text = ""
    order_subtotal_incl_tax: Money = Decimal(0)
    order_subtotal_excl_tax: Money = Decimal(0)
    order_sub_total_discount_incl_tax: Money = Decimal(0)
    order_sub_total_discount_excl_tax: Money = Decimal(0)
    order_shipping_incl_tax: Money = Decimal(0)
    order_shipping_excl_tax: Money = Decimal(0)
    payment_method_additional_fee_incl_tax: Money = Decimal(0)
    payment_method_additional_fee_excl_tax: Money = Decimal(0)
    tax_rates: Text = ""
    order_tax: Money = Decimal(0)
    order_discount: Money = Decimal(0)
    order_total: Money = Decimal(0)
    refunded_amount: Money = Decimal(0)
    checkout_attribute_description: Text = ""
    authorization_transaction_id: Text = ""
    capture_transaction_id: Text = ""
    paid_date_utc: Moment | None = None
    shipping_method: Text = ""
    deleted: Flag = False
    created_on_utc: Moment


class OrderA(OrderShape):
    order_guid: Text = ""
    custom_order_number: Text = ""
    order_status_id: int
    payment_status_id: int
    shipping_status_id: Number = 0
    billing_address_id: Number = 0
    shipping_address_id: int | None = None
    redeemed_reward_points_entry_id: int | None = None


class OrderBC(OrderShape):
    order_status: str
    payment_status: str
    shipping_status: Text = ""
    customer: CustomerShape | None = None
    billing_address: AddressShape | None = None
    shipping_address: AddressShape | None = None
    order_items: Annotated[tuple[OrderItemShape, ...], _none_is(())] = ()


class OrderNoteShape(Shape):
    id: int
    note: Text = ""


class GiftCardUseShape(Shape):
    id: int
    gift_card_id: Number = 0
    used_value: Money = Decimal(0)


class RewardPointsShape(Shape):
    id: int
    used_amount: Money = Decimal(0)


class StockHistoryShape(Shape):
    id: int
    message: Text = ""
    quantity_adjustment: Number = 0
    stock_quantity: Number = 0
    combination_id: int | None = None


class OrdersPage(Shape):
    total_count: Number = 0
    has_next_page: Flag = False
    items: Annotated[tuple[OrderA, ...], _none_is(())] = ()
