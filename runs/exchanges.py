"""What was said on the wire, kept beside a step that failed: a person or the provider's support will ask for it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from typing import Any

from connectors.base.tape import Take, Tape
from flows.engine.ports import StepRecord

MOST_OF_THE_STEP = 3
MOST_BYTES = 48 * 1024  # as JSON, of one step
# What has not failed for good is tried again by itself: only its own calls say anything new.
_TRIED_AGAIN = ("Retryable", "NotSent", "RateLimited")
# A step's clock and a call's are read one after the other.
_SLACK_SECONDS = 0.001


def with_exchanges(step: StepRecord, tape: Tape | None) -> StepRecord:
    """The step with the calls it made, latest last; one that made none and failed for good gets the call before it.

    Costs nothing unless the step carries an error. Bodies may hold personal data: they are stored sealed.
    """
    if step.error is None or tape is None or not tape.takes:
        return step
    began = time.monotonic() - step.seconds - _SLACK_SECONDS
    own = [take for take in tape.takes if take.started >= began][-MOST_OF_THE_STEP:]
    before = [] if own or step.error.get("class") in _TRIED_AGAIN else [tape.takes[-1]]
    exchanges = _within_bounds([_shown(take, own=False) for take in before] + [_shown(take, own=True) for take in own])
    return replace(step, exchanges=tuple(exchanges), error=_with_request_id(step.error, own))


def _shown(take: Take, *, own: bool) -> dict[str, Any]:
    said = asdict(take.shown())
    return {**said, "effect": str(said["effect"]), "seconds": round(said["seconds"], 4), "own": own}


def _within_bounds(exchanges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The latest that fit; each is at most two bodies of 8 kB and their headers."""
    while len(exchanges) > 1 and len(json.dumps(exchanges)) > MOST_BYTES:
        exchanges = exchanges[1:]
    return exchanges


def _with_request_id(error: dict[str, Any], own: list[Take]) -> dict[str, Any]:
    """The provider's own id of the call that failed, where the error does not name it: support asks for it first."""
    if error.get("request_id") or not own or own[-1].reply is None:
        return error
    return {**error, "request_id": own[-1].reply.request_id}
