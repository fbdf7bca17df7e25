"""Between the wire and a stand-in's handlers: counts every call and lets faults act on it."""

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.common.arrivals import Arrival
from sandbox.common.fault_kinds import FaultedCall
from sandbox.common.faults import FaultRule

if TYPE_CHECKING:
    from sandbox.common.standin import StandIn

ARRIVAL = web.RequestKey("arrival", Arrival)
"""Where a request carries its entry in the log of arrivals."""

CarryOut = Callable[[], Awaitable[web.StreamResponse]]


def note_reference(request: web.Request, reference: str | None) -> None:
    """Write the caller's own key of the record (an order reference) into the log of arrivals."""
    arrival = request.get(ARRIVAL)
    if reference and arrival is not None:
        arrival.reference = reference


def counting_and_faults(standin: "StandIn") -> Middleware:
    @web.middleware
    async def middle(request: web.Request, handler: Handler) -> web.StreamResponse:
        operation = await standin.operation_of(request)
        if operation is None:
            return await handler(request)
        arrival = standin.calls.arrived(operation, await standin.reference_of(request), _client_port(request))
        request[ARRIVAL] = arrival
        rules = standin.faults.draw(operation, standin.fault_kinds)
        arrival.faults.extend(rule.kind for rule in rules)
        arrival.rules.extend(rule.id for rule in rules)
        answer = await _nested(standin, request, operation, rules, _plain(standin, request, handler, arrival))()
        if request.transport is not None and not request.transport.is_closing():
            arrival.status, arrival.answered_at = answer.status, time.time()
        return answer

    return middle


def _plain(standin: "StandIn", request: web.Request, handler: Handler, arrival: Arrival) -> CarryOut:
    async def carry_out() -> web.StreamResponse:
        arrival.begun_at = time.time()
        try:
            return await handler(request)
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            return standin.error_answer(request, error.status, error.text)
        finally:
            arrival.done_at = time.time()

    return carry_out


def _client_port(request: web.Request) -> int | None:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return int(peer[1]) if peer else None


def _nested(
    standin: "StandIn", request: web.Request, operation: str, rules: list[FaultRule], carry_out: CarryOut
) -> CarryOut:
    for rule in reversed(rules):
        carry_out = _faulted(FaultedCall(standin, request, operation, rule, carry_out))
    return carry_out


def _faulted(call: FaultedCall) -> CarryOut:
    kind = call.standin.fault_kinds[call.rule.kind]
    return lambda: kind(call)
