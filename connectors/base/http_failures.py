"""Why a call brought no answer, and what that means for the effect (correctness rule C14).

httpx over aiohttp reports every connection error as ``ConnectTimeout``, also a disconnect after the request was sent.
So the class is read from the chain of causes: only errors that aiohttp raises before a connection exists mean that
nothing was sent; whatever else happened, a write may have taken effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import aiohttp

from connectors.base.addresses import Dial
from connectors.base.errors import ConnectorError, NeedsAttention, NotSent, OutcomeUnknown, Retryable
from connectors.base.reply import Effect

# Raised by aiohttp's connector: no connection came about. ``ClientConnectorError`` includes DNS and TLS failures,
# ``ConnectionTimeoutError`` the wait for a free place in the pool.
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
# aiohttp's messages quote the address, whose query may hold a key.
_QUERY = re.compile(r"\?[^\s'\")]*")


def failure_for(error: BaseException, *, dial: Dial, effect: Effect, operation: str) -> ConnectorError:
    """The news for the engine, to be raised from ``error``."""
    chain = list(_causes(error))
    operator_text = f"{operation}: " + _QUERY.sub("?[query]", _in_words(chain))
    early = next((cause for cause in chain if isinstance(cause, _BEFORE_SENDING)), None)
    if any(isinstance(cause, aiohttp.InvalidURL) for cause in chain):
        return address_refused("it is not a web address", operator_text)
    if early is None:
        return _after_sending(dial.host, effect, operator_text)
    if dial.refusal and not dial.permitted:
        return address_refused(dial.refusal, operator_text)
    if isinstance(early, aiohttp.ConnectionTimeoutError) and not dial.has_place:
        text = f"All connections we keep to {dial.host} were in use. The call was put off."
        return NotSent(text, code="no_free_connection", operator_text=operator_text, counts=False)
    code, happened = _not_sent_reason(early)
    return NotSent(f"{dial.host} {happened}.", code=code, operator_text=operator_text)


def address_refused(why: str, operator_text: str = "") -> NeedsAttention:
    """Never a time-out that is retried: the answer would be the same for ever."""
    return NeedsAttention(
        f"The address was refused: {why}.",
        code="address_refused",
        cure="Enter a public https address of the system, connect through an on-premises agent, or ask us to allow it.",
        operator_text=operator_text,
    )


def _after_sending(host: str, effect: Effect, operator_text: str) -> ConnectorError:
    if effect is Effect.WRITE:
        text = f"{host} gave no complete answer to a change we sent; we check whether it took effect."
        return OutcomeUnknown(text, code="no_answer", operator_text=operator_text)
    return Retryable(f"{host} gave no complete answer.", code="no_answer", operator_text=operator_text)


def _not_sent_reason(error: BaseException) -> tuple[str, str]:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns_failed", "was not found (DNS)"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls_failed", "offers no trustworthy encrypted connection (certificate or TLS)"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "connect_timeout", "did not accept a connection in time"
    return "unreachable", "refused the connection or is unreachable"


def _in_words(chain: list[BaseException]) -> str:
    return " <- ".join(f"{type(cause).__name__}: {cause}" for cause in chain)[:1000]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
