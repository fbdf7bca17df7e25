"""``/metrics``, ``/healthz`` and ``/readyz`` for a host without a web process: its counters are on its own disk."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from types import FrameType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.handlers.wsgi import WSGIRequest
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections
from django.http import HttpRequest, HttpResponse

from front.probes import Probes


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        return None


def _nothing_else(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=404)


_probes = Probes(_nothing_else)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    try:
        answer = _probes(WSGIRequest(environ))
    finally:
        connections.close_all()
    start_response(f"{answer.status_code} {answer.reason_phrase}", list(answer.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.content]


class Command(BaseCommand):
    help = "Answer /metrics, /healthz and /readyz on a host that runs no web process, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=9109)

    def handle(self, *args: Any, **options: Any) -> None:
        def end(_number: int, _frame: FrameType | None) -> None:
            raise SystemExit(0)

        signal.signal(signal.SIGTERM, end)
        with make_server(options["host"], options["port"], application, _Server, _Quiet) as server:
            self.stdout.write(f"metrics on http://{options['host']}:{server.server_port}/metrics")
            self.stdout.flush()
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                return
