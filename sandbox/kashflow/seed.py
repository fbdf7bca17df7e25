"""What a fresh account holds: chart of accounts, methods, banks, rates and a catalogue. The same for the same seed."""

import random
from collections.abc import Callable
from decimal import Decimal

from sandbox.common.settings import Settings
from sandbox.kashflow import model
from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger.payments import CREDIT_NOTE_METHOD, DEBTORS_CONTROL_CODE
from sandbox.kashflow.money import ZERO

COMPANIES = (
    model.Company("demo", "demo-password", "demo-api-password", "lighthouse", "1234ABCD-1234", 1101, "Demo Homewares"),
    model.Company(
        "demo2", "demo2-password", "demo2-api-password", "watermill", "5678EF01-5678", 2202, "Second Demo Trading"
    ),
)

# code, name, type (1 sales, 2 outgoing, 3 bank), classification (1 turnover … 6 capital), default VAT rate
NOMINALS = (
    (0, "Other", 1, 1, 20),
    (100, "Sale of Goods", 1, 1, 20),
    (101, "Carriage Charged", 1, 1, 20),
    (102, "Discounts Given", 1, 1, 20),
    (103, "Payment Fees Charged", 1, 1, 20),
    (104, "Gift Wrapping", 1, 1, 20),
    (105, "Rounding", 1, 1, 0),
    (106, "Marketplace Sales", 1, 1, 20),
    (107, "Gift Cards Sold", 1, 5, 0),
    (200, "Purchase of Goods", 2, 2, 20),
    (300, "Carriage Paid", 2, 3, 20),
    (310, "Payment Processing Fees", 2, 3, 0),
    (311, "Marketplace Fees", 2, 3, 20),
    (312, "Marketplace Advertising", 2, 3, 20),
    (390, "Currency Losses and Gains", 2, 3, 0),
    (DEBTORS_CONTROL_CODE, "Debtors Control Account", 3, 5, 0),
    (1300, "Creditors Control Account", 3, 5, 0),
    (2200, "Gift Card Liability", 3, 5, 0),
    (2210, "Reward Points Liability", 3, 5, 0),
    (9990, "Suspense", 3, 5, 0),
    (9991, "Transfers between Accounts", 3, 5, 0),
)
BANK_ACCOUNTS = (
    (1210, "Current"),
    (1220, "PayPal clearing"),
    (1221, "Card clearing"),
    (1222, "Marketplace clearing"),
    (1223, "Marketplace reserve"),
    (1230, "Cash in hand"),
    (2201, "Gift cards liability"),
    (2211, "Reward points liability"),
)
PAYMENT_METHODS = ("Bank", "Card", "PayPal", "Cash", "Cheque", "Gift card", "Reward points", CREDIT_NOTE_METHOD)
CURRENCIES = (("GBP", "Pound Sterling", "£", "1"), ("EUR", "Euro", "€", "1.17"), ("USD", "US Dollar", "$", "1.27"))
VAT_RATES = (Decimal(0), Decimal(5), Decimal(20))
SOURCES = ("Not known", "Website", "Marketplace", "Recommendation")
GOODS_CODE = 100

_GOODS = ("Mug", "Teapot", "Bowl", "Plate", "Apron", "Tea towel", "Cushion", "Lamp", "Candle", "Notebook")
_KINDS = ("blue", "walnut", "striped", "small")
_FIRST_CATALOGUE = len(_GOODS) * len(_KINDS)


def seeded_account(company: model.Company, settings: Settings, changed: Callable[[], None], *, seed: int) -> Account:
    account = Account(company, settings, changed, seed=seed)
    for iso, name, symbol, rate in CURRENCIES:
        currency = model.Currency(account.next_id("currency"), iso, Decimal(rate), int(iso == "GBP"), name, symbol)
        account.currencies.add(currency.currency_id, currency)
    company.currency_id = account.home_currency().currency_id
    vat_rates_load(account, list(VAT_RATES))
    for code, name, type_id, classification, vat in NOMINALS:
        row = model.Nominal(account.next_id("nominal", step=13), code, name, type_id, classification, Decimal(vat))
        account.nominals.add(row.id, row)
    for code, name in BANK_ACCOUNTS:
        bank_account = model.BankAccount(account.next_id("bank_account", step=3), name, code)
        account.bank_accounts.add(bank_account.account_id, bank_account)
    for name in PAYMENT_METHODS:
        method = model.PaymentMethod(account.next_id("payment_method", step=3), name)
        account.payment_methods.add(method.method_id, method)
    for name in SOURCES:
        source = model.Source(account.next_id("source"), name)
        account.sources.add(source.id, source)
    catalogue_load(account, _demo_catalogue(seed))
    return account


def vat_rates_load(account: Account, rates: list[Decimal]) -> None:
    """Replace the VAT rates of the account."""
    account.vat_rates.rows.clear()
    for value in rates:
        row = model.VatRate(account.next_id("vat_rate"), f"{value.normalize():f}%", value)
        account.vat_rates.add(row.id, row)
    account.changed()


def _demo_catalogue(seed: int) -> list[model.SubProduct]:
    dice = random.Random(f"catalogue:{seed}")
    products = []
    for position in range(_FIRST_CATALOGUE):
        good, kind = _GOODS[position % len(_GOODS)], _KINDS[position // len(_GOODS)]
        rate = Decimal(20) if position % 7 else Decimal(dice.choice((0, 5)))
        price = Decimal(dice.randrange(299, 8999)) / 100
        products.append(
            model.SubProduct(
                0,
                0,
                f"{good}, {kind}",
                f"SKU-{position + 1:03d}",
                price=price,
                vat_rate=rate,
                wholesale_price=(price / 2).quantize(Decimal("0.01")),
                managed=1,
                qty_in_stock=dice.randrange(20, 200),
            )
        )
    return products


def catalogue_load(account: Account, products: list[model.SubProduct]) -> None:
    """Replace the whole catalogue; a product without a sales type goes under "Sale of Goods"."""
    goods = account.nominal_of_code(GOODS_CODE)
    account.products.rows.clear()
    for product in products:
        product.id = account.next_id("product")
        product.parent_id = product.parent_id or (goods.id if goods is not None else 0)
        product.created_at, product.made_by = account.stamps()
        account.products.add(product.id, product)
    account.changed()


def catalogue_from_json(account: Account, rows: object) -> list[model.SubProduct]:
    """Products from ``[{"code": …, "name": …, "price": "9.99", "vat_rate": "20", "stock": 5, "nominal_code": 100}]``.

    All but ``code`` may be left out.

    :raises ValueError: not such a list.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("code") for row in rows):
        raise ValueError("the body is a list of objects that have a code each")
    if len({str(row["code"]).casefold() for row in rows}) < len(rows):
        raise ValueError("codes must differ")
    return [_product_from_json(account, row) for row in rows]


def _product_from_json(account: Account, row: dict[str, object]) -> model.SubProduct:
    nominal = account.nominal_of_code(int(str(row.get("nominal_code", GOODS_CODE))))
    if nominal is None:
        raise ValueError(f"there is no nominal with code {row['nominal_code']}")
    try:
        price, vat_rate = Decimal(str(row.get("price", ZERO))), Decimal(str(row.get("vat_rate", 20)))
    except ArithmeticError as error:
        raise ValueError(f"{row['code']}: price and vat_rate are decimal texts") from error
    return model.SubProduct(
        0,
        nominal.id,
        str(row.get("name") or row["code"]),
        str(row["code"]),
        description=str(row.get("description") or ""),
        price=price,
        vat_rate=vat_rate,
        managed=int(bool(row.get("managed", True))),
        qty_in_stock=int(str(row.get("stock", 0))),
    )
