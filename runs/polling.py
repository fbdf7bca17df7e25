"""Polling: due triggers are read page by page; a page's news and its cursor are stored in one commit (rule C13).

A cursor belongs to a connection. What it sees goes to every active installation of that connection whose pair has a
flow for that kind of record.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection as database_connection
from django.db import transaction
from django.db.models import Q

from connections.pauses import connectors_paused
from connectors.base.actions import ActionContext
from connectors.base.errors import ConnectorError, NeedsAttention, Retryable
from connectors.base.triggers import Page
from connectors.registry import CONNECTORS
from flows.models import Installation
from runs.contention import tried_again
from runs.inbox import News, news_store
from runs.models import PollCursor, Run
from runs.plans import listeners_of, plan_of
from runs.streams import streams_prepare
from telemetry.metrics import POLLS
from tenants.clock import database_now

log = logging.getLogger(__name__)

LONGEST_POLL_SECONDS = 120.0
LONGEST_PAUSE_SECONDS = 900.0


@dataclass
class ClaimedPoll:
    """One trigger this worker may read, until ``ends_at`` (monotonic) and as long as nobody else took it over."""

    cursor_id: int
    fence: int
    connection_id: str
    connector: str
    trigger: str
    cursor: dict[str, Any] | None
    ends_at: float


def cursors_prepare(installation: Installation) -> int:
    """Make sure every trigger and stream the pair's flows wait for has its row; returns how many were new."""
    plan = plan_of(installation)
    triggers = [flow["trigger"] for flow in installation.pair_version.document["flows"]]
    wanted = {(trigger["role"], trigger["record_type"]) for trigger in triggers if "poll" in trigger["via"]}
    told = {(trigger["role"], trigger["record_type"]) for trigger in triggers if "webhook" in trigger["via"]}
    sides = {plan.pair.source_role: installation.source, plan.pair.target_role: installation.target}
    made = 0
    for role, side in sides.items():
        for trigger in CONNECTORS[side.connector].triggers:
            if trigger.bounded or (role, trigger.record_type) not in wanted:
                continue
            interval = float(side.settings.get("poll_seconds") or trigger.interval_seconds)
            _, created = PollCursor.unscoped.get_or_create(
                organisation_id=side.organisation_id,
                connection=side,
                trigger=trigger.key,
                defaults={"interval_seconds": interval, "due_at": database_now()},
            )
            made += created
        made += streams_prepare(side, {record_type for one, record_type in told if one == role})
    return made


def polls_claim(*, worker: str, limit: int, lease_seconds: float) -> list[ClaimedPoll]:
    """Take due cursors of working connections under a lease, which is renewed while they are read; one reader each."""
    taken_at = time.monotonic()
    with transaction.atomic():
        now = database_now()
        rows = PollCursor.unscoped.filter(due_at__lte=now, connection__state="active").exclude(lease_expires_at__gt=now)
        rows = rows.exclude(connection__connector__in=connectors_paused())
        rows = rows.select_related("connection").order_by("due_at")
        if database_connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, of=("self",))
        claimed = []
        for row in rows[:limit]:
            row.fence += 1
            row.worker, row.lease_expires_at = worker, now + timedelta(seconds=lease_seconds)
            row.save(update_fields=["fence", "worker", "lease_expires_at"])
            claimed.append(
                ClaimedPoll(
                    cursor_id=row.pk,
                    fence=row.fence,
                    connection_id=str(row.connection_id),
                    connector=row.connection.connector,
                    trigger=row.trigger,
                    cursor=row.cursor,
                    ends_at=taken_at + LONGEST_POLL_SECONDS,
                )
            )
    return claimed


def polls_renew(*, held: list[ClaimedPoll], lease_seconds: float) -> None:
    """Push the leases of polls under way forward; one that was taken over stays with whoever has it."""
    mine = Q()
    for poll in held:
        mine |= Q(pk=poll.cursor_id, fence=poll.fence)
    if held:
        expires = database_now() + timedelta(seconds=lease_seconds)
        PollCursor.unscoped.filter(mine, lease_expires_at__isnull=False).update(lease_expires_at=expires)


async def poll_run(poll: ClaimedPoll, *, context: ActionContext, database: Any) -> None:
    """Read all there is and store it. An error keeps the cursor where it was: nothing is skipped."""
    trigger = CONNECTORS[poll.connector].trigger(poll.trigger)()
    try:
        async for page in trigger.read(context, poll.cursor):
            if time.monotonic() > poll.ends_at:
                POLLS.add(poll.connector, poll.trigger, "too_long")
                log.warning("poll %s of connection %s took too long; goes on later", poll.trigger, poll.connection_id)
                return
            if not await database.run(page_store, poll, page):
                return
        await database.run(poll_finish, poll)
    except ConnectorError as error:
        await database.run(poll_failed, poll, error)
        if isinstance(error, NeedsAttention):
            raise
    except Exception as error:
        log.exception("poll %s of connection %s failed", poll.trigger, poll.connection_id)
        await database.run(poll_failed, poll, Retryable(f"The poll failed on our side: {type(error).__name__}."))


@tried_again
def page_store(poll: ClaimedPoll, page: Page) -> bool:
    """News and cursor in one commit; False when another worker has taken the cursor over."""
    with transaction.atomic():
        now = database_now()
        cursor = (
            PollCursor.unscoped.select_for_update(of=("self",))
            .select_related("connection")
            .filter(pk=poll.cursor_id, fence=poll.fence)
            .first()
        )
        if cursor is None:
            return False
        for installation, record_types in listeners_of(cursor.connection):
            news_store(
                installation=installation,
                news=[
                    News(seen.record_type, seen.record_id, seen.label, seen.fingerprint)
                    for seen in page.observations
                    if seen.record_type in record_types
                ],
                via=Run.Via.POLL,
                at=now,
            )
        cursor.cursor = page.cursor
        cursor.save(update_fields=["cursor"])
    return True


def poll_finish(poll: ClaimedPoll) -> None:
    now = database_now()
    row = PollCursor.unscoped.filter(pk=poll.cursor_id, fence=poll.fence).first()
    if row is not None:
        POLLS.add(poll.connector, poll.trigger, "ok")
        row.due_at = now + timedelta(seconds=row.interval_seconds)
        _cursor_update(poll, due_at=row.due_at, latest_ok_at=now, latest_error="", failures=0)


def poll_failed(poll: ClaimedPoll, error: ConnectorError) -> None:
    row = PollCursor.unscoped.filter(pk=poll.cursor_id, fence=poll.fence).first()
    if row is not None:
        POLLS.add(poll.connector, poll.trigger, "attention" if isinstance(error, NeedsAttention) else "failed")
        wish = error.after_seconds if isinstance(error, Retryable) and error.after_seconds else 0.0
        # Waiting for a circuit or a budget is not failing: it must not put the next look off longer and longer.
        waits = isinstance(error, Retryable) and not error.counts
        pause = row.interval_seconds * (1 if waits else 2 ** min(row.failures, 6))
        row.due_at = database_now() + timedelta(seconds=max(wish, min(pause, LONGEST_PAUSE_SECONDS)))
        failures = row.failures + (not waits)
        _cursor_update(poll, due_at=row.due_at, latest_error=error.customer_text, failures=failures)


def _cursor_update(poll: ClaimedPoll, **changes: Any) -> None:
    """Conditional once more: whoever reads the cursor by now must not lose its lease to us."""
    PollCursor.unscoped.filter(pk=poll.cursor_id, fence=poll.fence).update(lease_expires_at=None, **changes)
