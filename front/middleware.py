"""Headers every page carries."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

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
