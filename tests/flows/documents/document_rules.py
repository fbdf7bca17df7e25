"""The settings the document tests book with."""

from __future__ import annotations

from decimal import Decimal

from connectors.base.records import TenderKind
from flows.engine.documents.rules import BookingRules, NominalCodes, PaymentRule

NOMINALS = NominalCodes(
    product="4000", shipping="4905", fee="4906", discount="4009", gift_card_sale="2200", rounding="7999"
)
CARD = PaymentRule(method="Card", account="Card clearing")
VOUCHER = PaymentRule(method="Gift card", account="Gift card liability")


def rules(**changes: object) -> BookingRules:
    settings: dict[str, object] = {
        "reference_prefix": "NOP-",
        "nominals": NOMINALS,
        "known_vat_rates": tuple(map(Decimal, ("0", "5", "7", "19", "20"))),
        "payment_methods": {"Payments.Card": CARD},
        "tender_methods": dict.fromkeys(TenderKind, VOUCHER),
    }
    return BookingRules.model_validate(settings | changes)
