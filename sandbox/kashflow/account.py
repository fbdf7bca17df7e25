"""One company's books: tables, identifiers, look-ups. The rules live in ``ledger/``; both transports use the same."""

import datetime as dt
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, ClassVar

from sandbox.common.jsonable import from_json, to_json
from sandbox.common.settings import Settings
from sandbox.common.visibility import Table
from sandbox.kashflow import model
from sandbox.kashflow.refusal import invented

current_operation: ContextVar[str] = ContextVar("current_operation", default="")
"""Name of the operation in work, kept with each row it makes."""


class Account:
    """``changed`` is called after each change, so that a snapshot can follow."""

    tables: ClassVar[dict[str, type[Any]]] = {
        "customers": model.Customer,
        "invoices": model.Invoice,
        "products": model.SubProduct,
        "nominals": model.Nominal,
        "bank_accounts": model.BankAccount,
        "bank_transactions": model.BankTransaction,
        "journals": model.Journal,
        "currencies": model.Currency,
        "vat_rates": model.VatRate,
        "payment_methods": model.PaymentMethod,
        "sources": model.Source,
        "allowed_addresses": model.AllowedAddress,
    }

    def __init__(
        self, company: model.Company, settings: Settings, changed: Callable[[], None], *, seed: int = 1
    ) -> None:
        self.company = company
        self.settings = settings
        self.changed = changed
        self.seed = seed
        # Accounts share no identifiers, so a client that mixes accounts up is caught.
        self._ids = {"base": company.company_id * 1000}
        self.customers: Table[int, model.Customer] = self._table()
        self.invoices: Table[int, model.Invoice] = self._table()
        self.products: Table[int, model.SubProduct] = self._table()
        self.bank_transactions: Table[int, model.BankTransaction] = self._table()
        self.journals: Table[int, model.Journal] = self._table()
        self.nominals: Table[int, model.Nominal] = Table()
        self.bank_accounts: Table[int, model.BankAccount] = Table()
        self.currencies: Table[int, model.Currency] = Table()
        self.vat_rates: Table[int, model.VatRate] = Table()
        self.payment_methods: Table[int, model.PaymentMethod] = Table()
        self.sources: Table[int, model.Source] = Table()
        self.allowed_addresses: Table[int, model.AllowedAddress] = Table()
        self._dbid_by_number: dict[int, int] = {}
        self._dbids_by_date: dict[dt.date, set[int]] = defaultdict(set)
        self._dbids_by_customer: dict[int, set[int]] = defaultdict(set)
        self._dbid_by_payment: dict[int, int] = {}
        self._customer_by_code: dict[str, int] = {}

    def _table(self) -> Table[int, Any]:
        return Table(lambda: self.settings["read_after_write_seconds"])

    # Clock, identifiers, stamps

    def now(self) -> dt.datetime:
        """UK wall clock as KashFlow writes it, without offset; UTC here."""
        ahead = dt.timedelta(seconds=self.settings["clock_ahead_seconds"])
        return (dt.datetime.now(dt.UTC) + ahead).replace(tzinfo=None, microsecond=0)

    def today(self) -> dt.date:
        return self.now().date()

    def next_id(self, kind: str, *, step: int = 1) -> int:
        """Identifiers of a kind rise; kinds start far apart, so that one is never mistaken for another."""
        if kind not in self._ids:
            self._ids[kind] = self._ids["base"] + ID_STARTS[kind]
        self._ids[kind] += step
        return self._ids[kind]

    def stamps(self) -> tuple[float, str]:
        """For ``created_at`` and ``made_by`` of a row that takes effect now."""
        return time.time(), current_operation.get()

    def permalink_key(self, dbid: int) -> str:
        """A GUID that depends on seed and record only."""
        digits = random.Random(f"{self.seed}:{self.company.company_id}:{dbid}").getrandbits(128)
        text = f"{digits:032x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    # Invoices and their indexes

    def invoice_index(self, invoice: model.Invoice) -> None:
        self._dbid_by_number[invoice.invoice_number] = invoice.invoice_dbid
        self._dbids_by_date[invoice.invoice_date].add(invoice.invoice_dbid)
        self._dbids_by_customer[invoice.customer_id].add(invoice.invoice_dbid)
        for payment in invoice.payments:
            self._dbid_by_payment[payment.pay_id] = invoice.invoice_dbid

    def invoice_unindex(self, invoice: model.Invoice) -> None:
        self._dbid_by_number.pop(invoice.invoice_number, None)
        self._dbids_by_date[invoice.invoice_date].discard(invoice.invoice_dbid)
        self._dbids_by_customer[invoice.customer_id].discard(invoice.invoice_dbid)
        for payment in invoice.payments:
            self._dbid_by_payment.pop(payment.pay_id, None)

    def next_invoice_number(self) -> int:
        return max(self._dbid_by_number, default=0) + 1

    def dbid_of_number(self, number: int) -> int | None:
        return self._dbid_by_number.get(number)

    def dbid_of_payment(self, pay_id: int) -> int | None:
        return self._dbid_by_payment.get(pay_id)

    def invoices_on(self, start: dt.date, end: dt.date) -> list[model.Invoice]:
        """As readers see them, both days included, by date and number."""
        days = sorted(day for day in self._dbids_by_date if start <= day <= end)
        return list(self._seen(dbid for day in days for dbid in sorted(self._dbids_by_date[day])))

    def invoices_of_customer(self, customer_id: int) -> list[model.Invoice]:
        return list(self._seen(sorted(self._dbids_by_customer.get(customer_id, ()))))

    def has_invoices(self, customer_id: int) -> bool:
        return bool(self._dbids_by_customer.get(customer_id))

    def _seen(self, dbids: Iterator[int] | list[int]) -> Iterator[model.Invoice]:
        for dbid in dbids:
            invoice = self.invoices.read(dbid)
            if invoice is not None:
                yield invoice

    # Customers

    def customer_index(self, customer: model.Customer) -> None:
        self._customer_by_code[customer.code.casefold()] = customer.customer_id

    def customer_unindex(self, customer: model.Customer) -> None:
        self._customer_by_code.pop(customer.code.casefold(), None)

    def customer_id_of_code(self, code: str) -> int | None:
        return self._customer_by_code.get(code.casefold())

    # Small look-ups

    def home_currency(self) -> model.Currency:
        return next(currency for currency in self.currencies.all() if currency.is_default)

    def currency(self, code: str) -> model.Currency:
        """:raises Refused: not configured in this account."""
        for currency in self.currencies.all():
            if currency.currency_code == code:
                return currency
        raise invented(f"Currency {code} is not set up in this account")

    def nominal_of_code(self, code: int) -> model.Nominal | None:
        return next((nominal for nominal in self.nominals.all() if nominal.code == code), None)

    def refuse_if_locked(self, day: dt.date) -> None:
        """:raises Refused: the day lies in a closed period."""
        locked_before = self.settings["deny_locked_before"]
        if locked_before is not None and day < locked_before:
            raise invented(f"The period up to {locked_before:%d/%m/%Y} is locked", code="PeriodLocked")

    # Snapshot

    def dump(self) -> dict[str, Any]:
        return {
            "company": to_json(self.company),
            "seed": self.seed,
            "ids": dict(self._ids),
            **{name: [to_json(row) for row in getattr(self, name).all()] for name in self.tables},
        }

    @classmethod
    def restored(cls, stored: dict[str, Any], settings: Settings, changed: Callable[[], None]) -> "Account":
        account = cls(from_json(model.Company, stored["company"]), settings, changed, seed=stored["seed"])
        account._ids = dict(stored["ids"])
        for name, row_type in cls.tables.items():
            key_name = next(iter(row_type.__dataclass_fields__))
            rows = [from_json(row_type, row) for row in stored[name]]
            getattr(account, name).rows.update({getattr(row, key_name): row for row in rows})
        for customer in account.customers.all():
            account.customer_index(customer)
        for invoice in account.invoices.all():
            account.invoice_index(invoice)
        return account


ID_STARTS = {
    "customer": 300_000,
    "invoice": 40_000_000,
    "line": 60_000_000,
    "payment": 20_000_000,
    "note": 5_000_000,
    "product": 7_000_000,
    "nominal": 17_000_000,
    "bank_account": 90_000,
    "bank_transaction": 30_000_000,
    "journal": 2_000_000,
    "currency": 100,
    "vat_rate": 200,
    "payment_method": 1_000,
    "source": 500,
    "address": 700,
    "bulk": 800_000,
}
