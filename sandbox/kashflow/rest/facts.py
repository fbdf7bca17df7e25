"""Account facts on REST: rates, currencies, methods, allowed addresses, stock options."""

from aiohttp import web

from sandbox.kashflow.account import Account
from sandbox.kashflow.model import AllowedAddress
from sandbox.kashflow.refusal import invented
from sandbox.kashflow.rest.wire import read_object, reply, text


async def vat_rates(account: Account, request: web.Request) -> web.Response:
    return reply([{"VATId": row.id, "VATRate": row.value, "VATText": row.name} for row in account.vat_rates.all()])


async def vat_settings(account: Account, request: web.Request) -> web.Response:
    company = account.company
    return reply({"IsVATRegistered": company.vat_registered == "Yes", "VATNumber": company.vat_registration_number})


async def currencies(account: Account, request: web.Request) -> web.Response:
    return reply(
        [
            {
                "Id": row.currency_id,
                "Code": row.currency_code,
                "Name": row.name,
                "Symbol": row.symbol,
                "ExchangeRate": row.exchange_rate,
                "DisplaySymbolOnRight": False,
                "IsDefault": bool(row.is_default),
            }
            for row in account.currencies.all()
        ]
    )


async def payment_methods(account: Account, request: web.Request) -> web.Response:
    return reply([{"Id": row.method_id, "Name": row.method_name} for row in account.payment_methods.all()])


async def stock_options(account: Account, request: web.Request) -> web.Response:
    return reply({"EnableStockManagement": True})


async def get_addresses(account: Account, request: web.Request) -> web.Response:
    return reply([_address(row) for row in account.allowed_addresses.all()])


async def add_address(account: Account, request: web.Request) -> web.Response:
    body = await read_object(request)
    row = AllowedAddress(account.next_id("address"), text(body, "Address"), text(body, "Comment"))
    account.allowed_addresses.add(row.id, row)
    account.changed()
    return reply(_address(row), status=201, location=f"/v2/api/settings/ipaddress/{row.id}")


async def delete_address(account: Account, request: web.Request) -> web.Response:
    number = request.match_info["id"]
    if not number.isdecimal() or account.allowed_addresses.get(int(number)) is None:
        raise invented("There is no such address", code="NotFound", http_status=404)
    account.allowed_addresses.delete(int(number))
    account.changed()
    return web.Response(status=204)


def _address(row: AllowedAddress) -> dict[str, object]:
    return {"Id": row.id, "Address": row.address, "Comment": row.comment}
