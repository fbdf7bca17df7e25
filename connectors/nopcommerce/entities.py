"""From the shop's shapes to our records. Pure: families gather the parts, this module decides what they mean."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from connectors.base.records import (
    Address,
    Customer,
    LineKind,
    Order,
    OrderLine,
    OrderStatus,
    Payment,
    PaymentStatus,
    Product,
    TaxTotal,
    Tender,
)
from connectors.nopcommerce.arithmetic import fee_of, settle_sums, shipping_of
from connectors.nopcommerce.attributes import plain_text, sku_of
from connectors.nopcommerce.countries import code_of
from connectors.nopcommerce.setup import Setup
from connectors.nopcommerce.shapes import (
    AddressShape,
    CombinationShape,
    CountryShape,
    CustomerShape,
    OrderItemShape,
    OrderShape,
    ProductShape,
    StateShape,
)
from connectors.nopcommerce.taxes import PENNY, TaxedAmount, parse_tax_rates, plain, snap_rate, split_by_rate

ORDER_STATUSES = {
    10: OrderStatus.PENDING,
    20: OrderStatus.PROCESSING,
    30: OrderStatus.COMPLETE,
    40: OrderStatus.CANCELLED,
}
PAYMENT_STATUSES = {
    10: PaymentStatus.PENDING,
    20: PaymentStatus.AUTHORIZED,
    30: PaymentStatus.PAID,
    35: PaymentStatus.PARTIALLY_REFUNDED,
    40: PaymentStatus.REFUNDED,
    50: PaymentStatus.VOIDED,
}
SHIPPING_STATUSES = {
    10: "shipping_not_required",
    20: "not_yet_shipped",
    25: "partially_shipped",
    30: "shipped",
    40: "delivered",
}
RECEIVED = (PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED)

MANAGE_STOCK, MANAGE_BY_ATTRIBUTES = 1, 2


def snake(name: str) -> str:
    """``"PartiallyRefunded"`` → ``"partially_refunded"``: families B and C name statuses as the code does."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()


def code_for(statuses: Mapping[int, str], value: str) -> int:
    """The shop's number of one of our statuses."""
    return next(number for number, status in statuses.items() if status == value)


# People and places ----------------------------------------------------------------------------------------------------


def to_address(
    shape: AddressShape | None, countries: Mapping[int, CountryShape] | None = None, state: StateShape | None = None
) -> Address | None:
    """:param countries: by id, where the plug-in lists them; without, the country's name decides."""
    if shape is None:
        return None
    country = (countries or {}).get(shape.country_id or 0)
    name = country.name if country else shape.country
    code = (country.two_letter_iso_code if country else "") or code_of(name)
    return Address(
        recipient=f"{shape.first_name} {shape.last_name}".strip(),
        company=shape.company.strip(),
        line1=shape.address1.strip(),
        line2=shape.address2.strip(),
        city=shape.city.strip(),
        region=(shape.county or (state.name if state else "") or shape.province).strip(),
        postcode=shape.zip_postal_code.strip(),
        country_code=code.upper(),
        country_name=name.strip(),
        phone=shape.phone_number.strip(),
    )


def clean_email(*candidates: str | None) -> str:
    """The first that is filled, lower-cased and trimmed."""
    return next((text.strip().lower() for text in candidates if text and text.strip()), "")


@dataclass(frozen=True)
class CustomerParts:
    """Everything about one customer. ``shape`` is None where only an order knows the person."""

    shape: CustomerShape | None
    guest: bool
    names: Mapping[str, str] = field(default_factory=dict)  # generic attributes of family A: FirstName, Company, …
    billing: AddressShape | None = None
    delivery: AddressShape | None = None
    billing_address: Address | None = None
    delivery_address: Address | None = None


def to_customer(parts: CustomerParts, tax_number: str = "") -> Customer:
    """A guest's e-mail is on the billing address only; names fall back to it for everybody.

    The phone too. ``tax_number`` of an order wins over the customer's own.
    """
    shape, billing = parts.shape or CustomerShape(id=0), parts.billing or AddressShape()
    names = parts.names
    valid = names.get("VatNumberStatusId", "20") == "20"
    own_number = names.get("VatNumber", "") if valid else ""
    has_name = bool(shape.first_name or shape.last_name or names.get("FirstName") or names.get("LastName"))
    return Customer(
        source_id="" if parts.guest or not shape.id else str(shape.id),
        guest=parts.guest,
        email=clean_email(shape.email, billing.email),
        first_name=(shape.first_name or names.get("FirstName", "")) if has_name else billing.first_name,
        last_name=(shape.last_name or names.get("LastName", "")) if has_name else billing.last_name,
        company=shape.company or names.get("Company", "") or billing.company,
        phone=shape.phone or names.get("Phone", "") or billing.phone_number,
        tax_number=tax_number or shape.vat_number or own_number,
        address=parts.billing_address,
        delivery_address=parts.delivery_address,
    )


# Orders ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LineParts:
    item: OrderItemShape
    product: ProductShape | None
    combination: CombinationShape | None = None


@dataclass(frozen=True)
class OrderParts:
    """One order as a family gathered it. ``tenders`` None: the plug-in cannot tell them."""

    header: OrderShape
    number: str
    external_key: str
    status: OrderStatus
    payment_status: PaymentStatus
    fulfilment_status: str
    lines: tuple[LineParts, ...]
    customer: CustomerParts
    tenders: tuple[Tender, ...] | None = None


def to_order(parts: OrderParts, setup: Setup, currency: str) -> Order:
    """:param currency: the shop's primary currency; every amount of an order is in it."""
    header, rates = parts.header, parse_tax_rates(parts.header.tax_rates)
    items = [item_line(line, rates) for line in parts.lines]
    attributes = _checkout_attributes_line(header, items, rates)
    subtotal_lines = [*items, *([attributes] if attributes else [])]
    products = [TaxedAmount(line.net, line.tax, line.tax_rate) for line in subtotal_lines]
    lines = (*subtotal_lines, *_discount_lines(header, products), *_charge_lines(header, rates))
    sums = settle_sums(header, products, lines, parts.tenders)
    customer = to_customer(parts.customer, header.vat_number.strip())
    return Order(
        source_id=str(header.id),
        number=parts.number,
        external_key=parts.external_key,
        placed_at=header.created_on_utc,
        placed_date=setup.local_date(header.created_on_utc),
        status=parts.status,
        payment_status=parts.payment_status,
        fulfilment_status=parts.fulfilment_status,
        deleted=header.deleted,
        currency=currency,
        display_currency=header.customer_currency_code,
        display_rate=header.currency_rate or Decimal(1),
        customer=customer,
        billing_address=parts.customer.billing_address,
        shipping_address=parts.customer.delivery_address,
        shipping_method=header.shipping_method,
        payment_method=header.payment_method_system_name,
        tax_number=header.vat_number.strip(),
        lines=lines,
        taxes=tuple(TaxTotal(rate=rate, tax=tax) for rate, tax in sorted(rates.items())),
        tenders=sums.tenders,
        payments=_payments(parts, currency, sums.total),
        gross=sums.gross,
        total=sums.total,
        tax_total=header.order_tax,
        refunded_total=header.refunded_amount,
        note=plain_text(header.checkout_attribute_description),
        arithmetic_note=sums.note,
    )


def item_line(parts: LineParts, rates: Mapping[Decimal, Decimal]) -> OrderLine:
    item, product = parts.item, parts.product
    net, tax = item.price_excl_tax, item.price_incl_tax - item.price_excl_tax
    exempt = bool(product and product.is_tax_exempt and tax == 0)
    return OrderLine(
        id=str(item.id),
        kind=LineKind.GIFT_CARD_SALE if product and product.is_gift_card else LineKind.PRODUCT,
        sku=sku_of(item, product, parts.combination),
        description=_description(item, product),
        quantity=Decimal(item.quantity),
        net=net,
        tax=tax,
        tax_rate=None if exempt else snap_rate(net, tax, rates),
        product_id=str(item.product_id),
    )


def _description(item: OrderItemShape, product: ProductShape | None) -> str:
    name = plain_text(product.name) if product else ""
    attributes = plain_text(item.attribute_description)
    if name and attributes:
        return f"{name} ({attributes})"
    return name or attributes or f"Article {item.product_id}"


def _discount_lines(header: OrderShape, products: Sequence[TaxedAmount]) -> list[OrderLine]:
    """Before tax: split by rate.

    After tax: one line without tax, because the shop leaves the tax as it is, by design.
    """
    lines = []
    net = header.order_sub_total_discount_excl_tax
    tax = header.order_sub_total_discount_incl_tax - net
    if net or tax:
        for part in split_by_rate(-net, -tax, products):
            name = "exempt" if part.rate is None else f"{plain(part.rate)}"
            lines.append(_extra(f"discount:{name}", LineKind.DISCOUNT, "Discount", part.net, part.tax, part.rate))
    if header.order_discount:
        lines.append(
            _extra("order-discount", LineKind.DISCOUNT, "Order discount", -header.order_discount, Decimal(0), None)
        )
    return lines


def _charge_lines(header: OrderShape, rates: Mapping[Decimal, Decimal]) -> list[OrderLine]:
    lines = []
    for amounts, key, kind, text in (
        (shipping_of(header), "shipping", LineKind.SHIPPING, header.shipping_method or "Shipping"),
        (fee_of(header), "fee", LineKind.FEE, "Payment fee"),
    ):
        net, tax = amounts
        if net or tax:
            lines.append(_extra(key, kind, text, net, tax, snap_rate(net, tax, rates)))
    return lines


def _checkout_attributes_line(
    header: OrderShape, items: Sequence[OrderLine], rates: Mapping[Decimal, Decimal]
) -> OrderLine | None:
    """Priced checkout attributes (gift wrap) are inside the subtotal and on no line: what they add becomes a fee.

    Only when the description itself names the price: any other difference between lines and subtotal is an edit by
    hand.
    """
    stated = _stated_prices(header.checkout_attribute_description)
    if not stated or not header.currency_rate:
        return None
    net = header.order_subtotal_excl_tax - sum((line.net for line in items), Decimal(0))
    incl = header.order_subtotal_incl_tax - sum((line.net + line.tax for line in items), Decimal(0))
    expected = stated / header.currency_rate
    if net <= 0 or min(abs(net - expected), abs(incl - expected)) > PENNY * (len(items) + 1):
        return None
    text = plain_text(header.checkout_attribute_description)
    return _extra("checkout-attributes", LineKind.FEE, text, net, incl - net, snap_rate(net, incl - net, rates))


def _stated_prices(description: str) -> Decimal:
    """``"Gift wrapping: Yes [+£10.00]"`` → 10.00; several are added, none is 0."""
    found = re.findall(r"\[\+[^\]\d]*([\d.,]*\d)[^\]\d]*\]", html.unescape(description))
    return sum((_amount(text) for text in found), Decimal(0))


def _amount(text: str) -> Decimal:
    """The last point or comma followed by one or two digits is the decimal sign, every other one groups thousands."""
    match = re.fullmatch(r"(.*?)(?:[.,](\d{1,2}))?", text)
    whole, cents = (match.group(1), match.group(2)) if match else (text, None)
    return Decimal(f"{re.sub(r'[.,]', '', whole) or '0'}.{cents or '0'}")


def _extra(key: str, kind: LineKind, text: str, net: Decimal, tax: Decimal, rate: Decimal | None) -> OrderLine:
    return OrderLine(id=key, kind=kind, description=text, net=net, tax=tax, tax_rate=rate)


def _payments(parts: OrderParts, currency: str, total: Decimal) -> tuple[Payment, ...]:
    """The shop knows one payment per order; an order settled by tenders alone, or free, has none."""
    if parts.payment_status not in RECEIVED or total <= 0:
        return ()
    header = parts.header
    reference = header.capture_transaction_id.strip() or header.authorization_transaction_id.strip() or "paid"
    return (
        Payment(
            reference=reference,
            method=header.payment_method_system_name,
            amount=total,
            currency=currency,
            paid_at=header.paid_date_utc or header.created_on_utc,
        ),
    )


# Products -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sellable:
    """A product, or one combination of it. ``quantity`` None: stock is not managed for it."""

    product: ProductShape
    combination: CombinationShape | None = None
    quantity: int | None = None

    @property
    def sku(self) -> str:
        return (self.combination.sku if self.combination else self.product.sku).strip() or f"NOP-P{self.product.id}"


def own_quantity(product: ProductShape, combination: CombinationShape | None) -> int | None:
    """What the rows themselves say; with several warehouses the family has to ask for the sum."""
    if combination is not None:
        return combination.stock_quantity if product.manage_inventory_method_id == MANAGE_BY_ATTRIBUTES else None
    return product.stock_quantity if product.manage_inventory_method_id == MANAGE_STOCK else None


def to_product(found: Sellable, currency: str) -> Product:
    """``price`` is the list price as the shop keeps it: with or without tax by the shop's own setting (NOTES.md)."""
    product, combination = found.product, found.combination
    overridden = combination.overridden_price if combination else None
    return Product(
        source_id=str(product.id),
        sku=found.sku,
        name=product.name,
        description=plain_text(product.short_description),
        price=product.price if overridden is None else overridden,
        currency=currency,
        managed=found.quantity is not None,
        quantity=found.quantity,
    )


# Raw rows on their way back -------------------------------------------------------------------------------------------

CARD_MEMBERS = (
    "card_type",
    "card_name",
    "card_number",
    "masked_credit_card_number",
    "card_cvv2",
    "card_expiration_month",
    "card_expiration_year",
)


def without_cards(row: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The row with empty card members, and whether any of them was filled. Their values are kept nowhere."""
    held = any(row.get(name) for name in CARD_MEMBERS)
    emptied = {name: (row[name] if not row[name] else None) for name in CARD_MEMBERS if name in row}
    return {**row, **emptied}, held
