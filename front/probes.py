"""What machines ask of a process: health, readiness, metrics. Answered before everything that people's pages need."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from front.health import healthz, readyz
from front.metrics import metrics
from telemetry.metrics import write_out

_PROBES = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}


class Probes:
    """The first middleware: no session, no host check (a probe calls an address, not a name), no redirect."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = _PROBES.get(request.path_info)
        if probe is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        write_out()
        answer = probe(request)
        answer.headers["Cache-Control"] = "no-store"
        return answer
