"""Receipts for what was paid, by money or by gift card and points, and money going back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connectors.base.errors import Held
from connectors.base.records import Order, PaymentDraft, PaymentStatus, Tender
from flows.engine.documents.invoice import reference_of
from flows.engine.documents.pennies import to_amount, to_pennies
from flows.engine.documents.posted import PostedCredit
from flows.engine.documents.rules import BookingRules, PaymentRule

PENNY = Decimal("0.01")
PAID = frozenset({PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED})


@dataclass(frozen=True)
class PaymentEntry:
    """``key``: the qualifier of the effect (rule C1), e.g. ``payment:cap-1``."""

    key: str
    draft: PaymentDraft


@dataclass(frozen=True)
class _Receipt:
    key: str
    amount: Decimal
    paid_date: date
    rule: PaymentRule
    reference: str


def payment_drafts(*, order: Order, document_number: str, rules: BookingRules) -> list[PaymentEntry]:
    """Tenders first, then payments in the order's sequence; those the rules do not post are left out.

    Of a paid order they come to its gross to the penny: the last one takes what rounding leaves.

    :raises Held: a method is in no table and there is no default, or the order counts as paid and its payments and
        tenders do not come to its gross, or they exceed it.
    """
    receipts = [*_tenders(order, rules), *_payments(order, rules)]
    receipts = _to_the_penny(order, [receipt for receipt in receipts if receipt.amount])
    return [
        PaymentEntry(receipt.key, _draft(receipt, order, document_number))
        for receipt in receipts
        if receipt.rule.post and receipt.amount
    ]


def money_back_drafts(
    *,
    order: Order,
    rules: BookingRules,
    credits: list[PostedCredit],
    paid: list[dict[str, Any]],
    refunded: Decimal,
    paid_date: date,
) -> list[PaymentEntry]:
    """Negative receipts, by the way the order was paid, for refunded money that no credit note shows as paid back yet.

    The money is laid along the credit notes in their order, and each payment is named after its note, never after what
    was refunded up to now: where the answer to one was lost and more has been refunded since, that name finds it.

    :param paid: the remembered links of ``record_payment``; :param refunded: in all, positive.
    :raises Held: as ``payment_drafts``.
    """
    method = order.payments[0].method if order.payments else order.payment_method
    entries: list[PaymentEntry] = []
    returned = [link["output"] for link in paid if str(link["qualifier"]).startswith("refund:")]
    left, before = refunded - _paid_back(returned), Decimal(0)
    for credit in credits:
        back = [output for output in returned if output["document_number"] == credit.number]
        due = min(left, min(credit.amount, refunded - before) - _paid_back(back))
        before += credit.amount
        if due <= 0:
            continue
        left -= due
        rule = _rule_for(method, rules, field="payment_method")
        if not rule.post:
            return []
        name = f"{credit.reference} refund" if not back else f"{credit.reference} refund {len(back) + 1}"
        receipt = _Receipt(f"refund:{name}", -to_amount(to_pennies(due)), paid_date, rule, name)
        entries.append(PaymentEntry(receipt.key, _draft(receipt, order, credit.number)))
    return entries


def money_back_draft(
    *, order: Order, document_number: str, cumulative: Decimal, amount: Decimal, paid_date: date, rules: BookingRules
) -> PaymentEntry | None:
    """For pair versions stored before ``money_back_drafts``: one payment over a cumulative sum (decision 0026)."""
    method = order.payments[0].method if order.payments else order.payment_method
    receipt = _Receipt(
        key=f"refund:to:{to_amount(to_pennies(cumulative))}",
        amount=-to_amount(to_pennies(amount)),
        paid_date=paid_date,
        rule=_rule_for(method, rules, field="payment_method"),
        reference=f"{reference_of(order.source_id, rules)} refund to {to_amount(to_pennies(cumulative))}",
    )
    return PaymentEntry(receipt.key, _draft(receipt, order, document_number)) if receipt.rule.post else None


def money_returned(links: list[dict[str, Any]]) -> Decimal:
    """For the same versions: what was paid back already, positive, from remembered links of ``record_payment``."""
    return _paid_back([link["output"] for link in links if str(link["qualifier"]).startswith("refund:")])


def _paid_back(outputs: Sequence[dict[str, Any]]) -> Decimal:
    return -sum((Decimal(str(output["amount"])) for output in outputs), Decimal(0))


def _tenders(order: Order, rules: BookingRules) -> list[_Receipt]:
    references = _tender_references(order.tenders)
    return [
        _Receipt(
            key=f"payment:{reference}",
            amount=tender.amount,
            paid_date=order.placed_date,
            rule=_tender_rule(tender, rules, index),
            reference=f"{reference_of(order.source_id, rules)} {reference}",
        )
        for index, (tender, reference) in enumerate(zip(order.tenders, references, strict=True))
    ]


def _tender_references(tenders: Sequence[Tender]) -> list[str]:
    """Kind and card; two of one kind without a name of their own are numbered in the order's sequence."""
    names: list[str] = []
    for tender in tenders:
        name = f"{tender.kind.value}:{tender.reference}" if tender.reference else tender.kind.value
        names.append(name if name not in names else f"{name}:{len(names) + 1}")
    return names


def _payments(order: Order, rules: BookingRules) -> list[_Receipt]:
    return [
        _Receipt(
            key=f"payment:{payment.reference}",
            amount=payment.amount,
            paid_date=_day_of(payment.paid_at, rules),
            rule=_rule_for(payment.method, rules, field=f"payments[{index}].method"),
            reference=f"{reference_of(order.source_id, rules)} {payment.reference}",
        )
        for index, payment in enumerate(order.payments)
    ]


def _day_of(moment: datetime, rules: BookingRules) -> date:
    return (moment.astimezone(ZoneInfo(rules.time_zone)) if rules.time_zone else moment).date()


def _rule_for(method: str, rules: BookingRules, *, field: str) -> PaymentRule:
    rule = rules.payment_methods.get(method, rules.default_payment)
    if rule and (rule.method or not rule.post):
        return rule
    raise Held(
        f"The payment method “{method}” is not in the table of payment methods.",
        code="payment_method",
        field=field,
        cure="Add it to the table of payment methods with the ledger's method and account.",
        details={"method": method, "known": sorted(rules.payment_methods)},
    )


def _tender_rule(tender: Tender, rules: BookingRules, index: int) -> PaymentRule:
    rule = rules.tender_methods.get(tender.kind)
    if rule and (rule.method or not rule.post):
        return rule
    named = tender.kind.value.replace("_", " ")
    raise Held(
        f"No payment method is set for what was settled by {named}.",
        code="tender_method",
        field=f"tenders[{index}]",
        cure=f"Choose the ledger's payment method and account for {named} in the settings of the pair.",
        details={"tender": tender.kind.value, "amount": str(tender.amount)},
    )


def _to_the_penny(order: Order, receipts: list[_Receipt]) -> list[_Receipt]:
    rounded = [to_pennies(receipt.amount) for receipt in receipts]
    off = order.gross - sum((receipt.amount for receipt in receipts), Decimal(0))
    if abs(off) < PENNY and receipts:
        rounded[-1] += to_pennies(order.gross) - sum(rounded)  # amounts with four decimals
    elif off < 0 or (off and order.payment_status in PAID):
        raise _not_the_gross(order, receipts, off)
    return [_with_amount(receipt, pennies) for receipt, pennies in zip(receipts, rounded, strict=True)]


def _with_amount(receipt: _Receipt, pennies: int) -> _Receipt:
    return _Receipt(receipt.key, to_amount(pennies), receipt.paid_date, receipt.rule, receipt.reference)


def _not_the_gross(order: Order, receipts: Sequence[_Receipt], off: Decimal) -> Held:
    settled = sum((receipt.amount for receipt in receipts), Decimal(0))
    return Held(
        f"Order {order.number} is worth {order.gross}, its payments, gift cards and points come to {settled}.",
        code="payment_sum",
        field="payments",
        cure="Correct the payments in the shop, or book the receipt by hand.",
        details={
            "gross": str(order.gross),
            "settled": {receipt.key: str(receipt.amount) for receipt in receipts},
            "missing": str(off),
        },
    )


def _draft(receipt: _Receipt, order: Order, document_number: str) -> PaymentDraft:
    return PaymentDraft(
        document_number=document_number,
        amount=receipt.amount,
        currency=order.currency,
        paid_date=receipt.paid_date,
        method=receipt.rule.method,
        account=receipt.rule.account,
        reference=receipt.reference,
    )
