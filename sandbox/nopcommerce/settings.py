"""Switches of the shop: which plug-ins are installed, how it prices, what it allows, how webhooks are sent."""

from typing import Any

from sandbox.common.settings import Setting, Settings, at_least, list_of_text, one_of, switch, text
from sandbox.nopcommerce.pricing import PriceRules

FAMILIES = ("A", "B", "C")


def _families(value: Any) -> list[str]:
    names = list_of_text(value)
    if unknown := set(names) - set(FAMILIES):
        raise ValueError(f"unknown families: {', '.join(sorted(unknown))}")
    return names


DECLARED = {
    # Plug-ins
    "families": Setting(list(FAMILIES), _families),
    "developer_mode": Setting(False, switch),  # family A: tokens are not looked at
    "token_header": Setting("both", one_of("both", "bearer", "bare")),
    "token_seconds": Setting(3600, at_least(0)),  # life of a family A token
    "rule_error_status": Setting(400, one_of(400, 500)),  # how family A reports a broken order rule
    "b_token_seconds": Setting(315_360_000, at_least(0)),
    "c_token_seconds": Setting(365 * 86_400, at_least(0)),
    "clock_offset_seconds": Setting(0, at_least(-(10**9))),
    "naive_dates": Setting(False, switch),  # families B and C: dates without an offset
    "webhooks": Setting(True, switch),  # a branch of family B that has them
    # Money
    "prices_include_tax": Setting(True, switch),
    "round_prices": Setting(True, switch),
    "round_half_away": Setting(False, switch),
    "round_shipping": Setting(False, switch),
    "shipping_taxable": Setting(True, switch),
    "shipping_includes_tax": Setting(True, switch),
    "fee_taxable": Setting(False, switch),
    "fee_includes_tax": Setting(True, switch),
    "tax_display_excluding": Setting(False, switch),
    "eu_vat_exemption": Setting(True, switch),
    "point_value": Setting("0.01", text),  # worth of one reward point
    # Rules
    "anonymous_checkout": Setting(True, switch),
    "complete_when_delivered": Setting(True, switch),
    "update_totals_on_edit": Setting(True, switch),
    "order_number_mask": Setting("{ID}", text),
    "payment_methods": Setting(
        ["Payments.CheckMoneyOrder", "Payments.Manual", "Payments.PayPalCommerce"], list_of_text
    ),
    # Webhooks: seconds that a documented minute takes
    "minute_seconds": Setting(60, at_least(0)),
    "webhook_timeout_seconds": Setting(10, at_least(0.05)),
    # Faults that are states rather than single calls
    "null_country": Setting(False, switch),
    "application_pool_idle_seconds": Setting(0, at_least(0)),  # 0: the pool never sleeps
    "cold_start_seconds": Setting(10, at_least(0)),
}


def shop_settings() -> Settings:
    return Settings(DECLARED)


def price_rules(settings: Settings) -> PriceRules:
    return PriceRules(
        prices_include_tax=settings["prices_include_tax"],
        rounding=settings["round_prices"],
        half_away=settings["round_half_away"],
        round_shipping=settings["round_shipping"],
    )
