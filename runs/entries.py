"""What an attempt hands to the journal: its steps, a remembered effect, its ending."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from flows.engine.ports import Link, StepRecord
from runs.claim import Claimed


@dataclass(frozen=True)
class Ending:
    """How an attempt ended. ``clean``: every outcome is known; ``wait_seconds`` counts from the flush."""

    state: str  # done, skipped, waiting, held, dead
    reason: str = ""
    error: dict[str, Any] | None = None
    cause: str = ""
    wait_seconds: float = 0.0
    settle_seconds: float = 0.0
    counts: bool = True
    clean: bool = True
    facts: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)


@dataclass
class Entry:
    """What one event hands to the next flush; ``first_sequence`` numbers its steps within the attempt.

    ``settle_seconds``: of the write whose link this is, should the link be lost. ``trace``: the attempt's span.
    """

    claimed: Claimed
    steps: list[StepRecord]
    first_sequence: int
    link: Link | None = None
    target_account: str = ""
    ending: Ending | None = None
    pending_followers: tuple[str, ...] = ()
    takes_back: tuple[str, ...] = ()
    search: dict[str, str] = field(default_factory=dict)
    settle_seconds: float = 0.0
    trace: str = ""
    flushed: asyncio.Future[None] | None = None
