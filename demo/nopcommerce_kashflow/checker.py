"""Compares the shop's own orders with the ledger's own documents (rule C23). Imports nothing of the product.

Both sides are read from the stand-ins' state. A figure of the shop with more than two decimals may become either of the
two neighbouring pennies; one with two decimals must be met exactly.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

PENNY = Decimal("0.01")
ZERO = Decimal(0)
EXEMPT = Decimal(-1)
OFFLINE = {"Payments.CheckMoneyOrder"}


@dataclass
class Verdict:
    """One order compared. ``expected`` False: no document should exist (abandoned, cancelled before invoicing)."""

    order_id: int
    expected: bool
    found: bool
    problems: list[str] = field(default_factory=list)
    rounding_lines: int = 0


@dataclass
class Books:
    """What a comparison of everything found."""

    verdicts: list[Verdict]
    duplicates: list[str]
    stock_differences: dict[str, tuple[int, int]]
    money_in: dict[str, Decimal]
    money_out: dict[str, Decimal]
    document_seconds: list[float]

    @property
    def equal(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.problems and verdict.found == verdict.expected]

    @property
    def missing(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.expected and not verdict.found]

    @property
    def different(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.found and (verdict.problems or not verdict.expected)]


def compare(
    shop: dict[str, Any], ledger: dict[str, Any], *, order_ids: Iterable[int], prefix: str, account: str, zone: str
) -> Books:
    """:param account: user name of the ledger's account; :param zone: the shop's time zone."""
    books = ledger["accounts"][account]
    wanted = set(order_ids)
    orders = [order for order in shop["orders"] if order["id"] in wanted]
    documents = _by_reference(books["invoices"])
    check = _Check(books, documents, prefix, ZoneInfo(zone))
    return Books(
        verdicts=[check.order(order) for order in orders],
        duplicates=_duplicates(books, prefix),
        stock_differences=_stock(shop, books, _sold_not_invoiced(shop["orders"], documents, prefix)),
        money_in=_money(orders, lambda order: Decimal(order["truth"]["gross"]) if check.expects(order) else ZERO),
        money_out=_money_out(books["invoices"], prefix),
        document_seconds=_seconds(orders, documents, prefix),
    )


def _by_reference(invoices: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for invoice in invoices:
        found[invoice["customer_reference"]].append(invoice)
    return found


class _Check:
    def __init__(
        self, books: dict[str, Any], documents: dict[str, list[dict[str, Any]]], prefix: str, zone: ZoneInfo
    ) -> None:
        self.books, self.documents, self.prefix, self.zone = books, documents, prefix, zone
        self.customers = {customer["customer_id"]: customer for customer in books["customers"]}
        self.methods = {row["method_id"]: row["method_name"] for row in books["payment_methods"]}

    def expects(self, order: dict[str, Any]) -> bool:
        """Rule C25: offline methods are invoiced on placing, redirect gateways when paid."""
        if order["deleted"]:
            return False
        paid = bool(order["paid_date_utc"]) or order["payment_status"] in ("Authorized", "Paid")
        return paid or (order["payment_method_system_name"] in OFFLINE)

    def order(self, order: dict[str, Any]) -> Verdict:
        reference = f"{self.prefix}{order['id']}"
        base = self.documents.get(reference, [])
        differences = self._numbered(reference, "D")
        credits = self._numbered(reference, "CR")
        verdict = Verdict(order["id"], self.expects(order), bool(base))
        if not base:
            if order["order_status"] == "Cancelled":
                verdict.expected = False  # cancelled before anything was posted: nothing to post
            return verdict
        sales = [*base, *differences]
        verdict.rounding_lines = sum(_is_rounding(line) for document in sales for line in document["lines"])
        problems = verdict.problems
        problems += [text for document in sales for text in self._header(order, document)]
        problems += [text for document in sales for text in _arithmetic(document)]
        if order["order_status"] == "Cancelled":
            problems += _nets_to_zero([*sales, *credits])
        else:
            problems += _amounts(order, sales)
            problems += _quantities(order, sales)
            problems += _refunds(order, credits)
        problems += self._payments(order, sales, credits)
        return verdict

    def _numbered(self, reference: str, letters: str) -> list[dict[str, Any]]:
        start = f"{reference}-{letters}"
        return [
            document
            for key, documents in self.documents.items()
            if key.startswith(start) and key[len(start) :].isdigit()
            for document in documents
        ]

    def _header(self, order: dict[str, Any], document: dict[str, Any]) -> list[str]:
        problems = []
        placed = datetime.fromisoformat(order["created_on_utc"]).astimezone(self.zone).date()
        is_base = document["customer_reference"] == f"{self.prefix}{order['id']}"
        if is_base and document["invoice_date"][:10] != placed.isoformat():
            problems.append(f"date {document['invoice_date'][:10]}, order {placed}")
        if document["currency_code"] != "GBP":
            problems.append(f"currency {document['currency_code']}, shop's GBP")
        customer = self.customers.get(document["customer_id"], {})
        email = ((order["billing_address"] or {}).get("email") or "").lower()
        if customer.get("email", "").lower() != email:
            problems.append(f"customer {customer.get('email')!r}, order {email!r}")
        return problems

    def _payments(self, order: dict[str, Any], sales: list[dict[str, Any]], credits: list[dict[str, Any]]) -> list[str]:
        """Payments and tenders add up to the gross once the order is paid; money back to what was refunded."""
        if order["order_status"] == "Cancelled":
            return [] if all(Decimal(d["due_amount"]) == ZERO for d in [*sales, *credits]) else ["open after cancel"]
        received = sum((Decimal(p["pay_amount"]) for d in sales for p in d["payments"]), ZERO)
        tenders = sum((Decimal(order["truth"]["tenders"][kind]) for kind in ("gift_cards", "reward_points")), ZERO)
        paid = bool(order["paid_date_utc"])
        expected = Decimal(order["truth"]["gross"]) if paid else tenders.quantize(PENNY)
        problems = [] if received == expected else [f"payments {received}, order {expected}"]
        back = -sum((Decimal(p["pay_amount"]) for d in credits for p in d["payments"]), ZERO)
        if back != Decimal(order["refunded_amount"]):
            problems.append(f"money back {back}, refunded {order['refunded_amount']}")
        return problems + self._methods(order, sales)

    def _methods(self, order: dict[str, Any], sales: list[dict[str, Any]]) -> list[str]:
        wanted = {"Payments.PayPalCommerce": "PayPal", "Payments.Manual": "Card", "Payments.CheckMoneyOrder": "Cheque"}
        used = {self.methods.get(p["pay_method"], "?") for d in sales for p in d["payments"]}
        strange = used - {wanted.get(order["payment_method_system_name"] or "", ""), "Gift card", "Reward points"}
        return [f"payment method {', '.join(sorted(strange))}"] if strange else []


def _is_rounding(line: dict[str, Any]) -> bool:
    return "rounding" in line["description"].lower() and abs(Decimal(line["net_amount"])) < 1


def _arithmetic(document: dict[str, Any]) -> list[str]:
    """|quantity × price × rate − VAT| ≤ a penny per line; rounding lines ≤ a penny per line of the document."""
    problems = []
    for line in document["lines"]:
        rate = max(Decimal(line["vat_rate"]), ZERO)
        off = abs(Decimal(line["quantity"]) * Decimal(line["rate"]) * rate / 100 - Decimal(line["vat_amount"]))
        if off > PENNY:
            problems.append(f"line {line['description'][:30]!r}: VAT {line['vat_amount']} is off by {off}")
    rounding = sum((abs(Decimal(line["net_amount"])) for line in document["lines"] if _is_rounding(line)), ZERO)
    if rounding > PENNY * len(document["lines"]):
        problems.append(f"rounding of {rounding} on {len(document['lines'])} lines")
    return problems


def _near(found: Decimal, wanted: Decimal) -> bool:
    """Equal, or one of the two neighbouring pennies where the shop's figure has more than two decimals."""
    if wanted == wanted.quantize(PENNY):
        return found == wanted
    return abs(found - wanted) < PENNY


def _sums(documents: list[dict[str, Any]]) -> dict[Decimal, tuple[Decimal, Decimal]]:
    sums: dict[Decimal, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for document in documents:
        for line in document["lines"]:
            rate = Decimal(line["vat_rate"]).normalize()
            sums[rate][0] += Decimal(line["net_amount"])
            sums[rate][1] += Decimal(line["vat_amount"])
    return {rate: (net, vat) for rate, (net, vat) in sums.items()}


def _amounts(order: dict[str, Any], sales: list[dict[str, Any]]) -> list[str]:
    truth = order["truth"]
    problems = []
    gross = sum((Decimal(document["gross_amount"]) for document in sales), ZERO)
    if gross != Decimal(truth["gross"]):
        problems.append(f"gross {gross}, order {truth['gross']}")
    found = _sums(sales)
    for text, wanted in truth["by_rate"].items():
        net, vat = found.get(Decimal(text).normalize(), (ZERO, ZERO))
        if not _near(net, Decimal(wanted["net"])):
            problems.append(f"net at {text} % is {net}, order {wanted['net']}")
        if not _near(vat, Decimal(wanted["vat"])):
            problems.append(f"VAT at {text} % is {vat}, order {wanted['vat']}")
    for rate in found:
        if rate != EXEMPT and format(rate, "f") not in truth["by_rate"] and found[rate] != (ZERO, ZERO):
            problems.append(f"the order has nothing at {rate} %")
    return problems


def _quantities(order: dict[str, Any], sales: list[dict[str, Any]]) -> list[str]:
    found: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for document in sales:
        for line in document["lines"]:
            if line["product_code"]:
                found[line["product_code"]][0] += Decimal(line["quantity"])
                found[line["product_code"]][1] += Decimal(line["net_amount"])
    problems = []
    for sku, wanted in order["truth"]["by_sku"].items():
        quantity, net = found.pop(sku, [ZERO, ZERO])
        if quantity != wanted["quantity"]:
            problems.append(f"{sku}: quantity {quantity}, order {wanted['quantity']}")
        if not _near(net, Decimal(wanted["net"])):
            problems.append(f"{sku}: net {net}, order {wanted['net']}")
    return problems + [f"{sku} is not in the order" for sku, (quantity, _) in found.items() if quantity]


def _refunds(order: dict[str, Any], credits: list[dict[str, Any]]) -> list[str]:
    credited = -sum((Decimal(document["gross_amount"]) for document in credits), ZERO)
    wanted = Decimal(order["refunded_amount"])
    return [] if credited == wanted else [f"credited {credited}, refunded {wanted}"]


def _nets_to_zero(documents: list[dict[str, Any]]) -> list[str]:
    problems = []
    for rate, (net, vat) in _sums(documents).items():
        if net or vat:
            problems.append(f"after the cancellation {net} net and {vat} VAT remain at {rate} %")
    return problems


def _duplicates(books: dict[str, Any], prefix: str) -> list[str]:
    """A reference, a customer's e-mail or a payment note per document that exists twice."""
    references = Counter(
        i["customer_reference"] for i in books["invoices"] if i["customer_reference"].startswith(prefix)
    )
    emails = Counter(c["email"].lower() for c in books["customers"] if c["email"])
    payments = Counter(
        (i["invoice_number"], p["pay_note"]) for i in books["invoices"] for p in i["payments"] if p["pay_note"]
    )
    return (
        [f"document {reference} × {count}" for reference, count in references.items() if count > 1]
        + [f"customer {email} × {count}" for email, count in emails.items() if count > 1]
        + [f"payment {note} on {number} × {count}" for (number, note), count in payments.items() if count > 1]
    )


def _sold_not_invoiced(
    orders: list[dict[str, Any]], documents: dict[str, list[dict[str, Any]]], prefix: str
) -> dict[str, int]:
    """Per SKU what the shop took off its stock for orders that have no invoice (yet), say unpaid ones (rule C24)."""
    pending: Counter[str] = Counter()
    for order in orders:
        if order["order_status"] != "Cancelled" and not order["deleted"] and f"{prefix}{order['id']}" not in documents:
            pending.update({sku: line["quantity"] for sku, line in order["truth"]["by_sku"].items()})
    return dict(pending)


def _stock(shop: dict[str, Any], books: dict[str, Any], pending: dict[str, int]) -> dict[str, tuple[int, int]]:
    """SKUs that differ: (shop's quantity, what it should be). Simple managed products that both sides know.

    A shop has nothing to sell of what the ledger has sold already and lacks: 0, not less.
    """
    ledger = {p["code"]: p["qty_in_stock"] for p in books["products"] if p["managed"]}
    ours = {
        p["sku"]: p["stock_quantity"]
        for p in shop["products"]
        if (p["sku"] or "").startswith("SKU-") and not p["deleted"]
    }
    wanted = {sku: max(0, ledger[sku] - pending.get(sku, 0)) for sku in ours if sku in ledger}
    return {sku: (ours[sku], wanted[sku]) for sku in wanted if ours[sku] != wanted[sku]}


def _money(orders: list[dict[str, Any]], amount: Any) -> dict[str, Decimal]:
    return {"GBP": sum((amount(order) for order in orders), ZERO)}


def _money_out(invoices: list[dict[str, Any]], prefix: str) -> dict[str, Decimal]:
    """What the ledger has as sales: invoices and differences; credit notes of refunds are other business."""
    totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for invoice in invoices:
        reference = invoice["customer_reference"]
        if reference.startswith(prefix) and "-CR" not in reference[len(prefix) :]:
            totals[invoice["currency_code"]] += Decimal(invoice["gross_amount"])
    return dict(totals)


def _seconds(orders: list[dict[str, Any]], documents: dict[str, list[dict[str, Any]]], prefix: str) -> list[float]:
    """Order placed → document, for orders that were to be invoiced as placed."""
    found = []
    for order in orders:
        base = documents.get(f"{prefix}{order['id']}")
        at_once = order["payment_method_system_name"] in OFFLINE or _paid_at_once(order)
        if base and at_once:
            found.append(base[0]["created_at"] - order["placed_at"])
    return found


def _paid_at_once(order: dict[str, Any]) -> bool:
    paid = order["paid_date_utc"]
    return bool(paid) and datetime.fromisoformat(paid).timestamp() - order["placed_at"] < 0.5
