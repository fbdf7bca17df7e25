"""Rows of an account as SOAP types, and SOAP values as drafts of rows."""

import datetime as dt
from decimal import Decimal
from typing import Any

from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger.catalogue import CLASS_NAMES, TYPE_NAMES, products_under
from sandbox.kashflow.model import (
    CUSTOM_FIELDS,
    BankTransaction,
    Customer,
    DeliveryAddress,
    Invoice,
    InvoiceLine,
    Journal,
    JournalLine,
    Nominal,
    Payment,
)

Values = dict[str, Any]


def day_of(moment: dt.datetime | None, default: dt.date) -> dt.date:
    """The day of a dateTime; its time part is dropped."""
    return moment.date() if moment is not None else default


# Customers


def customer_view(customer: Customer) -> Values:
    view = dict(vars(customer))
    for number in range(1, CUSTOM_FIELDS + 1):
        view[f"extra_text{number}"] = customer.extra_text[number - 1]
        view[f"check_box{number}"] = customer.check_box[number - 1]
    return view


def customer_draft(values: Values) -> Customer:
    own = {name: value for name, value in values.items() if name in Customer.__dataclass_fields__}
    own["extra_text"] = [values[f"extra_text{number}"] for number in range(1, CUSTOM_FIELDS + 1)]
    own["check_box"] = [values[f"check_box{number}"] for number in range(1, CUSTOM_FIELDS + 1)]
    return Customer(**own)


# Invoices


def invoice_view(account: Account, invoice: Invoice) -> Values:
    """Serves both twins: a member the type in hand lacks is not written."""
    customer = account.customers.get(invoice.customer_id)
    return {
        **vars(invoice),
        "customer": customer.code if customer else "",
        "customer_name": customer.name if customer else "",
        "paid": invoice.paid,
        "net_amount": invoice.net_amount,
        "vat_amount": invoice.vat_amount,
        "amount_paid": invoice.amount_paid,
        "readable_string": readable_string(invoice),
        "lines": [line_view(line) for line in sorted(invoice.lines, key=lambda line: line.sort)],
        "perma_link": permalink(invoice),
    }


def permalink(invoice: Invoice) -> str:
    return f"https://api.kashflow.com/v2/documents/invoice/{invoice.permalink_key}"


def readable_string(invoice: Invoice) -> str:
    gross = f"{invoice.gross_amount:.2f}"
    return f"Invoice {invoice.invoice_number} dated {invoice.invoice_date:%d/%m/%Y} for {gross}"


def line_view(line: InvoiceLine) -> Values:
    # ValuesInCurrency is for inserting only.
    return {**vars(line), "values_in_currency": None}


def invoice_draft(account: Account, values: Values) -> Invoice:
    """What the caller may decide; NetAmount, VATAmount, AmountPaid and Paid are ignored."""
    address = values.get("delivery_address")
    return Invoice(
        invoice_dbid=values["invoice_dbid"],
        invoice_number=values["invoice_number"],
        invoice_date=day_of(values["invoice_date"], account.today()),
        due_date=values["due_date"].date() if values["due_date"] else None,
        customer_id=values["customer_id"],
        customer_reference=values["customer_reference"],
        estimate_category=values["estimate_category"],
        suppress_total=values["suppress_total"],
        project_id=values["project_id"],
        currency_code=values["currency_code"],
        exchange_rate=values["exchange_rate"],
        lines=[line_draft(line) for line in values["lines"]],
        delivery_address=DeliveryAddress(**address) if address else None,
        use_custom_delivery_address=values.get("use_custom_delivery_address", False),
    )


def line_draft(values: Values) -> InvoiceLine:
    return InvoiceLine(**{**values, "line_id": 0})


def payment_draft(account: Account, values: Values) -> Payment:
    return Payment(**{**values, "pay_id": 0, "pay_date": day_of(values["pay_date"], account.today())})


# Products and nominals


def product_view(account: Account, nominal: Nominal, *, with_products: bool = False) -> Values:
    """A sales type as KashFlow's "Product"; its stock is that of the managed products beneath."""
    beneath = products_under(account, nominal.id)
    managed = [product for product in beneath if product.managed]
    view: Values = {
        "product_id": nominal.id,
        "product_name": nominal.name,
        "product_code": nominal.code,
        "product_description": nominal.description,
        "manage_stock_levels": int(bool(managed)),
        "qty_in_stock": sum(product.qty_in_stock for product in managed),
        "product_price": nominal.price,
    }
    if with_products:
        view["sub_products"] = beneath
    return view


def nominal_view(nominal: Nominal, totals: tuple[Decimal, Decimal]) -> Values:
    debit, credit = totals
    return {
        **vars(nominal),
        "debit": debit,
        "credit": credit,
        "balance": credit - debit,
        # Read back, the two change names: TypeName "Turnover", ClassificationName "Sales Type".
        "type_id": nominal.classification_id,
        "type_name": TYPE_NAMES.get(nominal.classification_id, ""),
        "classification_id": nominal.type_id,
        "classification_name": CLASS_NAMES.get(nominal.type_id, ""),
    }


# Bank and journals


def bank_transaction_draft(account: Account, values: Values) -> BankTransaction:
    day = day_of(values["transaction_date"], account.today())
    return BankTransaction(**{**values, "id": 0, "transaction_date": day})


def journal_draft(account: Account, values: Values) -> Journal:
    return Journal(
        dbid=0,
        journal_number=values["journal_number"],
        journal_date=day_of(values["journal_date"], account.today()),
        comment=values["comment"],
        lines=[JournalLine(**line) for line in values["lines"]],
    )
