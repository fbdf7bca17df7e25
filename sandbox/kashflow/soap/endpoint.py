"""``/api/service.asmx``: one address for every operation and for the description."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.common.operations import uncounted
from sandbox.kashflow.account import Account, current_operation
from sandbox.kashflow.refusal import Refused
from sandbox.kashflow.soap.codec import Unreadable, decode
from sandbox.kashflow.soap.handlers import CALLER, HANDLERS
from sandbox.kashflow.soap.message import (
    Fault,
    Message,
    answer,
    fault_answer,
    known_operation,
    read_message,
    unreadable_text,
)
from sandbox.kashflow.soap.operations import OPERATIONS
from sandbox.kashflow.soap.wsdl import wsdl

if TYPE_CHECKING:
    from sandbox.kashflow.standin import KashFlow

PATH = "/api/service.asmx"
WRONG_CREDENTIALS = "Incorrect username or password"
NOT_LISTED = "The IP address of {address} is not in the access list"
UNREADABLE = "unreadable"
"""Name under which a POST that holds no SOAP message is counted."""

_MESSAGE: web.RequestKey[Message] = web.RequestKey("soap_message", Message)
_FAULT: web.RequestKey[Fault] = web.RequestKey("soap_fault", Fault)


async def soap_operation(request: web.Request) -> str:
    """The operation a POST asks for; the message is parsed once and kept with the request."""
    try:
        request[_MESSAGE] = message = read_message(await request.read())
    except Fault as fault:
        request[_FAULT] = fault
        return UNREADABLE
    return message.operation if message.operation in OPERATIONS else "unknown"


def soap_reference(request: web.Request) -> str | None:
    message = request.get(_MESSAGE)
    return message.reference() if message is not None else None


def soap_error_answer(request: web.Request, text: str) -> web.Response | None:
    """``Status=NO`` with this text, for faults that make an operation refuse; None when there is no operation."""
    message = request.get(_MESSAGE)
    if message is None or message.operation not in OPERATIONS:
        return None
    return answer(OPERATIONS[message.operation], message.version, None, refusal=text)


class SoapEndpoint:
    def __init__(self, standin: "KashFlow") -> None:
        self._standin = standin

    def routes(self) -> list[web.AbstractRouteDef]:
        return [web.get(PATH, self.describe), web.post(PATH, self.call)]

    @uncounted
    async def describe(self, request: web.Request) -> web.Response:
        """``?WSDL``: the description; otherwise a list of the operations."""
        if any(name.casefold() == "wsdl" for name in request.query):
            address = f"{request.scheme}://{request.host}{PATH}"
            return web.Response(text=wsdl(address), content_type="text/xml", charset="utf-8")
        return web.Response(text="\n".join(["KashFlowAPI", "", *OPERATIONS, ""]))

    async def call(self, request: web.Request) -> web.Response:
        try:
            return self._carry_out(request)
        except Fault as fault:
            return fault_answer(fault)

    def _carry_out(self, request: web.Request) -> web.Response:
        if _FAULT in request:
            raise request[_FAULT]
        message = request[_MESSAGE]
        operation = known_operation(message)
        try:
            given = decode(message.element, operation.request)
        except Unreadable as error:
            raise Fault(unreadable_text(error), message.version) from error
        given[CALLER] = request.remote or ""
        try:
            account = self._admitted(operation.name, given)
            current_operation.set(operation.name)
            result = HANDLERS[operation.name](account, given)
        except Refused as refusal:
            return answer(operation, message.version, None, refusal=refusal.text)
        return answer(operation, message.version, result)

    def _admitted(self, operation: str, given: dict[str, Any]) -> Account:
        """Credentials first, then the list of addresses.

        :raises Refused: with the service's own words.
        """
        account = self._standin.account_of_user(given["user_name"])
        if account is None or given["password"] != self._password(account):
            raise Refused(WRONG_CREDENTIALS)
        settings = self._standin.settings
        listed = {row.address for row in account.allowed_addresses.all()} | set(settings["ip_allowed_addresses"])
        # AutoAuthIP is how an address gets onto the list, so it is answered from anywhere.
        if settings["ip_allow_list"] and given[CALLER] not in listed and operation != "AutoAuthIP":
            raise Refused(NOT_LISTED.format(address=given[CALLER]))
        return account

    def _password(self, account: Account) -> str:
        separate = self._standin.settings["password"] == "separate_api"
        return account.company.api_password if separate else account.company.password
