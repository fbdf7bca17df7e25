"""What every request gets: a number for the log, and headers every page carries."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable

from django.core.signals import request_finished
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from telemetry import context

# Everything comes from our own origin: no inline script or style, no foreign host, no framing, no foreign form target.
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class ContentSecurityPolicy:
    """Adds the policy unless a view has set its own (a page that a control panel may frame)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        if getattr(request, "organisation", None) is not None:
            # A tenant's figures stay out of shared caches and of the browser's store after log-out.
            response.headers.setdefault("Cache-Control", "no-store, private")
        return response


_GIVEN = re.compile(r"[\w.:-]{8,80}", re.ASCII)
_PROCESS = secrets.token_hex(5)
_numbers = itertools.count(1)


class RequestContext:
    """Numbers the request (or takes the number a proxy gave it), answers with it, and puts it on its log lines.

    A view may set ``request.log_fields``, e.g. whose webhook it is.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        # Counted, not drawn by lot: it has to differ, nobody has to be unable to guess it.
        number = given if given and _GIVEN.fullmatch(given) else f"{_PROCESS}-{next(_numbers):x}"
        context.about(lambda: _fields_of(request, number))
        response = self.get_response(request)
        response.headers["X-Request-ID"] = number
        return response


@receiver(request_finished)
def _forget(**_: object) -> None:
    # Not when the middleware is left: Django writes of refused and failed requests after that.
    context.about(None)


def _fields_of(request: HttpRequest, number: str) -> context.Fields:
    fields: context.Fields = {"request_id": number, **getattr(request, "log_fields", {})}
    organisation = getattr(request, "organisation", None)
    if organisation is not None:
        fields["tenant"] = organisation.pk
    return fields
