"""The queue with one promise broken at a time. Each fault sits around the product's functions, not inside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db.models import F

from runs.claim import Claimed, leases_recover
from runs.journal import Entry
from runs.models import InboxEvent, Record, Run
from tests.runs.machine import System


class NobodyLooksFirst(System):
    """A write that may be a repeat is sent without looking (C2)."""

    def claim(self, **options: Any) -> list[Claimed]:
        return [replace(claimed, may_be_a_repeat=False) for claimed in super().claim(**options)]


class ClaimLeavesNoMark(System):
    """The claim does not mark the attempt as open, so nobody knows that an earlier one never ended (C2)."""

    def claim(self, **options: Any) -> list[Claimed]:
        claims = super().claim(**options)
        Record.unscoped.filter(pk__in=[claimed.record.pk for claimed in claims]).update(attempt_open=False)
        return claims


class EveryEndingIsClean(System):
    """An attempt with an unknown outcome ends as if it were known (C2)."""

    def flush(self, function: Callable[..., Any], batch: list[Entry]) -> Any:
        for entry in batch:
            if entry.ending is not None:
                entry.ending = replace(entry.ending, clean=True)
        return function(batch)


class NobodyWaitsToSettle(System):
    """After an unknown outcome the next attempt comes at once (C3)."""

    def flush(self, function: Callable[..., Any], batch: list[Entry]) -> Any:
        for entry in batch:
            if entry.ending is not None:
                entry.ending = replace(entry.ending, settle_seconds=0.0, wait_seconds=0.0)
        return function(batch)


class TheSweepWaitsNoSettleTime(System):
    """Events of a dead worker come back when its lease is over, whatever it may have sent last (C3)."""

    def recover(self) -> int:
        return leases_recover(default_settle=0.0)


class TheSweepIgnoresLeases(System):
    """Events of a living worker are given to another one (C8)."""

    def recover(self) -> int:
        InboxEvent.unscoped.filter(state=InboxEvent.State.LEASED).update(
            lease_expires_at=F("lease_expires_at") - timedelta(days=1)
        )
        return super().recover()


class FencesAreNotChecked(System):
    """Whoever had the event once can finish it (C8)."""

    def flush(self, function: Callable[..., Any], batch: list[Entry]) -> Any:
        now = dict(InboxEvent.unscoped.values_list("pk", "fence"))
        for entry in batch:
            entry.claimed.fence = now.get(entry.claimed.event_id, entry.claimed.fence)
        return function(batch)


class LinksAreForgotten(System):
    """What was written is not remembered (C4)."""

    def flush(self, function: Callable[..., Any], batch: list[Entry]) -> Any:
        for entry in batch:
            entry.link = None
        return function(batch)


class NewsDuringTheWorkIsDropped(System):
    """A claimed event does not become dirty (C9)."""

    def news(self, **options: Any) -> int:
        told = super().news(**options)
        InboxEvent.unscoped.update(dirty=False)
        return told


class NewsWakesBeforeTheSettleTime(System):
    """News about an order whose outcome is unknown is worked on at once (C3)."""

    def news(self, **options: Any) -> int:
        told = super().news(**options)
        InboxEvent.unscoped.filter(state=InboxEvent.State.WAITING).update(due_at=options["at"])
        return told


class LettingGoForgetsTheSettleTime(System):
    """An order let go while its outcome is unknown is looked for at once when it makes news again (C3)."""

    def let_go(self, run: Run) -> bool:
        done = super().let_go(run)
        InboxEvent.unscoped.filter(state=InboxEvent.State.HELD, run=None).delete()
        return done


FAULTS = (
    NobodyLooksFirst,
    ClaimLeavesNoMark,
    EveryEndingIsClean,
    NobodyWaitsToSettle,
    TheSweepWaitsNoSettleTime,
    TheSweepIgnoresLeases,
    FencesAreNotChecked,
    LettingGoForgetsTheSettleTime,
    LinksAreForgotten,
    NewsDuringTheWorkIsDropped,
    NewsWakesBeforeTheSettleTime,
)
