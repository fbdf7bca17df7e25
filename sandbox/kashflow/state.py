"""An account as ``/control/state`` shows it: everything a test may count or add up. Money is text, exact."""

from typing import Any

from sandbox.common.jsonable import to_json
from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger.bank import bank_balance
from sandbox.kashflow.model import Invoice, InvoiceLine


def account_state(account: Account) -> dict[str, Any]:
    tables = {
        name: [to_json(row) for row in getattr(account, name).all()]
        for name in account.tables
        if name not in ("invoices", "bank_accounts")
    }
    return {
        "company": to_json(account.company),
        "invoices": [invoice_state(account, invoice) for invoice in account.invoices.all()],
        "bank_accounts": [
            {**to_json(row), "balance": to_json(bank_balance(account, row.account_id))}
            for row in account.bank_accounts.all()
        ],
        **tables,
    }


def invoice_state(account: Account, invoice: Invoice) -> dict[str, Any]:
    """The stored row plus what follows from it, under the account's arithmetic."""
    customer = account.customers.get(invoice.customer_id)
    computed = {
        "customer_code": customer.code if customer else "",
        "customer_name": customer.name if customer else "",
        "lines": [_line_state(account, line) for line in invoice.lines],
        "net_amount": invoice.net_amount,
        "vat_amount": invoice.vat_amount,
        "gross_amount": invoice.gross_amount,
        "amount_paid": invoice.amount_paid,
        "due_amount": invoice.due_amount,
        "paid": bool(invoice.paid),
        "is_credit_note": invoice.is_credit_note,
    }
    return {**to_json(invoice), **to_json(computed)}


def _line_state(account: Account, line: InvoiceLine) -> dict[str, Any]:
    product = account.products.get(line.product_id)
    nominal = account.nominals.get(line.charge_type)
    return {
        **to_json(line),
        "net_amount": to_json(line.net_amount),
        "product_code": product.code if product else "",
        "nominal_code": nominal.code if nominal else None,
    }
