"""Pages to look inside an account: invoices, one invoice, products, customers, banks."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.common.operations import uncounted
from sandbox.common.page import Html, heading, join, link, page, paragraph, table, tag
from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger.bank import bank_balance
from sandbox.kashflow.ledger.payments import payment_status
from sandbox.kashflow.model import Invoice

if TYPE_CHECKING:
    from sandbox.kashflow.standin import KashFlow

SHOWN = 500
"""Newest rows on a page; a test run may leave many thousands."""


def money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


class Pages:
    def __init__(self, standin: "KashFlow") -> None:
        self._standin = standin

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/", self._page(invoices_page)),
            web.get(r"/invoices/{number:\d+}", self._page(invoice_page)),
            web.get("/products", self._page(products_page)),
            web.get("/customers", self._page(customers_page)),
            web.get("/banks", self._page(banks_page)),
        ]

    def _page(
        self, show: Callable[[Account, web.Request], tuple[str, list[Html]]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        @uncounted
        async def answer(request: web.Request) -> web.Response:
            accounts = self._standin.accounts
            name = request.query.get("account", next(iter(accounts)))
            if name not in accounts:
                raise web.HTTPNotFound(text="There is no such account")
            title, body = show(accounts[name], request)
            company = accounts[name].company.company_name
            return page(title, [_accounts(self._standin, name), *body], site=f"KashFlow – {company}", links=_nav(name))

        return answer


def _nav(account: str) -> list[tuple[str, str]]:
    pages = (("/", "Invoices"), ("/products", "Products"), ("/customers", "Customers"), ("/banks", "Banks"))
    return [(f"{path}?account={account}", text) for path, text in pages]


def _accounts(standin: "KashFlow", shown: str) -> Html:
    others = [
        link(f"/?account={name}", a.company.company_name) for name, a in standin.accounts.items() if name != shown
    ]
    return paragraph(join(["Other accounts: ", join(others, ", ")])) if others else Html("")


def _state(invoice: Invoice) -> Html:
    return tag(payment_status(invoice, overdue=False))


def invoices_page(account: Account, request: web.Request) -> tuple[str, list[Html]]:
    rows = sorted(account.invoices.all(), key=lambda invoice: invoice.invoice_number, reverse=True)
    columns = ("#Number", "Date", "Kind", "Customer", "Reference", "#Net", "#VAT", "#Gross", "#Paid", "State")
    shown = [_invoice_row(account, invoice) for invoice in rows[:SHOWN]]
    total = sum((invoice.home_gross_amount for invoice in rows), Decimal(0))
    summary = paragraph(f"{len(rows)} documents, {money(total)} {account.company.currency_name} in all.")
    return "Invoices", [summary, table(columns, shown, empty="No invoices yet.")]


def _invoice_row(account: Account, invoice: Invoice) -> tuple[object, ...]:
    number = invoice.invoice_number
    return (
        link(f"/invoices/{number}?account={account.company.user_name}", number),
        f"{invoice.invoice_date:%d %b %Y}",
        _kind(invoice),
        _customer_name(account, invoice),
        invoice.customer_reference,
        money(invoice.net_amount),
        money(invoice.vat_amount),
        _with_currency(account, invoice),
        money(invoice.amount_paid),
        _state(invoice),
    )


def _kind(invoice: Invoice) -> str:
    return "Credit note" if invoice.is_credit_note else "Invoice"


def _customer_name(account: Account, invoice: Invoice) -> str:
    customer = account.customers.get(invoice.customer_id)
    return customer.name or customer.code if customer else ""


def _with_currency(account: Account, invoice: Invoice) -> str:
    home = invoice.currency_code == account.home_currency().currency_code
    return money(invoice.gross_amount) if home else f"{money(invoice.gross_amount)} {invoice.currency_code}"


def invoice_page(account: Account, request: web.Request) -> tuple[str, list[Html]]:
    invoice = account.invoices.get(account.dbid_of_number(int(request.match_info["number"])) or 0)
    if invoice is None:
        raise web.HTTPNotFound(text="There is no such invoice")
    title = f"{_kind(invoice)} {invoice.invoice_number}"
    facts = (
        ("Customer", _customer_name(account, invoice)),
        ("Reference", invoice.customer_reference),
        ("Date", f"{invoice.invoice_date:%d %b %Y}"),
        ("Due", f"{invoice.due_date:%d %b %Y}" if invoice.due_date else ""),
        ("Net", money(invoice.net_amount)),
        ("VAT", money(invoice.vat_amount)),
        ("Gross", f"{money(invoice.gross_amount)} {invoice.currency_code}"),
        ("Paid", money(invoice.amount_paid)),
        ("State", _state(invoice)),
        ("Made by", invoice.made_by),
    )
    body = [
        table(("", ""), facts),
        heading("Lines", 2),
        _lines(account, invoice),
        heading("Payments", 2),
        _payments(account, invoice),
    ]
    notes = [(f"{note.note_date:%d %b %Y}", note.notes) for note in invoice.notes]
    return title, [*body, heading("Notes", 2), table(("Date", "Text"), notes)] if notes else body


def _lines(account: Account, invoice: Invoice) -> Html:
    rows = []
    for line in sorted(invoice.lines, key=lambda line: line.sort):
        product, nominal = account.products.get(line.product_id), account.nominals.get(line.charge_type)
        sku, sold_as = product.code if product else "", nominal.name if nominal else ""
        figures = (f"{line.quantity.normalize():f}", f"{line.rate:f}", money(line.net_amount))
        vat = "exempt" if line.vat_rate < 0 else f"{line.vat_rate.normalize():f}%"
        rows.append((line.description, sku, sold_as, *figures, vat, money(line.vat_amount)))
    columns = ("Description", "Product", "Nominal", "#Quantity", "#Rate", "#Net", "#VAT rate", "#VAT")
    return table(columns, rows, empty="No lines.")


def _payments(account: Account, invoice: Invoice) -> Html:
    rows = []
    for payment in invoice.payments:
        method = account.payment_methods.get(payment.pay_method)
        bank_account = account.bank_accounts.get(payment.pay_account)
        names = (method.method_name if method else "", bank_account.account_name if bank_account else "")
        rows.append((f"{payment.pay_date:%d %b %Y}", *names, payment.pay_note, money(payment.pay_amount)))
    return table(("Date", "Method", "Account", "Note", "#Amount"), rows, empty="No payments.")


def products_page(account: Account, request: web.Request) -> tuple[str, list[Html]]:
    rows = []
    for product in sorted(account.products.all(), key=lambda product: product.code)[:SHOWN]:
        nominal = account.nominals.get(product.parent_id)
        stock = product.qty_in_stock if product.managed else ""
        sold_as = nominal.name if nominal else ""
        rows.append((product.code, product.name, sold_as, money(product.price), f"{product.vat_rate:f}", stock))
    columns = ("Code", "Name", "Nominal", "#Price", "#VAT %", "#In stock")
    return "Products", [table(columns, rows, empty="No products yet.")]


def customers_page(account: Account, request: web.Request) -> tuple[str, list[Html]]:
    newest = sorted(account.customers.all(), key=lambda customer: customer.customer_id, reverse=True)
    rows = [
        (c.code, c.name, c.email, ", ".join(filter(None, (c.address1, c.address4, c.postcode, c.country_code))))
        for c in newest[:SHOWN]
    ]
    summary = paragraph(f"{len(newest)} customers.")
    return "Customers", [summary, table(("Code", "Name", "E-mail", "Address"), rows, empty="No customers yet.")]


def banks_page(account: Account, request: web.Request) -> tuple[str, list[Html]]:
    accounts = [
        (row.account_code, row.account_name, money(bank_balance(account, row.account_id)))
        for row in account.bank_accounts.all()
    ]
    newest = sorted(account.bank_transactions.all(), key=lambda row: row.id, reverse=True)
    rows = []
    for row in newest[:SHOWN]:
        bank_account, nominal = account.bank_accounts.get(row.accid), account.nominals.get(row.transaction_type)
        names = (bank_account.account_name if bank_account else "", nominal.name if nominal else "")
        figures = (money(row.moneyin) if row.moneyin else "", money(row.moneyout) if row.moneyout else "")
        rows.append((f"{row.transaction_date:%d %b %Y}", *names, row.comment, *figures))
    columns = ("Date", "Account", "Type", "Comment", "#In", "#Out")
    return "Banks", [
        table(("Code", "Account", "#Balance"), accounts),
        heading("Transactions", 2),
        table(columns, rows, empty="No transactions yet."),
    ]
