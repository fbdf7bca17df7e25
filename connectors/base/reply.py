"""What came back from a call, and the standard reading of its status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from connectors.base import exact_json
from connectors.base.errors import ConnectorError, NeedsAttention, OutcomeUnknown, RateLimited, Rejected, Retryable
from connectors.base.limit_headers import retry_after_seconds
from connectors.base.redaction import redact_body

REQUEST_ID_HEADERS = (
    "x-request-id",
    "x-correlation-id",
    "request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-ms-request-id",
    "x-trace-id",
    "cf-ray",
)
_SHOWN_CHARACTERS = 500


class Effect(StrEnum):
    """Whether a call changes anything at the provider. A GET may be a WRITE (some providers do that)."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Reply:
    """An answer of any status. ``headers`` have lower-cased names; ``seconds`` is how long the call took.

    Content and address are kept out of ``repr``: a log-in answer holds a token.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    url: str = field(repr=False)
    operation: str
    seconds: float
    effect: Effect = Effect.READ

    @property
    def text(self) -> str:
        """Decoded by the charset the sender names, else UTF-8; undecodable bytes are replaced."""
        match = re.search(r'charset="?([\w.:-]+)', self.headers.get("content-type", ""), re.IGNORECASE)
        try:
            return self.content.decode(match.group(1) if match else "utf-8-sig", "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Whole numbers as int, others as Decimal, never float.

        :raises Retryable: a read was answered with something that is not JSON.
        :raises OutcomeUnknown: the same for a write.
        """
        try:
            return exact_json.loads(self.content)
        except ValueError as error:
            raise unreadable(self, "an answer that is not JSON") from error

    @property
    def request_id(self) -> str:
        """The provider's own id of this call, empty when it gives none."""
        return next((self.headers[name] for name in REQUEST_ID_HEADERS if self.headers.get(name)), "")

    @property
    def is_html(self) -> bool:
        if "html" in self.headers.get("content-type", "").lower():
            return True
        return self.content[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))

    @property
    def is_soap_fault(self) -> bool:
        """SOAP sends its faults with status 500: a reasoned answer, not a broken server."""
        return "xml" in self.headers.get("content-type", "").lower() and b"Fault>" in self.content


def raise_for_status(reply: Reply, effect: Effect, *, what: str) -> None:
    """The standard table; returns when the answer is a 2xx that is not an HTML page.

    :param what: what the call was about, for people: ``invoice for order 1001``.
    :raises NeedsAttention: 401, 402, 403, or the address has moved.
    :raises RateLimited: 429.
    :raises Rejected: any other 4xx.
    :raises Retryable: a read met 408, 425, 5xx or an HTML page; the same on a write is OutcomeUnknown.
    """
    status = reply.status
    if 200 <= status < 300 and not reply.is_html:
        return
    if status in (401, 402, 403):
        raise NeedsAttention(
            f"{what}: access was refused ({status}). Check the log-in and its permissions, then connect again.",
            code="access_refused",
            **facts(reply),
        )
    if status == 429:
        raise rate_limited(reply)
    if status in (301, 307, 308) or (300 <= status < 400 and effect is Effect.READ):
        raise NeedsAttention(f"{what}: the address has moved. Enter the new one.", code="moved", **facts(reply))
    if 400 <= status < 500 and status not in (408, 425):
        raise Rejected(f"{what}: the other system refused it ({status}).", code=f"status_{status}", **facts(reply))
    raise _broken(reply, effect, what)


def rate_limited(reply: Reply) -> RateLimited:
    wait = retry_after_seconds(reply.headers)
    return RateLimited("The other system asked us to slow down.", after_seconds=wait, **facts(reply))


def unreadable(reply: Reply, what: str) -> ConnectorError:
    """The error for an answer we cannot read: the write behind it may have happened."""
    text = f"The other system sent {what}."
    if reply.effect is Effect.WRITE:
        return OutcomeUnknown(text, code="unreadable_answer", **facts(reply))
    return Retryable(text, code="unreadable_answer", **facts(reply))


def _broken(reply: Reply, effect: Effect, what: str) -> ConnectorError:
    page = " with an HTML page where data was expected" if reply.is_html else ""
    text = f"{what}: the other system answered {reply.status}{page}."
    if effect is Effect.WRITE:
        return OutcomeUnknown(text, code="broken_answer", **facts(reply))
    wait = retry_after_seconds(reply.headers)
    return Retryable(text, code="broken_answer", after_seconds=wait, **facts(reply))


def facts(reply: Reply) -> dict[str, Any]:
    """For operators: status, request id and the beginning of the answer, without secrets."""
    shown = redact_body(reply.content, reply.headers.get("content-type", ""))[:_SHOWN_CHARACTERS]
    text = f"{reply.operation} answered {reply.status}: {shown}"
    return {"operator_text": text, "provider_code": str(reply.status), "request_id": reply.request_id}
