"""The webhook door: verify, store, answer. A plain sync view; the work happens later, in a drain.

Every answer follows rule C17: our own fault is 503 so that the sender tries again; what is not from the provider is
refused, except where the provider punishes refusals (then 2xx and a note in the log).
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from connections.models import Connection
from connectors.base.triggers import BadSignature, Hint, MalformedHook
from connectors.registry import CONNECTORS
from runs.hook_targets import HookTarget, hook_target
from runs.inbox import News, news_store
from runs.inbox_statement import ListenersChanged, listening_confirm
from runs.models import HookRefusal, Run
from telemetry import tracing
from telemetry.metrics import HOOKS
from tenants.clock import database_now

log = logging.getLogger(__name__)


@csrf_exempt
def hook_receive(request: HttpRequest, public_id: str) -> HttpResponse:
    """``POST /hooks/<public id>``; a registration's echo check may come as GET or POST."""
    started = time.perf_counter()
    given = tracing.incoming(request.META.get("HTTP_TRACEPARENT"))
    try:
        with tracing.span("webhook", parent=given, kind=tracing.SpanKind.SERVER):
            try:
                answer = _receive(request, public_id, tracing.traceparent() or given)
            except ListenersChanged:
                answer = _receive(request, public_id, tracing.traceparent() or given, anew=True)
    except UnreadablePostError:  # the sender went away in the middle; it hears nothing of this
        answer = Answer("unreadable", "", 400, "The body ended early.")
    except SuspiciousOperation:  # Django answers 400
        raise
    except Exception:  # our database is away, or a fault of ours: in no case is it the sender's (rule C17)
        log.exception("a webhook could not be stored; the sender is asked to try again")
        answer = Answer("unavailable", "", 503, "We cannot store this now. Please send it again.")
        answer.headers["Retry-After"] = "30"
    HOOKS.see(time.perf_counter() - started, answer.connector, answer.meaning)
    return answer


class Answer(HttpResponse):
    """Plain text, and what it means of whose delivery: for the counters."""

    def __init__(self, meaning: str, connector: str, status: int, text: str) -> None:
        super().__init__(text + "\n", status=status, content_type="text/plain; charset=utf-8")
        self.meaning, self.connector = meaning, connector


def _receive(request: HttpRequest, public_id: str, traceparent: str, *, anew: bool = False) -> Answer:
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_HOOK_BYTES:
        return _too_large(public_id)
    target = hook_target(public_id, anew=anew)
    if not isinstance(target, HookTarget):
        return _refuse(target, public_id, 404, "unknown", "unknown hook")
    connector = target.connection.connector
    if (echo := target.webhook.handshake({key: str(value) for key, value in request.GET.items()})) is not None:
        answer = Answer("checked", connector, 200, "")
        answer.content = echo.encode()
        return answer
    if request.method != "POST":
        return Answer("not_posted", connector, 405, "Deliveries are sent by POST.")
    return _deliver(request, target, public_id, traceparent)


def _deliver(request: HttpRequest, target: HookTarget, public_id: str, traceparent: str) -> Answer:
    connection, body = target.connection, _body(request)
    if len(body) > settings.MAX_HOOK_BYTES:
        return _too_large(public_id)
    request.log_fields = {"tenant": connection.organisation_id, "connection": str(connection.pk)}  # type: ignore[attr-defined]
    headers = _headers(request.META)
    try:
        target = _verified(target, public_id, headers, body)
        hints = target.webhook.parse(headers, body)
    except BadSignature as error:
        return _refuse(connection, public_id, 400, "signature", f"signature: {error}")
    except MalformedHook as error:
        return _refuse(connection, public_id, 400, "body", f"body: {error}")
    # Providers sign every account's hooks with one secret: what the body names must be this connection's account.
    foreign = [hint for hint in hints if hint.account_id and hint.account_id != connection.account_id]
    if foreign:
        return _refuse(
            connection, public_id, 400, "account", f"names the account {foreign[0].account_id[:80]}, not ours"
        )
    # Also of a paused connection: its work waits, and accepted and dropped would lose news.
    stored = hints_store(target, hints, traceparent=traceparent)
    return Answer("stored", connection.connector, 200, f"stored {stored}")


def _too_large(public_id: str) -> Answer:
    return _refuse(None, public_id, 413, "too_large", f"body larger than {settings.MAX_HOOK_BYTES} bytes")


def _headers(meta: dict[str, Any]) -> dict[str, str]:
    """By lower-case name. ``request.headers`` says the same at several times the cost."""
    named = {key[5:].replace("_", "-").lower(): value for key, value in meta.items() if key.startswith("HTTP_")}
    return {**named, "content-type": meta.get("CONTENT_TYPE", "")}


def _body(request: HttpRequest) -> bytes:
    """Also of a sender that streams and states no length: Django would read nothing."""
    if not request.META.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" in request.META:
        streamed: bytes = request.META["wsgi.input"].read(settings.MAX_HOOK_BYTES + 1)
        return streamed
    return request.body


def _verified(target: HookTarget, public_id: str, headers: dict[str, str], body: bytes) -> HookTarget:
    """:raises BadSignature: by what is known, and by what is so now: the secret may be a new one."""
    try:
        target.webhook.verify(headers, body, target.secret)
        return target
    except BadSignature:
        present = hook_target(public_id, anew=True)
        if not isinstance(present, HookTarget) or present.secret == target.secret:
            raise
        present.webhook.verify(headers, body, present.secret)
        return present


def hints_store(target: HookTarget, hints: list[Hint], *, traceparent: str = "") -> int:
    """One event per named record and listening installation; committed before this returns.

    :raises ListenersChanged: somebody else listens now; what was stored so far may be stored again.
    """
    stored = 0
    heard = False
    for installation, record_types in target.listeners:
        news = [
            News(hint.record_type, hint.record_id, hint.label) for hint in hints if hint.record_type in record_types
        ]
        heard |= bool(news)
        stored += news_store(
            installation=installation,
            news=news,
            via=Run.Via.WEBHOOK,
            traceparent=traceparent,
            listening=target.listening,
        )
    if target.listening is not None and not heard:
        # Nothing was stored, so nothing was compared: perhaps somebody has begun to listen to such records.
        listening_confirm(target.listening)
    return stored


def _refuse(connection: Connection | None, public_id: str, status: int, meaning: str, reason: str) -> Answer:
    connector = connection.connector if connection else ""
    if connection is not None:  # an address that is nobody's could be called for ever; the web server's log has it
        HookRefusal.objects.create(
            connection=connection, hook_id=public_id[:80], reason=reason[:200], received_at=database_now()
        )
    if connection is not None and CONNECTORS[connection.connector].punishes_refused_hooks:
        return Answer(meaning, connector, 200, "received")
    text = {404: "No such hook.", 413: "The body is too large."}.get(status, f"Not accepted: {reason}")
    return Answer(meaning, connector, status, text)
