"""The worker: one long drain claims batches of events and works them concurrently in one event loop.

It lives for ``DRAIN_SECONDS``, well inside the queue's task time-out: then it stops claiming, finishes what is in
flight, clears its flag, looks at the inbox once more and is queued again (rule C10).
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from connectors.base.errors import ConnectorError, NeedsAttention
from connectors.base.gate import current_turn
from runs.attempts import attempt_give_up, attempt_run
from runs.claim import Claimed, events_claim, leases_renew
from runs.clients import Clients
from runs.database import Database
from runs.events import event_data, needs_database
from runs.host import RunHost
from runs.journal import GroupCommit
from runs.lanes import Turns
from runs.links import LinkFinder
from runs.plans import Plan, plans_load
from runs.polling import ClaimedPoll, poll_failed, poll_run, polls_claim, polls_renew
from runs.resuming import Beginning, beginning_of
from runs.slots import slot_beat, slot_leave, slot_take
from runs.wake import Bell
from telemetry.metrics import CLAIM_EVENTS, CLAIM_SECONDS, write_out

log = logging.getLogger(__name__)

CLAIM_GAP_SECONDS = 0.02
PLAN_SECONDS = 1.0
POLL_LOOK_SECONDS = 0.5
HEARTBEAT_SECONDS = 2.0
SHORTEST_SHARE = 0.6
MOST_POLLS = 4


class Drain:
    """One drain in a slot of this host. ``run()`` returns when its time is over or it is asked to stop."""

    def __init__(self, *, seconds: float, concurrency: int, lease_seconds: float) -> None:
        self.slot: int | None = None
        self.relieved = True  # False: it ended, and no successor could be queued
        self.worker = f"{settings.HOST_NAME}:{os.getpid()}:{time.monotonic_ns() % 1_000_000_000}"
        self.lease_seconds = lease_seconds
        self.concurrency = concurrency
        # Of various lengths: drains of one host that began together must not all wait for slow systems at once.
        self.ends_at = time.monotonic() + seconds * random.uniform(SHORTEST_SHARE, 1.0)
        self.in_flight: dict[int, Claimed] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.polls: list[ClaimedPoll] = []
        self.plans: dict[int, Plan | Exception] = {}
        self.looked_at: dict[int, float] = {}
        self.turns = Turns()
        self.claimed_at = float("-inf")
        self.polled_at = float("-inf")

    async def run(self) -> int:
        """:returns: how many attempts it made."""
        self.database = Database()
        self.slot = await self.database.run(slot_take, self.worker)
        if self.slot is None:
            await self.database.close()
            return 0
        self.commits = GroupCommit(self.database)
        self.clients = Clients(self.database)
        self.finder = LinkFinder(self.database)
        self.attempts = 0
        heartbeat = asyncio.create_task(self._heartbeat())
        try:
            with Bell() as self.bell:
                try:
                    await self._claim_until_over()
                finally:
                    await self._finish_in_flight()
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)
            await self.commits.close()
            await self.clients.close()
            self.relieved = await self.database.run(slot_leave, self.slot, self.worker, restart=not stop_requested())
            await self.database.close()
        return self.attempts

    def _over(self) -> bool:
        return time.monotonic() >= self.ends_at or self.commits.broken or stop_requested()

    async def _claim_until_over(self) -> None:
        while not self._over():
            await self._claim_once()
            await self._polls_start()
            await self.bell.wait(self._pause_seconds())

    def _may_claim(self) -> bool:
        """There may be work, and room for it. Small refills would cost a statement each, so they are put together."""
        since = time.monotonic() - self.claimed_at
        if not self.bell.heard and since < self.bell.idle_seconds:
            return False
        return not self.in_flight or (self._has_room() and since >= CLAIM_GAP_SECONDS)

    def _has_room(self) -> bool:
        return self.concurrency - len(self.in_flight) >= max(1, self.concurrency // 4)

    def _pause_seconds(self) -> float:
        """Until something may have to be done without being rung for; an event that ends rings."""
        next_claim = self.claimed_at + self.bell.idle_seconds
        if self.bell.heard and self._has_room():
            next_claim = self.claimed_at + CLAIM_GAP_SECONDS
        elif not self._has_room():
            next_claim = float("inf")
        return max(0.001, min(next_claim, self.ends_at, self.polled_at + POLL_LOOK_SECONDS) - time.monotonic())

    async def _claim_once(self) -> None:
        if not self._may_claim():
            return
        limit = self.concurrency - len(self.in_flight)
        self.bell.heard = False
        asked = self.claimed_at = time.monotonic()
        claimed = await self.database.run(
            events_claim,
            worker=self.worker,
            limit=limit,
            lease_seconds=self.lease_seconds,
            turns=self.turns,
        )
        self.bell.heard |= bool(claimed) or self.turns.more  # where there was some there may be more
        CLAIM_SECONDS.see(time.monotonic() - asked, "some" if claimed else "none")
        if claimed:
            CLAIM_EVENTS.see(len(claimed), "some")
            await self._plans_look({item.installation_id for item in claimed})
            for item in claimed:
                self.in_flight[item.event_id] = item
                self._start(self._work(item))

    async def _plans_look(self, installations: set[int]) -> None:
        """A plan is read again after a moment: a setting changed a second ago may still be worked by its old value."""
        now = time.monotonic()
        stale = {one for one in installations if now - self.looked_at.get(one, float("-inf")) >= PLAN_SECONDS}
        if stale:
            self.plans |= await self.database.run(plans_load, stale, self.plans)
            self.looked_at |= dict.fromkeys(stale, now)

    async def _polls_start(self) -> None:
        if len(self.polls) >= MOST_POLLS or time.monotonic() - self.polled_at < POLL_LOOK_SECONDS:
            return
        self.polled_at = time.monotonic()
        free = MOST_POLLS - len(self.polls)
        for poll in await self.database.run(
            polls_claim, worker=self.worker, limit=free, lease_seconds=self.lease_seconds
        ):
            self.polls.append(poll)
            self._start(self._poll(poll))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an attempt ended without an ending", exc_info=error)
        self.bell.heard |= self.turns.capped
        self.bell.ring()

    async def _work(self, claimed: Claimed) -> None:
        current_turn.set(f"{claimed.installation_id} {claimed.via}")
        self.attempts += 1
        try:
            try:
                beginning = await self._beginning(claimed)
            except Exception as error:
                await attempt_give_up(claimed, error, self.commits)
                return
            host = RunHost(
                claimed=claimed,
                plan=beginning.plan,
                clients=self.clients.of,
                database=self.database,
                finder=self.finder,
                commits=self.commits,
                lease_seconds=self.lease_seconds,
            )
            host.reads.update(beginning.reads)
            await attempt_run(host, event_data=lambda: self._event_data(host), on_attention=self.clients.attention)
        finally:
            self.in_flight.pop(claimed.event_id, None)

    async def _beginning(self, claimed: Claimed) -> Beginning:
        plan = self.plans[claimed.installation_id]
        if isinstance(plan, Exception):
            raise plan
        return await beginning_of(claimed, plan, self.database)

    async def _event_data(self, host: RunHost) -> dict[str, Any]:
        if host.claimed.links_broken is not None:
            raise host.claimed.links_broken
        with_pending = host.plan.wants_pending(host.record_type)
        if needs_database(host.claimed, with_pending=with_pending):
            return await self.database.run(event_data, host.claimed, with_pending=with_pending)
        return event_data(host.claimed, with_pending=False)

    async def _poll(self, poll: ClaimedPoll) -> None:
        connection_id = poll.connection_id
        current_turn.set("polls")
        try:
            opened = await self.clients.of(connection_id)
            await poll_run(poll, context=opened.context(opened.account_id, {}), database=self.database)
        except NeedsAttention as error:
            await self.clients.attention(connection_id, error)
        except ConnectorError as error:
            await self.database.run(poll_failed, poll, error)
        finally:
            self.polls.remove(poll)

    async def _finish_in_flight(self) -> None:
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=self.lease_seconds)
        for task in list(self.tasks):
            task.cancel()  # their leases run out and the sweep returns them after the settle time
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _heartbeat(self) -> None:
        """Keeps the slot's flag fresh and the leases alive while work is in flight."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(min(HEARTBEAT_SECONDS, self.lease_seconds / 12))
            try:
                write_out()
                await self.database.run(slot_beat, self.slot, self.worker)
                if time.monotonic() - renewed >= self.lease_seconds / 4:
                    await self.database.run(
                        leases_renew, held=list(self.in_flight.values()), lease_seconds=self.lease_seconds
                    )
                    await self.database.run(polls_renew, held=list(self.polls), lease_seconds=self.lease_seconds)
                    renewed = time.monotonic()
            except DatabaseError:
                # A moment without the database must not end the heart: leases that were missed say so by themselves.
                log.exception("slot %d could not renew its leases; tries again", self.slot)


def stop_requested() -> bool:
    """The runner asks its drains to end by a file: the queue's own signals never reach a task."""
    path = settings.STOP_FILE
    return path is not None and Path(path).exists()
