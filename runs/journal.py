"""The journal: what attempts did, committed in groups across all events in flight in this process.

One flush is one transaction: fences are checked first, then steps, remembered effects and endings are written. An
entry of a worker that has been fenced out changes nothing; its late link is kept as evidence (rule C4).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, transaction

from flows.engine.ports import LeaseLost, Link, StepRecord
from flows.models import Installation
from runs.claim import Claimed
from runs.contention import tried_again
from runs.inbox import News, news_store
from runs.models import Alert, InboxEvent, Record, RecordLink, Run, SearchTerm, StepAttempt
from runs.payloads import LINK, STEP, payload_seal, step_object
from tenants.blind_index import Searchable, blind_index
from tenants.clock import database_now

log = logging.getLogger(__name__)
T = TypeVar("T")


class Database:
    """The one thread in which a drain talks to the database, so that its event loop never waits for a query."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="drain-db")

    async def run(self, function: Callable[..., T], *args: Any, **named: Any) -> T:
        def call() -> T:
            close_old_connections()
            return function(*args, **named)

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def close(self) -> None:
        from django.db import connections

        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown()


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

    ``settle_seconds``: of the write whose link this is, should the link be lost.
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
    flushed: asyncio.Future[None] | None = None


class GroupCommit:
    """Collects entries and commits them together. A failed flush loses this worker's right to act (rule C4)."""

    MOST_PER_FLUSH = 500

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: list[Entry] = []
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="group-commit")
        self.broken = False

    async def commit(self, entry: Entry) -> None:
        """Durable when it returns. :raises LeaseLost: fenced out, or the flush failed."""
        if self.broken:
            raise LeaseLost("an earlier flush failed; this worker starts no further effect")
        entry.flushed = asyncio.get_running_loop().create_future()
        self._pending.append(entry)
        self._ready.set()
        await entry.flushed

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._pending:
                batch, self._pending = self._pending[: self.MOST_PER_FLUSH], self._pending[self.MOST_PER_FLUSH :]
                await self._flush(batch)

    async def _flush(self, batch: list[Entry]) -> None:
        try:
            fenced = await self._database.run(entries_store, batch)
        except Exception as error:
            log.exception("a flush of %d entries failed; this drain ends", len(batch))
            self.broken = True
            for entry in [*batch, *self._pending]:
                _resolve(entry, LeaseLost(f"the journal could not be written: {error}"))
            self._pending = []
            return
        for entry in batch:
            _resolve(entry, LeaseLost("another worker holds this event") if id(entry) in fenced else None)


def _resolve(entry: Entry, error: BaseException | None) -> None:
    if entry.flushed is None or entry.flushed.done():
        return
    if error is None:
        entry.flushed.set_result(None)
    else:
        entry.flushed.set_exception(error)


def entries_store(batch: list[Entry]) -> set[int]:
    """``entries_write``; where the content of an entry cannot be stored, the others do not suffer from it.

    Such an entry ends as a dead letter: left alone, its event would break every flush it comes into, for ever.
    """
    try:
        return entries_write(batch)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("a flush of %d entries failed; they are written one by one", len(batch))
    fenced: set[int] = set()
    for entry in batch:
        try:
            fenced |= entries_write([entry])
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("%s: what it did cannot be stored", entry.claimed.run)
            entries_write([_unstorable(entry, error)])
            fenced.add(id(entry))
    return fenced


def _unstorable(entry: Entry, error: Exception) -> Entry:
    """The entry as a dead letter without its content. Not clean: a link may be among what is left out."""
    text = f"Something went wrong on our side with {entry.claimed.record}. Nothing is lost; we have been told."
    facts = {"class": "Rejected", "code": f"bug:{type(error).__name__}", "text": text, "operator_text": repr(error)}
    ending = Ending(
        state=Run.State.DEAD,
        reason=text,
        error={**facts, "operator_text": facts["operator_text"].replace("\x00", "")[:500]},
        cause=f"unstorable:{type(error).__name__}",
        clean=False,
        settle_seconds=entry.settle_seconds,
    )
    return Entry(claimed=entry.claimed, steps=[], first_sequence=entry.first_sequence, ending=ending)


@tried_again
def entries_write(batch: list[Entry]) -> set[int]:
    """One transaction for the whole batch; returns the ``id()`` of entries whose worker has been fenced out."""
    with transaction.atomic():
        now = database_now()
        holders = _holders([entry.claimed for entry in batch])
        fenced = {id(entry) for entry in batch if holders.get(entry.claimed.event_id) != entry.claimed.fence}
        _links_write(batch, fenced, now)
        standing = [entry for entry in batch if id(entry) not in fenced]
        _steps_write(standing)
        _search_write(standing, now)
        for entry in standing:
            if entry.ending is not None:
                _ending_write(entry.claimed, entry.ending, now)
                _taken_back_write(entry, entry.ending, now)
                _followers_wake(entry, now)
    return fenced


def _holders(claims: list[Claimed]) -> dict[int, int]:
    rows = InboxEvent.unscoped.select_for_update().filter(
        pk__in={claimed.event_id for claimed in claims}, state=InboxEvent.State.LEASED
    )
    return dict(rows.order_by("pk").values_list("pk", "fence"))


def _steps_write(entries: list[Entry]) -> None:
    StepAttempt.unscoped.bulk_create(
        [
            StepAttempt(
                organisation_id=entry.claimed.organisation_id,
                run_id=entry.claimed.run.pk,
                attempt=entry.claimed.attempt,
                sequence=entry.first_sequence + offset,
                path=step.path[:300],
                kind=step.kind,
                title=step.title[:200],
                state=step.state,
                started_at=step.started_at,
                seconds=step.seconds,
                note=step.note,
                effect_key=step.effect_key,
                external_id=step.external_id[:200],
                error=step.error,
                sealed=payload_seal(
                    entry.claimed.organisation_id,
                    STEP,
                    step_object(entry.claimed.run.pk, entry.claimed.attempt, entry.first_sequence + offset),
                    {"input": step.input, "output": step.output},
                ),
            )
            for entry in entries
            for offset, step in enumerate(entry.steps)
        ]
    )


def _search_write(entries: list[Entry], now: datetime) -> None:
    """Keyed hashes of what people look a record up by (rule C20); the values themselves are kept sealed only."""
    terms = [
        SearchTerm(
            organisation_id=entry.claimed.organisation_id,
            record_id=entry.claimed.record.pk,
            digest=digest,
            created_at=now,
        )
        for entry in entries
        for kind, value in entry.search.items()
        if (digest := blind_index(entry.claimed.organisation_id, Searchable(kind), value))
    ]
    if terms:
        SearchTerm.unscoped.bulk_create(terms, ignore_conflicts=True)


def _links_write(batch: list[Entry], fenced: set[int], now: datetime) -> None:
    for entry in batch:
        if entry.link is not None:
            _link_write(entry, entry.link, now, late=id(entry) in fenced)


def _link_write(entry: Entry, link: Link, now: datetime, *, late: bool) -> None:
    """Remember the effect, also a late one: it did happen. Two ids for one effect are a double suspected."""
    claimed = entry.claimed
    row, created = RecordLink.unscoped.get_or_create(
        organisation_id=claimed.organisation_id,
        effect_key=link.effect_key,
        defaults={
            "installation_id": claimed.installation_id,
            "record": claimed.record,
            "run": claimed.run,
            "operation": link.operation,
            "target_account": entry.target_account,
            "qualifier": link.qualifier[:200],
            "external_id": link.external_id[:200],
            "adopted": link.adopted,
            "why": link.why,
            "facts": link.input_facts,
            "sealed": payload_seal(claimed.organisation_id, LINK, link.effect_key, link.output),
            "created_at": now,
        },
    )
    if not created and link.replaces:
        if not late:  # whoever has the record now may have written something newer
            _link_replace(row, entry, link, now)
        return
    if not created and row.external_id != link.external_id[:200]:
        Alert.unscoped.create(
            organisation_id=claimed.organisation_id,
            kind="double_suspected",
            record=claimed.record,
            text=(
                f"{claimed.record}: two documents answer for one effect ({link.operation}): "
                f"{row.external_id} and {link.external_id}. Look at both in the target system and remove one."
            ),
            details={"effect_key": link.effect_key, "ids": [row.external_id, link.external_id], "late": late},
            created_at=now,
        )


def _link_replace(row: RecordLink, entry: Entry, link: Link, now: datetime) -> None:
    row.run, row.external_id, row.facts = entry.claimed.run, link.external_id[:200], link.input_facts
    row.created_at = now
    row.sealed = payload_seal(row.organisation_id, LINK, link.effect_key, link.output)
    row.save(update_fields=["run", "external_id", "facts", "created_at", "sealed"])


def _ending_write(claimed: Claimed, ending: Ending, now: datetime) -> None:
    event = InboxEvent.unscoped.get(pk=claimed.event_id)
    final = ending.state in (Run.State.DONE, Run.State.SKIPPED)
    due = now + timedelta(seconds=ending.wait_seconds)
    not_before = now + timedelta(seconds=ending.settle_seconds) if ending.settle_seconds else None
    _record_write(claimed, ending, now)
    _run_write(claimed, ending, now, due=due if ending.state == Run.State.WAITING else None, final=final)
    if final and not event.dirty:
        event.delete()
        return
    event.worker, event.lease_expires_at, event.not_before = "", None, not_before
    if event.dirty or final:
        # News came while we worked: one more look, as a new run when this one is finished.
        event.state, event.dirty = InboxEvent.State.WAITING, False
        event.due_at = max(now, not_before or now)
        if final:
            event.run, event.attempts, event.counted_failures, event.received_at = None, 0, 0, now
    else:
        event.state = ending.state
        event.due_at = max(due, not_before or due)
        event.counted_failures += int(ending.state == Run.State.WAITING and ending.counts)
    event.save()


def _record_write(claimed: Claimed, ending: Ending, now: datetime) -> None:
    record = claimed.record
    changes: dict[str, Any] = {"updated_at": now, "facts": {**record.facts, **ending.facts}}
    if ending.clean:
        changes["attempt_open"] = False
    else:
        changes["unclean"] = True
    if label := str(ending.facts.get("order_number") or ""):
        changes["label"] = label[:200]
    Record.unscoped.filter(pk=record.pk).update(**changes)


def _taken_back_write(entry: Entry, ending: Ending, now: datetime) -> None:
    """A take-back is through: what was remembered stands no longer, except documents that were there before us."""
    record = entry.claimed.record
    if not entry.takes_back or ending.state not in (Run.State.DONE, Run.State.SKIPPED):
        return
    unfinished = Record.unscoped.filter(pk=record.pk, take_back=record.take_back_id, taken_back_at=None)
    if not unfinished.update(taken_back_at=now):
        return
    stay = [row["number"] for row in ending.facts.get("take_back") or [] if row["fate"] == "stay"]
    links = RecordLink.unscoped.filter(record=record, operation__in=entry.takes_back, taken_back_at=None)
    links.exclude(external_id__in=stay).update(taken_back_at=now)


def _followers_wake(entry: Entry, now: datetime) -> None:
    """What an order holds back from the stock has changed: the stock that was computed with it is looked at again."""
    before = entry.claimed.record.facts.get("pending") or {}
    after = (entry.ending.facts if entry.ending else {}).get("pending", before) or {}
    changed = [sku for sku in {*before, *after} if before.get(sku) != after.get(sku)]
    # The first note of a new order needs no second look: stock waits for orders that nobody has read.
    if not entry.claimed.record.facts or not changed or not entry.pending_followers:
        return
    news_store(
        installation=Installation.unscoped.get(pk=entry.claimed.installation_id),
        news=[News(record_type, sku) for record_type in entry.pending_followers for sku in changed],
        via=Run.Via.FOLLOW,
        at=now,
    )


def _run_write(claimed: Claimed, ending: Ending, now: datetime, *, due: datetime | None, final: bool) -> None:
    Run.unscoped.filter(pk=claimed.run.pk).exclude(state__in=Run.TERMINAL).update(
        state=ending.state,
        reason=ending.reason,
        error=ending.error,
        cause=ending.cause,
        facts=ending.facts,
        calls={
            name: claimed.run.calls.get(name, 0) + ending.calls.get(name, 0)
            for name in {*claimed.run.calls, *ending.calls}
        },
        next_attempt_at=due,
        finished_at=now if final else None,
    )
