"""The error family. The class says what happens next, the attributes say what and where.

ConnectorError
├── Retryable                later attempt, backoff with jitter; a write that raises this was NOT carried out
│   ├── NotSent              the request never left us (refused, DNS, connect time-out, circuit open)
│   └── RateLimited          the provider asked us to wait
├── OutcomeUnknown           a write was sent and we do not know whether it took effect: look, then decide
├── NeedsAttention           consent, password or access is gone: the connection pauses, its owner hears
├── Rejected                 the provider refuses this record for good: dead letter with a cure
├── MappingFailed            our input for the provider is incomplete: dead letter, points at the mapping
└── Held                     waits for a person's decision, with the reason and the arithmetic shown
Misconfigured                our own set-up is wrong; outside the family so that nobody swallows it
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Base of all news from a connector.

    :param customer_text: for the merchant: what happened, to which record, what to do. Never holds a secret.
    :param operator_text: for us: status, request id, the provider's own words (redacted).
    :param code: stable cause code, part of the fingerprint by which dead letters are grouped, e.g. ``unknown_sku``.
    :param field: path of the offending field, e.g. ``lines[2].sku``.
    :param cure: what to press or change, one sentence; without one, what this class of error usually needs.
    :param details: JSON-able facts shown beside the error (for example the arithmetic of a hold).
    """

    default_code = "error"
    default_cure = "Open the record, read what was said, then replay it or let it go."

    def __init__(
        self,
        customer_text: str,
        *,
        operator_text: str = "",
        code: str = "",
        field: str = "",
        cure: str = "",
        provider_code: str = "",
        request_id: str = "",
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(customer_text)
        self.customer_text = customer_text
        self.operator_text = operator_text or customer_text
        self.code = code or self.default_code
        self.field = field
        self.cure = cure or self.default_cure
        self.provider_code = provider_code
        self.request_id = request_id
        self.details = details or {}


class Retryable(ConnectorError):
    """Nothing was done; try again later.

    :param after_seconds: the provider's own wish (Retry-After), else None and the engine backs off by itself.
    :param counts: False while a circuit is open or a budget is spent: waiting is not failing.
    """

    default_code = "temporary"
    default_cure = "Nothing for you to do: it is tried again by itself."

    def __init__(self, customer_text: str, *, after_seconds: float | None = None, counts: bool = True, **rest: object):
        super().__init__(customer_text, **rest)  # type: ignore[arg-type]
        self.after_seconds = after_seconds
        self.counts = counts


class NotSent(Retryable):
    default_code = "not_sent"


class RateLimited(Retryable):
    default_code = "rate_limited"


class OutcomeUnknown(ConnectorError):
    """A write was sent and its answer is missing or unreadable. Never retried blind (correctness rule C3)."""

    default_code = "outcome_unknown"
    default_cure = "Nothing for you to do: before anything is sent again we look whether it is there."


class NeedsAttention(ConnectorError):
    default_code = "needs_attention"
    default_cure = (
        "Open the connection, check its log-in and what it may do, then press “Test now”. What waits goes on by itself."
    )


class Rejected(ConnectorError):
    default_code = "rejected"
    default_cure = "Correct what is named in the system it comes from, or the setting behind it, then replay."


class MappingFailed(ConnectorError):
    default_code = "mapping_failed"
    default_cure = (
        "Fill in the field that is named in the system the record comes from, or change the settings, then replay."
    )


class Held(ConnectorError):
    default_code = "held"
    default_cure = "Look at the figures and decide: correct what is named and replay, or let it go."


class Misconfigured(Exception):
    """Our own installation lacks something (a key, a client id). Not for the merchant."""
