"""The switches of this stand-in: what a live account may do either way, and what no live account lets one steer."""

from sandbox.common.settings import Setting, at_least, date_or_null, list_of_text, one_of, switch

SWITCHES = {
    # as_sent keeps the caller's VatAmount; recompute ignores it: half up(quantity × rate × VAT rate ÷ 100, 2 places).
    "vat_arithmetic": Setting("as_sent", one_of("as_sent", "recompute")),
    # What a caller's own InvoiceNumber does when it is taken: refused, or the older invoice is overwritten.
    "supplied_invoice_number": Setting("use_if_free", one_of("use_if_free", "overwrite_if_taken")),
    # Places a Rate keeps; a longer one is rounded half up.
    "rate_decimals": Setting(4, one_of(2, 4)),
    "ip_allow_list": Setting(False, switch),
    # Addresses let in on every account, besides those an account lists itself.
    "ip_allowed_addresses": Setting([], list_of_text),
    # separate_api: SOAP takes only the API password and refuses the login password.
    "password": Setting("login", one_of("login", "separate_api")),
    "read_after_write_seconds": Setting(0, at_least(0)),
    # Invoices, payments, bank transactions and journals dated before are refused.
    "deny_locked_before": Setting(None, date_or_null),
    "invoice_limit_reached": Setting(False, switch),
    "restore_stock_on_delete": Setting(True, switch),
    # REST: 2026-03-04 12:00:00 | 2026-03-04 12:00:00 +05:30 | 2026-03-04T00:00:00, all meaning the day.
    "rest_dates": Setting("twelve", one_of("twelve", "twelve_offset", "iso")),
    "session_idle_minutes": Setting(60, at_least(0)),
    "temporary_token_seconds": Setting(300, at_least(0)),
    "lock_out_after": Setting(3, at_least(1)),
    # Moves the clock that sessions and "recent" or "overdue" are measured by.
    "clock_ahead_seconds": Setting(0, at_least(0)),
}
