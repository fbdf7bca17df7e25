"""The KashFlow stand-in: several companies' accounts behind a SOAP and a REST transport."""

import copy
from decimal import Decimal
from typing import Any

from aiohttp import web

from sandbox.common.control import control, json_body
from sandbox.common.fault_kinds import FaultedCall, FaultKind
from sandbox.common.standin import StandIn
from sandbox.kashflow import seed as seeding
from sandbox.kashflow.account import Account
from sandbox.kashflow.pages import Pages
from sandbox.kashflow.rest.endpoint import API_PATH, RestEndpoint
from sandbox.kashflow.rest.wire import rest_error, rest_reference
from sandbox.kashflow.soap.endpoint import PATH, SoapEndpoint, soap_error_answer, soap_operation, soap_reference
from sandbox.kashflow.state import account_state
from sandbox.kashflow.switches import SWITCHES

SQL_TIMEOUT_CODE = "-2146232060"
SQL_TIMEOUT_TEXT = (
    "Execution Timeout Expired.  The timeout period elapsed prior to completion of the operation or the server is not "
    "responding."
)


async def refuse(call: FaultedCall) -> web.StreamResponse:
    """Nothing done; a business refusal with ``text``: ``Status=NO`` on SOAP, 400 on REST."""
    text = call.rule.text or "The request could not be completed"
    return soap_error_answer(call.request, text) or rest_error(400, "InvalidRequest", text)


async def sql_timeout(call: FaultedCall) -> web.StreamResponse:
    """Nothing done; the database gave up, which REST reports as a 400 though it passes."""
    return soap_error_answer(call.request, SQL_TIMEOUT_TEXT) or rest_error(400, SQL_TIMEOUT_CODE, SQL_TIMEOUT_TEXT)


class KashFlow(StandIn):
    key = "kashflow"
    title = "KashFlow"
    declared_settings = SWITCHES
    own_fault_kinds: dict[str, FaultKind] = {"refuse": refuse, "sql_timeout": sql_timeout}

    def __init__(self, *, seed: int = 1) -> None:
        super().__init__(seed=seed)
        self.accounts: dict[str, Account] = {}
        self._rest = RestEndpoint(self)
        self.reset(seed)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [*SoapEndpoint(self).routes(), *self._rest.routes(), *Pages(self).routes(), *self._control_routes()]

    def account_of_user(self, user_name: str) -> Account | None:
        """User names are not case sensitive."""
        return self.accounts.get(user_name.casefold())

    # State

    def reset(self, seed: int) -> None:
        self._rest.sessions.clear()
        self.accounts = {
            company.user_name: seeding.seeded_account(copy.copy(company), self.settings, self.changed, seed=seed)
            for company in seeding.COMPANIES
        }

    def state(self) -> Any:
        return {"accounts": {name: account_state(account) for name, account in self.accounts.items()}}

    def dump(self) -> Any:
        return {
            "settings": self.settings.as_json(),
            "accounts": {name: account.dump() for name, account in self.accounts.items()},
        }

    def restore(self, stored: Any) -> None:
        self.settings.patch(stored["settings"])
        self.accounts = {
            name: Account.restored(account, self.settings, self.changed) for name, account in stored["accounts"].items()
        }

    # Calls

    async def operation_of(self, request: web.Request) -> str | None:
        if request.path == PATH and request.method == "POST":
            return await soap_operation(request)
        return await super().operation_of(request)

    async def reference_of(self, request: web.Request) -> str | None:
        return soap_reference(request) or await rest_reference(request)

    def error_answer(self, request: web.Request, status: int, text: str | None = None) -> web.Response:
        if request.path.startswith(f"{API_PATH}/"):
            return rest_error(status, None, text)
        return web.Response(status=status, text=text)

    # Control

    def _control_routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.put("/control/catalogue", control(self._put_catalogue)),
            web.put("/control/vat-rates", control(self._put_vat_rates)),
        ]

    async def _put_catalogue(self, request: web.Request) -> Any:
        """Replaces the catalogue of ``?account=demo`` (the first one when not named)."""
        account = self._account_of_query(request)
        products = seeding.catalogue_from_json(account, await json_body(request))
        seeding.catalogue_load(account, products)
        return products

    async def _put_vat_rates(self, request: web.Request) -> Any:
        account = self._account_of_query(request)
        rates = await json_body(request)
        if not isinstance(rates, list) or not all(isinstance(rate, int | str) for rate in rates):
            raise ValueError("the body is a list of percentages, as whole numbers or texts")
        try:
            seeding.vat_rates_load(account, [Decimal(rate) for rate in rates])
        except ArithmeticError as error:
            raise ValueError("no percentage") from error
        return account.vat_rates.all()

    def _account_of_query(self, request: web.Request) -> Account:
        name = request.query.get("account", next(iter(self.accounts)))
        if name not in self.accounts:
            raise ValueError(f"there is no account {name!r}; known: {', '.join(self.accounts)}")
        return self.accounts[name]
