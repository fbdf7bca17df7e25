"""What each SOAP operation does. A handler gets the account, the parameters by snake name and the caller's address."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger import bank, catalogue, customers, invoices, journals, payments
from sandbox.kashflow.model import AllowedAddress, Invoice, SubProduct
from sandbox.kashflow.refusal import invented
from sandbox.kashflow.soap import views

PAYMENTS_PER_PAGE = 50
"""Page size of GetInvoicePaymentsByDateRange; the real one is not published."""

Values = dict[str, Any]
Handler = Callable[[Account, Values], Any]
CALLER = "caller_address"
"""Where a handler finds the caller's IP address among its parameters."""


# Account facts


def get_vat_rates(account: Account, given: Values) -> list[Values]:
    return [
        {"id": rate.id, "name": rate.name, "description": rate.name, "value": rate.value}
        for rate in account.vat_rates.all()
    ]


def get_user_account_defaults(account: Account, given: Values) -> Values:
    return {
        "is_vat_registered": account.company.vat_registered == "Yes",
        "vat_number": account.company.vat_registration_number,
        "currencies": account.currencies.all(),
    }


def auto_auth_ip(account: Account, given: Values) -> int:
    if given["auto_auth_key"] != account.company.auto_auth_key:
        raise invented("The automatic authorisation key is not valid")
    row = AllowedAddress(account.next_id("address"), given[CALLER], given["app_name"])
    account.allowed_addresses.add(row.id, row)
    account.changed()
    return 1


# Customers


def get_customers(account: Account, given: Values) -> list[Values]:
    return [views.customer_view(customer) for customer in account.customers.read_all()]


def get_customers_modified_since(account: Account, given: Values) -> list[Values]:
    found = customers.customers_modified_since(account, given["modified_since"])
    return [views.customer_view(customer) for customer in found]


def get_customers_by_postcode(account: Account, given: Values) -> list[Values]:
    return [views.customer_view(c) for c in customers.customers_of_postcode(account, given["postcode"])]


def insert_customer(account: Account, given: Values) -> int:
    return customers.customer_insert(account, views.customer_draft(_object(given, "custr"))).customer_id


def update_customer(account: Account, given: Values) -> str:
    return customers.customer_update(account, views.customer_draft(_object(given, "custr"))).code


def set_customer_currency(account: Account, given: Values) -> int:
    currency = account.currency(given["currency_code"])
    customer = customers.customer_of_code(account, given["customer_code"])
    account.customers.edit(customer.customer_id).currency_id = currency.currency_id
    account.changed()
    return 1


def get_customer_currency(account: Account, given: Values) -> str:
    customer = customers.customer_of_code(account, given["customer_code"])
    currency = account.currencies.get(customer.currency_id) or account.home_currency()
    return currency.currency_code


def set_customer_vat_number(account: Account, given: Values) -> int:
    customer = customers.customer_of_code(account, given["customer_code"])
    account.customers.edit(customer.customer_id).vat_number = given["cust_vat_number"]
    account.changed()
    return 1


def get_customer_sources(account: Account, given: Values) -> list[Values]:
    return [{"id": row.id, "name": row.name, "description": row.name} for row in account.sources.all()]


def get_customer_balance(account: Account, given: Values) -> customers.Balance:
    return customers.customer_balance(account, customers.customer_of_code(account, given["customer_code"]))


# Invoices


def _views(account: Account, rows: list[Invoice]) -> list[Values]:
    return [views.invoice_view(account, invoice) for invoice in rows]


def _object(given: Values, name: str) -> Values:
    """A parameter of a complex type.

    :raises Refused: left out; the real service answers a null reference in some wording.
    """
    values: Values | None = given[name]
    if values is None:
        raise invented("Object reference not set to an instance of an object")
    return values


def insert_invoice(parameter: str) -> Handler:
    def insert(account: Account, given: Values) -> int:
        draft = views.invoice_draft(account, _object(given, parameter))
        return invoices.invoice_insert(account, draft).invoice_number

    return insert


def update_invoice(parameter: str, update: Callable[..., Invoice]) -> Handler:
    def handle(account: Account, given: Values) -> None:
        draft = views.invoice_draft(account, _object(given, parameter))
        dbid = invoices.stored_dbid(account, number=draft.invoice_number, dbid=draft.invoice_dbid)
        update(account, draft, dbid=dbid)

    return handle


def get_invoice(account: Account, given: Values) -> Values:
    return views.invoice_view(account, invoices.invoice_of_number(account, given["invoice_number"]))


def get_invoice_by_id(account: Account, given: Values) -> Values:
    return views.invoice_view(account, invoices.invoice_of_dbid(account, given["invoice_id"]))


def get_invoices_by_date_range(account: Account, given: Values) -> list[Values]:
    return _views(account, account.invoices_on(*_range(given)))


def _range(given: Values) -> tuple[dt.date, dt.date]:
    return views.day_of(given["start_date"], dt.date.min), views.day_of(given["end_date"], dt.date.max)


def invoices_where(choose: Callable[[Account, Values], list[Invoice]]) -> Handler:
    return lambda account, given: _views(account, choose(account, given))


def _of_customer(account: Account, given: Values) -> list[Invoice]:
    return account.invoices_of_customer(given["cust_id"])


def _recent(account: Account, given: Values) -> list[Invoice]:
    """Newest first by number."""
    newest = sorted(account.invoices.read_all(), key=lambda invoice: invoice.invoice_number, reverse=True)
    return newest[: max(0, given["number_of_invoices"])]


def _unpaid(account: Account, given: Values) -> list[Invoice]:
    return [invoice for invoice in account.invoices.read_all() if not invoice.paid]


def _overdue(account: Account, given: Values) -> list[Invoice]:
    return [invoice for invoice in account.invoices.read_all() if invoices.is_overdue(account, invoice)]


def insert_invoice_line(account: Account, given: Values) -> int:
    dbid = invoices.stored_dbid(account, dbid=given.get("invoice_id", 0), number=given.get("invoice_number", 0))
    return invoices.line_insert(account, views.line_draft(_object(given, "inv_line")), dbid=dbid).line_id


def delete_invoice_line(account: Account, given: Values) -> int:
    dbid = invoices.stored_dbid(account, dbid=given.get("invoice_id", 0), number=given.get("invoice_number", 0))
    return int(invoices.line_delete(account, given["line_id"], dbid=dbid))


def delete_invoice(account: Account, given: Values) -> int:
    dbid = given.get("invoice_id") or account.dbid_of_number(given.get("invoice_number", 0)) or 0
    return int(invoices.invoice_delete(account, dbid))


def insert_invoice_note(account: Account, given: Values) -> bool:
    day = views.day_of(given["note_date"], account.today())
    invoices.note_insert(account, given["invoice_id"], day, given["notes"])
    return True


def get_invoice_notes(account: Account, given: Values) -> list[Any]:
    return list(invoices.invoice_of_dbid(account, given["invoice_id"]).notes)


def email_invoice(account: Account, given: Values) -> None:
    """Nothing is sent; the invoice must exist and there must be a recipient."""
    invoices.invoice_of_number(account, given["invoice_number"])
    if "@" not in given["recipient_email"]:
        raise invented("There is no recipient")


def print_invoice(account: Account, given: Values) -> str:
    return views.permalink(invoices.invoice_of_number(account, given["invoice_number"]))


def apply_credit_note(account: Account, given: Values) -> bool:
    payments.credit_note_apply(account, given["invoice_id"], given["credit_note_id"])
    return True


# Payments


def insert_invoice_payment(account: Account, given: Values) -> int:
    draft = views.payment_draft(account, _object(given, "invoice_payment"))
    return payments.payment_insert(account, draft).pay_id


def get_invoice_payment(account: Account, given: Values) -> list[Any]:
    return list(invoices.invoice_of_number(account, given["invoice_number"]).payments)


def delete_invoice_payment(account: Account, given: Values) -> None:
    payments.payment_delete(account, given["invoice_payment_number"])


def get_payments_by_date_range(account: Account, given: Values) -> list[Any]:
    first = (max(1, given["page_number"]) - 1) * PAYMENTS_PER_PAGE
    return list(payments.payments_between(account, *_range(given))[first : first + PAYMENTS_PER_PAGE])


def count_payments_by_date_range(account: Account, given: Values) -> int:
    return len(payments.payments_between(account, *_range(given)))


def allocate_advance_payment(account: Account, given: Values) -> int:
    return payments.advance_allocate(account, given["invoice_number"], given["bank_tx_id"]).pay_id


# Products and nominals


def get_products(*, full: bool) -> Handler:
    return lambda account, given: [
        views.product_view(account, nominal, with_products=full) for nominal in catalogue.sales_types(account)
    ]


def add_or_update_sub_product(account: Account, given: Values) -> int:
    return catalogue.product_put(account, SubProduct(**_object(given, "sp"))).id


def get_nominal_codes(account: Account, given: Values) -> list[Values]:
    totals = catalogue.balances(account)
    return [views.nominal_view(nominal, totals[nominal.id]) for nominal in account.nominals.all()]


def insert_nominal_code(account: Account, given: Values) -> int:
    return catalogue.nominal_insert(
        account,
        name=given["name"],
        code=given["code"],
        classification=given["classification"],
        type_id=given["nomtype"],
    ).id


def get_nominal_ledger(account: Account, given: Values) -> list[Values]:
    return [
        {"date": p.date, "nomid": p.nominal_id, "value": p.value, "type": p.type, "id": p.id}
        | {"ref1": p.reference, "narrative": p.narrative}
        for p in catalogue.postings(account, given["nominal_id"], *_range(given))
    ]


# Bank and journals


def create_bank_account(account: Account, given: Values) -> int:
    return bank.bank_account_create(account, given["account_name"], given["nominal_code"]).account_id


def get_bank_balance(account: Account, given: Values) -> Decimal:
    on = views.day_of(given["balance_date"], dt.date.max)
    return bank.bank_balance(account, given["account_id"], on)


def get_bank_tx_types(account: Account, given: Values) -> list[Values]:
    return [{"type_id": n.id, "type_name": n.name, "type_code": n.code} for n in account.nominals.all()]


def insert_bank_transaction(account: Account, given: Values) -> int:
    return bank.transaction_insert(account, views.bank_transaction_draft(account, _object(given, "bp"))).id


def update_bank_transaction(account: Account, given: Values) -> int:
    draft = views.bank_transaction_draft(account, _object(given, "bp"))
    return int(bank.transaction_update(account, draft, given["transaction_id"]))


def insert_journal(account: Account, given: Values) -> int:
    return journals.journal_insert(account, views.journal_draft(account, _object(given, "jnl"))).journal_number


def update_journal(*, with_lines: bool) -> Handler:
    def update(account: Account, given: Values) -> int:
        draft = views.journal_draft(account, _object(given, "jnl"))
        return journals.journal_update(account, draft, with_lines=with_lines).journal_number

    return update


HANDLERS: dict[str, Handler] = {
    "GetCompanyDetails": lambda account, given: account.company,
    "isUserVATRegistered": lambda account, given: account.company.vat_registered == "Yes",
    "GetVATRates": get_vat_rates,
    "GetCurrencies": lambda account, given: account.currencies.all(),
    "GetUserAccountDefaults": get_user_account_defaults,
    "GetUserAccountDefaults_TypeDefined": get_user_account_defaults,
    "AutoAuthIP": auto_auth_ip,
    "GetCustomer": lambda a, given: views.customer_view(customers.customer_of_code(a, given["customer_code"])),
    "GetCustomerByID": lambda a, given: views.customer_view(customers.customer_of_id(a, given["customer_id"])),
    "GetCustomerByEmail": lambda a, given: views.customer_view(customers.customer_of_email(a, given["customer_email"])),
    "GetCustomers": get_customers,
    "GetCustomersModifiedSince": get_customers_modified_since,
    "GetCustomersByPostcode": get_customers_by_postcode,
    "SearchCustomerByCustText": lambda a, given: views.customer_view(
        customers.customer_of_text(a, given["search_val"])
    ),
    "InsertCustomer": insert_customer,
    "UpdateCustomer": update_customer,
    "DeleteCustomer": lambda account, given: int(customers.customer_delete(account, given["customer_id"])),
    "GetCustomerCurrency": get_customer_currency,
    "SetCustomerCurrency": set_customer_currency,
    "GetCustomerVATNumber": lambda a, given: customers.customer_of_code(a, given["customer_code"]).vat_number,
    "SetCustomerVATNumber": set_customer_vat_number,
    "GetCustomerSources": get_customer_sources,
    "GetCustomerBalance": get_customer_balance,
    "GetCustomerAdvancePayments": lambda a, given: payments.advance_payments(a, given["customer_id"]),
    "InsertInvoice": insert_invoice("inv"),
    "InsertInvoice_TypeDefined": insert_invoice("inv_td"),
    "GetInvoice": get_invoice,
    "GetInvoice_TypeDefined": get_invoice,
    "GetInvoiceByID": get_invoice_by_id,
    "GetInvoicesByDateRange": get_invoices_by_date_range,
    "GetInvoicesForCustomer": invoices_where(_of_customer),
    "GetInvoicesForCustomer_typeDefined": invoices_where(_of_customer),
    "GetInvoices_Recent": invoices_where(_recent),
    "GetInvoices_Recent_TypeDefined": invoices_where(_recent),
    "GetInvoices_Unpaid": invoices_where(_unpaid),
    "GetInvoices_Unpaid_TypeDefined": invoices_where(_unpaid),
    "GetInvoices_Overdue": invoices_where(_overdue),
    "GetInvoices_Overdue_TypeDefined": invoices_where(_overdue),
    "UpdateInvoice": update_invoice("inv", invoices.invoice_update),
    "UpdateInvoice_TypeDefined": update_invoice("inv_td", invoices.invoice_update),
    "UpdateInvoiceHeader": update_invoice("inv", invoices.invoice_header_update),
    "InsertInvoiceLine": insert_invoice_line,
    "InsertInvoiceLineWithInvoiceNumber": insert_invoice_line,
    "DeleteInvoiceLine": delete_invoice_line,
    "DeleteInvoiceLineWithInvoiceID": delete_invoice_line,
    "DeleteInvoice": delete_invoice,
    "DeleteInvoiceByID": delete_invoice,
    "InsertInvoiceNote": insert_invoice_note,
    "GetInvoiceNotes": get_invoice_notes,
    "EmailInvoice": email_invoice,
    "PrintInvoice": print_invoice,
    "applyCreditNoteToInvoice": apply_credit_note,
    "GetInvPayMethods": lambda account, given: account.payment_methods.all(),
    "InsertInvoicePayment": insert_invoice_payment,
    "GetInvoicePayment": get_invoice_payment,
    "DeleteInvoicePayment": delete_invoice_payment,
    "GetInvoicePaymentsByDateRange": get_payments_by_date_range,
    "GetInvoicePaymentsCountforDateRange": count_payments_by_date_range,
    "AllocateAdvancePaymentToInvoice": allocate_advance_payment,
    "GetProducts": get_products(full=False),
    "GetProductsWithSubProducts": get_products(full=True),
    "GetSubProducts": lambda account, given: catalogue.products_under(account, given["nominal_id"]),
    "GetSubProductByCode": lambda account, given: catalogue.product_of_code(account, given["product_code"]),
    "GetSubProductByID": lambda account, given: catalogue.product_of_id(account, given["product_id"]),
    "AddOrUpdateSubProduct": add_or_update_sub_product,
    "GetNominalCodes": get_nominal_codes,
    "GetNominalCodesExtended": get_nominal_codes,
    "InsertNominalCode": insert_nominal_code,
    "GetNominalLedger": get_nominal_ledger,
    "GetBankAccounts": lambda account, given: account.bank_accounts.all(),
    "CreateBankAccount": create_bank_account,
    "GetBankBalance": get_bank_balance,
    "GetBankOverview": lambda account, given: bank.bank_overview(account),
    "GetBankTxTypes": get_bank_tx_types,
    "GetBankTransactions": lambda account, given: bank.transactions_of(account, given["account_id"]),
    "InsertBankTransaction": insert_bank_transaction,
    "UpdateBankTransaction": update_bank_transaction,
    "DeleteBankTransaction": lambda account, given: int(bank.transaction_delete(account, given["transaction_id"])),
    "GetJournals": lambda account, given: account.journals.read_all(),
    "GetJournal": lambda account, given: journals.journal_of_number(account, given["journal_number"]),
    "InsertJournal": insert_journal,
    "UpdateJournal": update_journal(with_lines=True),
    "UpdateJournalHeader": update_journal(with_lines=False),
    "DeleteJournal": lambda a, given: int(journals.journal_delete(a, number=given["journal_number"])),
    "DeleteJournalByID": lambda a, given: int(journals.journal_delete(a, dbid=given["journal_id"])),
}
