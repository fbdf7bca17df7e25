"""The booking rules of one pair installation: which nominal, which rate, which method, and what to do when unsure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from connectors.base.errors import Held, MappingFailed
from connectors.base.records import Canonical, LineKind, OrderLine, TenderKind

SNAP_WITHIN = Decimal("0.5")
"""Percentage points a shop's rate may differ from the ledger's before a person must look."""


class LedgerArithmetic(StrEnum):
    """How the ledger treats the VAT amount of a line we send: keeps it, computes it anew, or nobody knows."""

    AS_SENT = "as_sent"
    RECOMPUTE = "recompute"
    UNKNOWN = "unknown"


class UnknownSku(StrEnum):
    """``flag``: book the line without a product, its description marked, so that the money is right at once."""

    HOLD = "hold"
    FLAG = "flag"


class OrderDiscountVat(StrEnum):
    """VAT on a discount given after tax. ``source``: the shop left its tax unchanged, so the line carries none.

    ``rate_shares``: the discount is spread over the rates by their gross and lowers net and VAT of each.
    """

    SOURCE = "source"
    RATE_SHARES = "rate_shares"


class GuestCustomers(StrEnum):
    OWN = "own"
    SHARED = "shared"


class PaymentRule(Canonical):
    """Names in the ledger. ``post`` False: money the ledger learns of elsewhere (a bank feed), not booked by us."""

    method: str = ""
    account: str = ""
    post: bool = True


class NominalCodes(Canonical):
    """Visible nominal codes. For products the SKU's own code wins over that of its VAT rate (key "20", "exempt")."""

    product: str = ""
    product_by_sku: dict[str, str] = Field(default_factory=dict)
    product_by_rate: dict[str, str] = Field(default_factory=dict)
    shipping: str = ""
    fee: str = ""
    discount: str = ""
    gift_card_sale: str = ""
    rounding: str = ""


class BookingRules(Canonical):
    """Settings of one installation.

    ``sku_table``: shop SKU → ledger product code, a SKU that is not in it keeps its name. ``known_skus``: product codes
    the ledger has; None = not checked here. ``known_vat_rates``: per cent; empty = the ledger takes any rate. 0 is
    always known. ``time_zone``: IANA name for the days of payments; empty = the moment's own offset.
    ``reference_suffix``: of an order posted again while its credited invoice keeps the reference, ``-R2``.
    """

    reference_prefix: str
    reference_suffix: str = ""
    nominals: NominalCodes = NominalCodes()
    sku_table: dict[str, str] = Field(default_factory=dict)
    unknown_sku: UnknownSku = UnknownSku.HOLD
    unknown_sku_mark: str = "[UNKNOWN SKU] "
    known_skus: frozenset[str] | None = None
    known_vat_rates: tuple[Decimal, ...] = ()
    exempt_rate: Decimal | None = None
    order_discount_vat: OrderDiscountVat = OrderDiscountVat.SOURCE
    rounding_tolerance_per_line: Decimal = Decimal("0.01")
    ledger_arithmetic: LedgerArithmetic = LedgerArithmetic.UNKNOWN
    terms_days: int = Field(default=0, ge=0)
    time_zone: str = ""
    customer_code_prefix: str = "WEB"
    guest_customers: GuestCustomers = GuestCustomers.OWN
    shared_guest_code: str = ""
    shared_guest_name: str = "Web sales"
    payment_methods: dict[str, PaymentRule] = Field(default_factory=dict)
    default_payment: PaymentRule | None = None
    tender_methods: dict[TenderKind, PaymentRule] = Field(default_factory=dict)


def snap_rate(rate: Decimal | None, *, rules: BookingRules, field: str = "") -> Decimal | None:
    """The ledger's own rate for a rate of the source (per cent; None = exempt).

    :raises Held: no known rate lies within ``SNAP_WITHIN``.
    """
    if rate is None:
        return rules.exempt_rate
    if rate == 0 or not rules.known_vat_rates:
        return _plain(rate)
    nearest = min((*rules.known_vat_rates, Decimal(0)), key=lambda known: (abs(known - rate), known))
    if abs(nearest - rate) <= SNAP_WITHIN:
        return _plain(nearest)
    raise Held(
        f"The VAT rate {_plain(rate)} % is not one of the ledger's rates.",
        code="unknown_vat_rate",
        field=field,
        cure="Add the rate in the ledger and refresh its VAT rates, or correct the tax of the order in the shop.",
        details={"rate": str(_plain(rate)), "known_rates": [str(_plain(known)) for known in rules.known_vat_rates]},
    )


def ledger_code(line: OrderLine, *, rules: BookingRules, field: str = "") -> str:
    """The ledger's product code of a product line; "" when the SKU is unknown and the policy is to flag.

    :raises Held: the SKU is missing or unknown and the policy is to hold.
    """
    code = rules.sku_table.get(line.sku, line.sku)
    if code and (rules.known_skus is None or code in rules.known_skus):
        return code
    if rules.unknown_sku is UnknownSku.FLAG:
        return ""
    named = f"The SKU “{line.sku}”" if line.sku else "A line without a SKU"
    raise Held(
        f"{named} ({line.description}) has no product in the ledger.",
        code="unknown_sku",
        field=f"{field}.sku" if field else "sku",
        cure="Create the product in the ledger, add the SKU to the SKU table, or let unknown SKUs be flagged.",
        details={"sku": line.sku, "description": line.description, "ledger_code": code},
    )


def nominal_of(kind: LineKind, *, rules: BookingRules, sku: str = "", rate: Decimal | None = None) -> str:
    """The visible nominal code of a line; ``rate`` already snapped, per cent.

    :raises MappingFailed: the settings name none.
    """
    nominals = rules.nominals
    if kind is LineKind.PRODUCT:
        code = nominals.product_by_sku.get(sku) or nominals.product_by_rate.get(rate_key(rate)) or nominals.product
    else:
        code = _codes_by_kind(nominals)[kind]
    if code:
        return code
    raise MappingFailed(
        f"No nominal code is set for {kind.value.replace('_', ' ')} lines.",
        code="nominal_missing",
        field=f"nominals.{kind.value}",
        cure="Choose the nominal code in the settings of the pair.",
    )


def rate_key(rate: Decimal | None) -> str:
    return "exempt" if rate is None else format(_plain(rate), "f")


def _codes_by_kind(nominals: NominalCodes) -> Mapping[LineKind, str]:
    return {
        LineKind.GIFT_CARD_SALE: nominals.gift_card_sale,
        LineKind.SHIPPING: nominals.shipping,
        LineKind.FEE: nominals.fee,
        LineKind.DISCOUNT: nominals.discount,
        LineKind.ROUNDING: nominals.rounding,
    }


def _plain(rate: Decimal) -> Decimal:
    """17.50 and 17.5 are one rate; 1E+1 is written 10."""
    rate = rate.normalize()
    return rate.quantize(Decimal(1)) if rate == rate.to_integral_value() else rate
