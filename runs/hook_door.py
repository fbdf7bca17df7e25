"""Webhooks pass by what only people's pages need: sessions, log-in, static files, redirects, page headers."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from runs.hooks import hook_receive

PREFIX = "/hooks/"


class HookDoor:
    """A middleware that answers ``/hooks/<public id>`` itself. A third of a delivery's time went into the others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        before, prefix, public_id = request.path_info.partition(PREFIX)
        if before or not prefix or not public_id or "/" in public_id:
            return self.get_response(request)
        return hook_receive(request, public_id)
