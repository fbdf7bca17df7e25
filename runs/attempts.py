"""One attempt of one event: walk the flows of its record type, then say how it ended and what happens next."""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import InterfaceError, OperationalError

from connectors.base.errors import (
    ConnectorError,
    Held,
    MappingFailed,
    Misconfigured,
    NeedsAttention,
    OutcomeUnknown,
    Rejected,
    Retryable,
)
from connectors.base.tape import Tape, current_tape
from flows.engine.ports import LeaseLost
from flows.engine.values import jsonable
from flows.engine.walker import WalkResult, walk
from runs.causes import GAVE_UP, cause_of, cause_of_items
from runs.claim import MOST_COUNTED_FAILURES, Claimed
from runs.host import RunHost
from runs.journal import Ending, Entry, GroupCommit
from telemetry import context, tracing
from telemetry.metrics import ATTEMPT_ERRORS, ATTEMPTS, LEASES_LOST

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 900.0
LONGEST_WISH_SECONDS = 86_400.0
SHORTEST_WAIT_SECONDS = 0.3
_OURS = "Nothing for you to correct: we have been told. Replay it when we say that it is mended."

OnAttention = Callable[[str, NeedsAttention], Awaitable[None]]
EventData = Callable[[], Awaitable[dict[str, Any]]]


async def attempt_run(host: RunHost, *, event_data: EventData, on_attention: OnAttention) -> None:
    """Walk and flush the ending. A lost lease ends silently: another worker has the event, or will have it."""
    started = time.monotonic()
    context.about(host.log_fields)
    facts = {"causeway.tenant": host.tenant_id, "causeway.run": str(host.claimed.run.public_id)}
    parent = host.claimed.run.traceparent
    with tracing.span("attempt", parent=parent, kind=tracing.SpanKind.CONSUMER, attributes=facts) as span:
        ended = await _attempt(host, event_data, on_attention)
        if span is not None:
            span.set_attribute("causeway.ending", ended)
    ATTEMPTS.see(time.monotonic() - started, ended)


async def _attempt(host: RunHost, event_data: EventData, on_attention: OnAttention) -> str:
    results: list[WalkResult] = []
    current_tape.set(Tape())  # an attempt is a task of its own, so this is nobody else's
    try:
        ending = await _walk_all(host, results, event_data)
    except LeaseLost as lost:
        log.warning("%s: lease lost: %s", host.claimed.run, lost)
        return _lease_lost("walk")
    except NeedsAttention as error:
        if host.latest_role is not None:
            await on_attention(host.latest_role.connection_id, error)
        ending = _waiting(host.claimed, error, seconds=0.0, counts=False)
    except Exception as error:
        ending = ending_of(host, error)
    try:
        await host.flush(ending=_with_facts(ending, results, host))
    except LeaseLost as lost:
        log.warning("%s: could not finish: %s", host.claimed.run, lost)
        return _lease_lost("ending")
    if ending.error is not None:
        ATTEMPT_ERRORS.add(ending.error.get("class", "Held"), ending.state)
    return ending.state


def _lease_lost(where: str) -> str:
    LEASES_LOST.add(where)
    return "lease_lost"


async def _walk_all(host: RunHost, results: list[WalkResult], event_data: EventData) -> Ending:
    flows = host.plan.flows_for(host.record_type, taken_back=host.taken_back)
    if not flows:
        return Ending(state="skipped", reason="no flow of this pair is switched on for this kind of record")
    event = await event_data()
    for flow in flows:
        host.start_flow(flow.source_role)
        results.append(await walk(flow, event, host))
    done = [result for result in results if result.outcome != "skipped"]
    reasons = [result.reason for result in (done or results) if result.reason]
    if held := [item for result in results for item in result.held_items]:
        return Ending(
            state="held",
            reason=f"{len(held)} of the parts wait for a decision: " + "; ".join(item.text for item in held[:5]),
            error={"items": [item.as_dict() for item in held]},
            cause=cause_of_items(held),
        )
    return Ending(state="done" if done else "skipped", reason="; ".join(dict.fromkeys(reasons)))


def _with_facts(ending: Ending, results: list[WalkResult], host: RunHost) -> Ending:
    facts: dict[str, Any] = dict(host.facts)
    for result in results:
        facts.update(result.facts)
    unsettled = host.journal.unsettled
    settle = max([ending.settle_seconds, *unsettled.values()])
    return Ending(**{**ending.__dict__, "facts": facts, "clean": not unsettled, "settle_seconds": settle})


def ending_of(host: RunHost, error: Exception) -> Ending:
    """The error family decides (style guide, section 5)."""
    match error:
        case OutcomeUnknown():
            settle = max(host.journal.unsettled.values(), default=0.0)
            return _waiting(host.claimed, error, seconds=max(settle, _backoff_seconds(host.claimed)), counts=True)
        case Retryable():
            return _waiting(host.claimed, error, seconds=_wait_seconds(host.claimed, error), counts=error.counts)
        case Held():
            return _for_a_person("held", error)
        case Rejected() | MappingFailed() | ConnectorError():
            return _for_a_person("dead", error)
        case OperationalError() | InterfaceError():
            return _database_away(host.claimed, error)
        case Misconfigured():
            log.error("%s: %s", host.claimed.run, error)
            return _for_a_person(
                "dead",
                Rejected(
                    "This installation of Causeway lacks a setting; we have been told.",
                    operator_text=str(error),
                    code="misconfigured",
                    cure=_OURS,
                ),
            )
    step = next((step.path for step in reversed(host.journal.steps) if step.error), "")
    return _bug(host.claimed, error, step)


async def attempt_give_up(claimed: Claimed, error: Exception, commits: GroupCommit) -> None:
    """Nothing could be walked, by a fault of ours, before anything was read or written: a dead letter.

    Where our database did not answer, the event waits instead.
    """
    away = isinstance(error, OperationalError | InterfaceError)
    ending = _database_away(claimed, error) if away else _bug(claimed, error)
    try:
        await commits.commit(Entry(claimed=claimed, steps=[], first_sequence=0, ending=ending))
    except LeaseLost as lost:
        log.warning("%s: could not finish: %s", claimed.run, lost)
        _lease_lost("ending")


def _database_away(claimed: Claimed, error: Exception) -> Ending:
    log.error("%s: our database did not answer", claimed.run, exc_info=error)
    away = Retryable("Our own database did not answer for a moment.", operator_text=str(error), code="database")
    return _waiting(claimed, away, seconds=_wait_seconds(claimed, away), counts=True)


def _bug(claimed: Claimed, error: Exception, step: str = "") -> Ending:
    log.error("%s failed", claimed.run, exc_info=error)
    text = f"Something went wrong on our side with {claimed.record}. Nothing is lost; we have been told."
    return _for_a_person(
        "dead",
        Rejected(
            text,
            operator_text="".join(traceback.format_exception(error)[-3:]),
            code=f"bug:{type(error).__name__}",
            cure=_OURS,
            details={"step": step} if step else {},
        ),
    )


def _wait_seconds(claimed: Claimed, error: Retryable) -> float:
    """The provider's wish, else the usual."""
    if error.after_seconds is not None:
        return min(error.after_seconds, LONGEST_WISH_SECONDS) + random.uniform(0, 0.5)
    return _backoff_seconds(claimed)


def _backoff_seconds(claimed: Claimed) -> float:
    """Exponential with full jitter."""
    ceiling = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0**claimed.counted_failures)
    return random.uniform(SHORTEST_WAIT_SECONDS, max(ceiling, SHORTEST_WAIT_SECONDS))


def _waiting(claimed: Claimed, error: ConnectorError, *, seconds: float, counts: bool) -> Ending:
    if counts and claimed.counted_failures + 1 >= MOST_COUNTED_FAILURES:
        return _for_a_person("dead", error, gave_up=True)
    return Ending(
        state="waiting",
        reason=error.customer_text,
        error=error_facts(error),
        wait_seconds=seconds,
        counts=counts,
    )


def _for_a_person(state: str, error: ConnectorError, *, gave_up: bool = False) -> Ending:
    facts = error_facts(error)
    if gave_up:
        facts |= {"code": GAVE_UP, "after": error.code, "cure": _gave_up_cure(error)}
    return Ending(state=state, reason=error.customer_text, error=facts, cause=cause_of(error, gave_up=gave_up))


def _gave_up_cure(error: ConnectorError) -> str:
    tried = f"It was tried {MOST_COUNTED_FAILURES} times."
    if isinstance(error, OutcomeUnknown):
        return f"{tried} Look in the other system what is there, then replay: we look, too, before we write anything."
    return f"{tried} See that the other system works again, then replay."


def error_facts(error: ConnectorError) -> dict[str, Any]:
    """What pages show of an error; holds no secrets by the contract of ``ConnectorError``."""
    return {
        "class": type(error).__name__,
        "code": error.code,
        "text": error.customer_text,
        "operator_text": error.operator_text,
        "field": error.field,
        "cure": error.cure,
        "provider_code": error.provider_code,
        "request_id": error.request_id,
        "details": jsonable(error.details),
    }
