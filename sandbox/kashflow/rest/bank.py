"""Bank accounts and transactions on REST."""

from aiohttp import web

from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger import bank, payments
from sandbox.kashflow.ledger.customers import customer_of_code
from sandbox.kashflow.model import BankAccount, BankTransaction, Payment
from sandbox.kashflow.refusal import Refused, invented
from sandbox.kashflow.rest.wire import (
    Body,
    Listing,
    amount,
    date_out,
    day,
    listed,
    read_body,
    read_object,
    reply,
    text,
    whole_number,
)

LISTING = Listing(10, None, {"date": lambda row: (row["Date"], row["Id"])})
STAND_ALONE, INVOICE_PAYMENT = 0, 1
"""Kinds of TransactionType on REST."""


async def get_accounts(account: Account, request: web.Request) -> web.Response:
    return reply([account_view(account, row) for row in account.bank_accounts.all()])


async def get_account(account: Account, request: web.Request) -> web.Response:
    return reply(account_view(account, bank.bank_account_of_id(account, _id(request, "id"))))


def account_view(account: Account, row: BankAccount) -> Body:
    locked = account.settings["deny_locked_before"]
    return {
        "Id": row.account_id,
        "AccountName": row.account_name,
        "Code": row.account_code,
        "IsDefaultAccount": row is account.bank_accounts.all()[0],
        "TransactionLockEnabled": locked is not None,
        # Date only, unlike everywhere else.
        "TransactionLockDate": locked.isoformat() if locked else None,
        "IsArchived": False,
        "BankBalance": bank.bank_balance(account, row.account_id),
    }


def _id(request: web.Request, name: str) -> int:
    value = request.match_info[name]
    return int(value) if value.isdecimal() else 0


async def get_transactions(account: Account, request: web.Request) -> web.Response:
    """Stand-alone transactions and payments of invoices, told apart by TransactionType."""
    account_id = _id(request, "id")
    rows = [transaction_view(account, row) for row in bank.transactions_of(account, account_id)]
    rows += [
        _payment_row(account, payment)
        for invoice in account.invoices.read_all()
        for payment in invoice.payments
        if payment.pay_account == account_id and not payment.advance_id
    ]
    more = {"OpeningBalance": 0, "ClosingBalance": bank.bank_balance(account, account_id)}
    return listed(request, rows, LISTING, lambda row: row, more=more)


async def create_transaction(account: Account, request: web.Request) -> web.Response:
    draft = _draft(account, await read_object(request), _id(request, "id"))
    row = bank.transaction_insert(account, draft)
    location = f"/v2/bankaccounts/{row.accid}/transactions/{row.id}"
    return reply(transaction_view(account, row), status=201, location=location)


async def update_transaction(account: Account, request: web.Request) -> web.Response:
    draft = _draft(account, await read_object(request), _id(request, "id"))
    transaction_id = _known(account, request)
    bank.transaction_update(account, draft, transaction_id)
    return reply(transaction_view(account, account.bank_transactions.rows[transaction_id]))


async def delete_transaction(account: Account, request: web.Request) -> web.Response:
    bank.transaction_delete(account, _known(account, request))
    return web.Response(status=204)


def _known(account: Account, request: web.Request) -> int:
    row = account.bank_transactions.get(_id(request, "transaction_id"))
    if row is None or row.accid != _id(request, "id"):
        raise invented("There is no such transaction", code="NotFound", http_status=404)
    return row.id


async def transactions_to_payments(account: Account, request: web.Request) -> web.Response:
    """Bank lines become payments of invoices and the lines are deleted; what fails is listed, still with a 200.

    Body: ``{"Transactions": [{"Id": 7, "InvoiceNumber": 12, "Method": 3}]}``; its real shape is not published.
    """
    bank.bank_account_of_id(account, _id(request, "id"))
    failed = []
    for row in (await read_object(request)).get("Transactions") or []:
        try:
            _to_payment(account, row, _id(request, "id"))
        except Refused as refusal:
            failed.append({"Id": row.get("Id"), "Message": refusal.text})
    return reply({"FailedTransactions": failed})


def _to_payment(account: Account, row: Body, account_id: int) -> None:
    transaction = account.bank_transactions.get(whole_number(row, "Id"))
    if transaction is None or transaction.accid != account_id:
        raise invented("There is no such transaction", code="NotFound")
    payment = Payment(
        pay_id=0,
        pay_invoice=whole_number(row, "InvoiceNumber"),
        pay_date=transaction.transaction_date,
        pay_note=transaction.comment,
        pay_method=whole_number(row, "Method"),
        pay_account=account_id,
        pay_amount=transaction.moneyin - transaction.moneyout,
    )
    account.refuse_if_locked(transaction.transaction_date)
    payments.payment_insert(account, payment)
    bank.transaction_delete(account, transaction.id)


async def delete_transactions(account: Account, request: web.Request) -> web.Response:
    """Body: a bare array of ids. 204 when all went, 200 listing those that did not."""
    account_id = _id(request, "id")
    bank.bank_account_of_id(account, account_id)
    ids = await read_body(request)
    if not isinstance(ids, list):
        raise invented("The request body is no array of ids")
    left = [number for number in ids if not _deleted(account, number, account_id)]
    return reply({"FailedTransactions": left}) if left else web.Response(status=204)


def _deleted(account: Account, number: object, account_id: int) -> bool:
    row = account.bank_transactions.get(number) if isinstance(number, int) else None
    try:
        return row is not None and row.accid == account_id and bank.transaction_delete(account, row.id)
    except Refused:
        return False


def _draft(account: Account, body: Body, account_id: int) -> BankTransaction:
    """``MoneyType`` is taken as the code of a nominal; its real meaning is not published."""
    if body.get("MoneyType") is None or body.get("Date") is None:
        raise invented("Date and MoneyType are required")
    nominal = account.nominal_of_code(whole_number(body, "MoneyType"))
    if nominal is None:
        raise invented(f"MoneyType {body['MoneyType']} does not exist", code="InvalidMoneyType")
    code = text(body, "CustomerCode")
    return BankTransaction(
        id=0,
        accid=account_id,
        transaction_date=day(body, "Date", None) or account.today(),
        moneyin=amount(body, "PaidIn"),
        # An older page of the provider names the outgoing amount MoneyOut.
        moneyout=amount(body, "PaidOut") or amount(body, "MoneyOut"),
        vatable=int(bool(body.get("VATAble"))),
        vat_rate=amount(body, "VATRate"),
        vat_amount=amount(body, "VATAmount"),
        transaction_type=nominal.id,
        comment=text(body, "Comment"),
        project_id=whole_number(body, "ProjectNumber"),
        customer_id=customer_of_code(account, code).customer_id if code else 0,
    )


def transaction_view(account: Account, row: BankTransaction) -> Body:
    nominal, customer = account.nominals.get(row.transaction_type), account.customers.get(row.customer_id)
    return {
        "Id": row.id,
        "Date": date_out(account, row.transaction_date),
        "MoneyType": nominal.code if nominal else 0,
        "Comment": row.comment,
        "VATAble": bool(row.vatable),
        "VATRate": row.vat_rate,
        "VATAmount": row.vat_amount,
        "AccountId": row.accid,
        "PaidIn": row.moneyin,
        "PaidOut": row.moneyout,
        "CustomerCode": customer.code if customer else "",
        "SupplierCode": "",
        "ProjectNumber": row.project_id,
        "TransactionType": STAND_ALONE,
        "PaymentId": 0,
        "VATReturnId": 0,
    }


def _payment_row(account: Account, payment: Payment) -> Body:
    return {
        "Id": payment.pay_id,
        "Date": date_out(account, payment.pay_date),
        "MoneyType": 0,
        "Comment": payment.pay_note,
        "VATAble": False,
        "AccountId": payment.pay_account,
        "PaidIn": max(payment.pay_amount, 0),
        "PaidOut": max(-payment.pay_amount, 0),
        "TransactionType": INVOICE_PAYMENT,
        "PaymentId": payment.pay_id,
    }
