"""Routes of REST v2: signing in by hand, everything else behind the session token."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.common.operations import route_operation
from sandbox.kashflow.account import Account, current_operation
from sandbox.kashflow.refusal import Refused
from sandbox.kashflow.rest import bank, customers, facts, invoices, products
from sandbox.kashflow.rest.sessions import Sessions, characters_of, invalid_session
from sandbox.kashflow.rest.wire import read_object, reply, rest_error, text

if TYPE_CHECKING:
    from sandbox.kashflow.standin import KashFlow

API_PATH = "/v2"
SCHEME = "KfToken "

Resource = Callable[[Account, web.Request], Awaitable[web.Response]]

RESOURCES: tuple[tuple[str, str, Resource], ...] = (
    ("GET", "/customers", customers.get_list),
    ("POST", "/customers", customers.create),
    ("GET", "/customers/search", customers.search),
    ("POST", "/customers/suggestedcode", customers.suggest_code),
    ("GET", "/customers/{code}", customers.get_one),
    ("PUT", "/customers/{code}", customers.update),
    ("DELETE", "/customers/{code}", customers.delete),
    ("GET", "/customers/{code}/advancepayments", customers.advance_payments),
    ("GET", "/invoices", invoices.get_list),
    ("POST", "/invoices", invoices.create),
    ("POST", "/invoices/bulk/payments", invoices.bulk_payments),
    ("PUT", "/invoices/archive-status/{archived}", invoices.archive),
    ("GET", "/invoices/{number}", invoices.get_one),
    ("PUT", "/invoices/{number}", invoices.update),
    ("DELETE", "/invoices/{number}", invoices.delete),
    ("GET", "/nextavailableinvoicenumber", invoices.next_number),
    ("GET", "/paymentstatuses", invoices.payment_statuses),
    ("GET", "/paymentmethods/invoice", facts.payment_methods),
    ("GET", "/products", products.get_products),
    ("GET", "/products/list", products.get_products),
    ("POST", "/products", products.create_product),
    ("GET", "/products/{code}/{product}", products.get_product),
    ("PUT", "/products/{code}/{product}", products.update_product),
    ("DELETE", "/products/{code}/{product}", products.delete_product),
    ("GET", "/nominals", products.get_nominals),
    ("POST", "/nominals", products.create_nominal),
    ("GET", "/nominals/Id/{id}", products.get_nominal_by_id),
    ("GET", "/nominals/{code}", products.get_nominal),
    ("PUT", "/nominals/{code}", products.update_nominal),
    ("GET", "/nominals/{code}/products", products.get_products_of_nominal),
    ("GET", "/vat/settings/vatrates", facts.vat_rates),
    ("GET", "/settings/vat", facts.vat_settings),
    ("GET", "/currencies", facts.currencies),
    ("GET", "/stockoptions", facts.stock_options),
    ("GET", "/api/settings/ipaddress", facts.get_addresses),
    ("POST", "/api/settings/ipaddress", facts.add_address),
    ("DELETE", "/api/settings/ipaddress/{id}", facts.delete_address),
    ("GET", "/bankaccounts", bank.get_accounts),
    ("GET", "/bankaccounts/list", bank.get_accounts),
    ("GET", "/bankaccounts/{id}", bank.get_account),
    ("GET", "/bankaccounts/{id}/transactions", bank.get_transactions),
    ("POST", "/bankaccounts/{id}/transactions", bank.create_transaction),
    ("PUT", "/bankaccounts/{id}/transactions/{transaction_id}", bank.update_transaction),
    ("DELETE", "/bankaccounts/{id}/transactions/{transaction_id}", bank.delete_transaction),
    ("PUT", "/bankaccounts/{id}/transactionlist", bank.transactions_to_payments),
    ("DELETE", "/bankaccounts/{id}/transactionlist", bank.delete_transactions),
)


class RestEndpoint:
    def __init__(self, standin: "KashFlow") -> None:
        self._standin = standin
        self.sessions = Sessions()

    def routes(self) -> list[web.AbstractRouteDef]:
        sign_in: list[web.AbstractRouteDef] = [
            web.post(f"{API_PATH}/sessiontoken", refusable(self.begin)),
            web.put(f"{API_PATH}/sessiontoken", refusable(self.finish)),
            web.delete(f"{API_PATH}/sessiontoken/{{token}}", refusable(self.end)),
        ]
        return sign_in + [
            web.route(method, f"{API_PATH}{path}", self._signed_in(resource)) for method, path, resource in RESOURCES
        ]

    async def begin(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        account = self._standin.account_of_user(text(body, "UserName"))
        token, positions = self.sessions.begin(account, text(body, "Password"))
        asked = [{"Position": position, "Value": ""} for position in positions]
        return reply({"TemporaryToken": token, "MemorableWordList": asked, **_user(account)}, status=201)

    async def finish(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        token, account = self.sessions.finish(
            text(body, "TemporaryToken"), characters_of(body.get("MemorableWordList"))
        )
        return reply({"SessionToken": token, **_user(account)})

    async def end(self, request: web.Request) -> web.Response:
        if not self.sessions.end(request.match_info["token"]):
            raise invalid_session()
        return web.Response(status=204)

    def _signed_in(self, resource: Resource) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def call(request: web.Request) -> web.Response:
            credential = request.headers.get("Authorization", "")
            if not credential.startswith(SCHEME):
                raise invalid_session()
            account = self.sessions.account_of(credential.removeprefix(SCHEME).strip())
            current_operation.set(route_operation(request) or "")
            return await resource(account, request)

        return refusable(call)


def refusable(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answer what is refused with ``{Error, Message}``."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Refused as refusal:
            return rest_error(refusal.http_status, refusal.code, refusal.text)

    return answer


def _user(account: Account | None) -> dict[str, object]:
    if account is None:
        return {}
    return {
        "CompanyId": account.company.company_id,
        "CompanyUserId": account.company.company_id + 1,
        "CompanyName": account.company.company_name,
        "EmailId": account.company.primary_email,
        "PackageName": "Business",
        "IsLockedOut": False,
        "HasTemporaryPassword": False,
        "SubscriptionExpired": False,
        "Disabled": False,
    }
