"""Stable names of operations, so that calls can be counted and faults aimed.

A handler that says nothing is named after its route, ``GET /v2/invoices/{number}``. A stand-in whose routes do not
tell operations apart (SOAP) overrides ``StandIn.operation_of``.
"""

from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

Handler = TypeVar("Handler", bound=Callable[..., object])

UNMATCHED = "unmatched"
_ATTRIBUTE = "sandbox_operation"


def operation(name: str) -> Callable[[Handler], Handler]:
    """Name the operation a handler carries out."""

    def mark(handler: Handler) -> Handler:
        setattr(handler, _ATTRIBUTE, name)
        return handler

    return mark


def uncounted(handler: Handler) -> Handler:
    """Mark a page or a control endpoint: it is not part of the provider's API, so no counting and no faults."""
    setattr(handler, _ATTRIBUTE, None)
    return handler


def route_operation(request: web.Request) -> str | None:
    """The operation named by the handler or by its route; None for what is not counted."""
    match = request.match_info
    if match.http_exception is not None:
        return UNMATCHED
    if hasattr(match.handler, _ATTRIBUTE):
        name: str | None = getattr(match.handler, _ATTRIBUTE)
        return name
    resource = match.route.resource
    return f"{request.method} {resource.canonical}" if resource is not None else UNMATCHED
