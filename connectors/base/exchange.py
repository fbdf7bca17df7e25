"""One attempt on the wire as it may be shown to people: what the journal and the connection test keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.base.errors import ConnectorError
from connectors.base.http_request import Outgoing
from connectors.base.redaction import redact_body, redact_headers, redact_url, scrub, secret_values
from connectors.base.reply import Effect, Reply


@dataclass(frozen=True)
class Exchange:
    """One attempt as it may be shown: secrets removed, bodies cut at 8 kB. ``status`` is None without an answer."""

    operation: str
    effect: Effect
    method: str
    url: str
    status: int | None
    seconds: float
    request_headers: Mapping[str, str]
    request_body: str
    reply_headers: Mapping[str, str]
    reply_body: str
    request_id: str
    error: str


Recorder = Callable[[Exchange], None]


def exchange_of(outgoing: Outgoing, reply: Reply | None, seconds: float, error: Exception | None) -> Exchange:
    known = secret_values(outgoing.headers)  # providers quote a refused token in their error texts
    reply_headers = reply.headers if reply else {}
    reply_body = redact_body(reply.content, reply_headers.get("content-type", "")) if reply else ""
    return Exchange(
        operation=outgoing.operation,
        effect=outgoing.effect,
        method=outgoing.method,
        url=scrub(redact_url(outgoing.url), known),
        status=reply.status if reply else None,
        seconds=seconds,
        request_headers=redact_headers(outgoing.headers),
        request_body=scrub(redact_body(outgoing.content, outgoing.headers.get("content-type", "")), known),
        reply_headers=redact_headers(reply_headers),
        reply_body=scrub(reply_body, known),
        request_id=reply.request_id if reply else "",
        error=scrub(error.operator_text, known) if isinstance(error, ConnectorError) else "",
    )
