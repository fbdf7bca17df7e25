"""From settings and remembered links to what the document package wants, and the small sums around stock."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connectors.base.records import Canonical, LineKind, Order, StockLevel
from flows.engine.documents.posted import PostedCredit, PostedDocument
from flows.engine.documents.rules import BookingRules, NominalCodes, PaymentRule
from flows.engine.documents.stock import stock_target
from flows.engine.values import Record, plain

_CAPACITY = 256
_prepared: dict[int, tuple[Mapping[str, Any], Record]] = {}

# Setting of the pair → member of the rules, where both mean the same.
_SAME = (
    "reference_prefix",
    "reference_suffix",
    "sku_table",
    "unknown_sku",
    "unknown_sku_mark",
    "order_discount_vat",
    "ledger_arithmetic",
    "terms_days",
    "time_zone",
    "customer_code_prefix",
    "guest_customers",
    "shared_guest_code",
    "shared_guest_name",
    "tender_methods",
)
_RENAMED = {"vat_rates": "known_vat_rates", "rounding_tolerance": "rounding_tolerance_per_line"}
_NOMINALS = {
    "nominal_sales": "product",
    "nominal_by_sku": "product_by_sku",
    "nominal_by_vat_rate": "product_by_rate",
    "nominal_shipping": "shipping",
    "nominal_fee": "fee",
    "nominal_discount": "discount",
    "nominal_gift_card": "gift_card_sale",
    "nominal_rounding": "rounding",
}


def booking_rules(settings: Any, known_skus: list[str] | None = None) -> Any:
    """The booking rules of an installation, built once per settings object (a SKU table may have thousands of rows).

    :param known_skus: the ledger's product codes among those an order names; null where nobody looked.
    """
    record = _rules_of(settings)
    if known_skus is None:
        return record
    return record.model.model_copy(update={"known_skus": frozenset(known_skus)})


def _rules_of(settings: Mapping[str, Any]) -> Record:
    known = _prepared.get(id(settings))
    if known is not None and known[0] is settings:
        return known[1]
    if len(_prepared) >= _CAPACITY:
        _prepared.pop(next(iter(_prepared)), None)
    record: Record = plain(_built(settings))
    _prepared[id(settings)] = (settings, record)
    return record


def _built(settings: Mapping[str, Any]) -> BookingRules:
    values = {name: settings[name] for name in _SAME if settings.get(name) is not None}
    values |= {rule: settings[name] for name, rule in _RENAMED.items() if settings.get(name) is not None}
    nominals = {rule: settings[name] for name, rule in _NOMINALS.items() if settings.get(name) is not None}
    if settings.get("exempt_vat") == "zero":
        values["exempt_rate"] = 0
    return BookingRules.model_validate(
        {
            **values,
            "nominals": NominalCodes.model_validate(nominals),
            "payment_methods": dict(settings.get("payment_methods") or {}),
            "default_payment": _default_payment(settings),
        }
    )


def _default_payment(settings: Mapping[str, Any]) -> PaymentRule | None:
    """None where the customer wants an unknown payment method to be held."""
    method = settings.get("default_payment_method")
    return PaymentRule(method=method, account=settings.get("default_payment_account") or "") if method else None


def sold_quantities(order: Order, rules: BookingRules) -> dict[str, int]:
    """Ledger product code → quantity sold, for the stock that no invoice has lowered yet (rule C24)."""
    sold: dict[str, int] = {}
    for line in order.lines:
        if line.kind is LineKind.PRODUCT and line.sku:
            code = rules.sku_table.get(line.sku, line.sku)
            sold[code] = sold.get(code, 0) + int(line.quantity)
    return sold


def shop_sku(code: str, sku_table: dict[str, str]) -> str:
    """The shop's SKU of a ledger product code: the table read backwards, else the code itself."""
    return next((sku for sku, ledger_code in sku_table.items() if ledger_code == code), code)


def stock_target_of(sku: str, ledger_quantity: int, pending_quantity: int = 0) -> StockLevel:
    """The quantity to write to the shop, as the record a stock write takes."""
    return StockLevel(sku=sku, quantity=stock_target(ledger_quantity, pending_quantity))


class PostedDocuments(Canonical):
    """What has been written to the ledger about one order.

    ``sales`` are the documents that together should say what the order says (invoice, differences, cancellation),
    ``all`` those and the credit notes of refunds. ``state`` is the fingerprint of the order when the latest of
    ``sales`` was written. ``unknown``: numbers of documents whose lines we do not know, because an earlier attempt
    wrote them from an earlier state of the order; ``unknown_sales`` those of them among the sales.
    ``credits`` are the credit notes of refunds and cancellations in their order, ``credited`` their sum, positive.
    """

    count: int = 0
    sales: tuple[PostedDocument, ...] = ()
    all: tuple[PostedDocument, ...] = ()
    unknown: tuple[str, ...] = ()
    unknown_sales: tuple[str, ...] = ()
    qualifiers: tuple[str, ...] = ()
    state: str = ""
    customer_id: str = ""
    invoice_number: str = ""
    invoice_reference: str = ""
    invoice_gross: Decimal = Decimal(0)
    credited: Decimal = Decimal(0)
    credit_count: int = 0
    difference_count: int = 0
    credits: tuple[PostedCredit, ...] = ()
    latest_credit_number: str = ""
    cancelled: bool = False


def posted_documents(links: list[dict[str, Any]]) -> PostedDocuments:
    """The documents among the remembered links of ``create_invoice`` (``lookup`` of kind links, its ``all``)."""
    lists = ("sales", "all", "unknown", "unknown_sales", "qualifiers", "credits")
    posted: dict[str, Any] = {name: [] for name in lists} | {"credited": Decimal(0)}
    for link in links:
        _add_posted(posted, link)
    return PostedDocuments(count=len(links), **posted)


def _add_posted(posted: dict[str, Any], link: dict[str, Any]) -> None:
    purpose = str(link["qualifier"]).partition(":")[0]
    output, facts = link["output"], link["facts"]
    posted["qualifiers"].append(link["qualifier"])
    if purpose == "invoice":
        posted |= {"invoice_number": output["number"], "invoice_reference": output["reference"]}
        posted |= {"customer_id": output["customer_id"], "invoice_gross": Decimal(str(output["gross"]))}
    elif purpose == "difference":
        posted["difference_count"] = posted.get("difference_count", 0) + 1
    else:
        posted |= {"credit_count": posted.get("credit_count", 0) + 1, "latest_credit_number": output["number"]}
        amount = -Decimal(str(output["gross"]))
        posted["credited"] += amount
        posted["credits"].append(PostedCredit(number=output["number"], reference=output["reference"], amount=amount))
    if not facts.get("lines"):
        posted["unknown"].append(output["number"])
        posted["unknown_sales"] += [] if purpose == "refund" else [output["number"]]
        return
    document = PostedDocument.model_validate({name: facts[name] for name in PostedDocument.model_fields})
    posted["all"].append(document)
    if purpose != "refund":
        posted |= {"state": facts.get("state", ""), "cancelled": purpose == "cancel"}
        posted["sales"].append(document)
