"""Invoice lines as the account books them: its arithmetic, its sales types, its stock."""

import dataclasses

from sandbox.kashflow.account import Account
from sandbox.kashflow.model import Invoice, InvoiceLine
from sandbox.kashflow.money import half_up, vat_on, whole
from sandbox.kashflow.refusal import invented

OTHER_CODE = 0
"""Visible code of the nominal "Other", where a line goes whose ChargeType is no id of a nominal."""

AMOUNT_PLACES = 4


def line_booked(account: Account, draft: InvoiceLine, invoice: Invoice) -> InvoiceLine:
    """The line as it is stored, with an id of its own and the account's arithmetic applied.

    :raises Refused: a product that does not exist or belongs to another sales type.
    """
    line = dataclasses.replace(draft, line_id=account.next_id("line"))
    _convert_to_invoice_currency(account, line, invoice)
    line.rate = half_up(line.rate, account.settings["rate_decimals"])
    if account.settings["vat_arithmetic"] == "recompute":
        line.vat_amount = vat_on(line.quantity * line.rate, line.vat_rate)
    else:
        line.vat_amount = half_up(line.vat_amount, AMOUNT_PLACES)
    _check_product(account, line)
    if account.nominals.get(line.charge_type) is None:
        other = account.nominal_of_code(OTHER_CODE)
        line.charge_type = other.id if other is not None else 0
    return line


def _convert_to_invoice_currency(account: Account, line: InvoiceLine, invoice: Invoice) -> None:
    """Without ValuesInCurrency the figures of a foreign invoice are in home currency."""
    foreign = invoice.currency_code != account.home_currency().currency_code
    if foreign and line.values_in_currency != 1:
        line.rate *= invoice.exchange_rate
        line.vat_amount = half_up(line.vat_amount * invoice.exchange_rate)


def _check_product(account: Account, line: InvoiceLine) -> None:
    if not line.product_id:
        return
    product = account.products.get(line.product_id)
    if product is None:
        raise invented(f"There is no product with id {line.product_id}", code="UnknownProduct")
    if product.parent_id != line.charge_type:
        raise invented(f"Product {product.code} does not belong to the given sales type", code="UnknownProduct")


def stock_take(account: Account, lines: list[InvoiceLine]) -> None:
    """Selling lowers the stock of managed products, below nothing if need be."""
    _stock_move(account, lines, -1)


def stock_restore(account: Account, lines: list[InvoiceLine]) -> None:
    """Taking a line away gives its pieces back, when the account does that."""
    if account.settings["restore_stock_on_delete"]:
        _stock_move(account, lines, 1)


def _stock_move(account: Account, lines: list[InvoiceLine], sign: int) -> None:
    for line in lines:
        product = account.products.get(line.product_id) if line.product_id else None
        if product is not None and product.managed:
            account.products.edit(product.id).qty_in_stock += sign * whole(line.quantity)
