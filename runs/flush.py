"""One flush of the journal: one transaction for everything the orders in flight have handed in.

Fences are checked first, then steps, remembered effects and endings are written, each table with one statement. An
entry of a worker that has been fenced out changes nothing; its late link is kept as evidence (rule C4).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from flows.engine.ports import Link
from flows.models import Installation
from runs.bulk import rows_insert, rows_insert_new, rows_update
from runs.causes import cause_of_facts
from runs.claim import Claimed
from runs.contention import tried_again
from runs.entries import Ending, Entry
from runs.inbox import News, news_store
from runs.models import Alert, InboxEvent, Record, RecordLink, Run, SearchTerm, StepBatch
from runs.payloads import LINK, STEPS, payload_seal, steps_object
from runs.steps import step_clear, step_sealed
from runs.wake import nudge_after_commit
from telemetry.metrics import DELIVERY_SECONDS
from tenants.blind_index import Searchable, blind_index
from tenants.clock import database_now

log = logging.getLogger(__name__)


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
        cause=cause_of_facts({**facts, "class": "Unstorable"}),
        clean=False,
        settle_seconds=entry.settle_seconds,
    )
    return Entry(claimed=entry.claimed, steps=[], first_sequence=entry.first_sequence, ending=ending)


@dataclass(frozen=True)
class Held:
    """An event as its holder has it, locked for this flush."""

    fence: int
    dirty: bool
    counted_failures: int


@tried_again
def entries_write(batch: list[Entry]) -> set[int]:
    """One transaction for the whole batch; returns the ``id()`` of entries whose worker has been fenced out."""
    with transaction.atomic():
        held = _events_hold({entry.claimed.event_id for entry in batch})
        now = database_now()
        standing = [entry for entry in batch if _is_holder(held, entry.claimed)]
        fenced = {id(entry) for entry in batch} - {id(entry) for entry in standing}
        further = _links_write(batch, fenced, now)
        _failures_forget(further - fenced, standing, held)
        _steps_write(standing, now)
        _search_write(standing, now)
        ended = [(entry, entry.ending) for entry in standing if entry.ending is not None]
        _records_write(ended, now)
        _runs_write(ended, now)
        _events_write(ended, held, now)
        for entry, ending in ended:
            _taken_back_write(entry, ending, now)
            _followers_wake(entry, now)
    for entry, ending in ended:
        if ending.state == Run.State.DONE:
            run = entry.claimed.run
            DELIVERY_SECONDS.see((now - run.received_at).total_seconds(), run.via)
    return fenced


def _events_hold(ids: Iterable[int]) -> dict[int, Held]:
    """Lock the events in one order everywhere: events before records, by primary key."""
    rows = InboxEvent.unscoped.select_for_update().filter(pk__in=list(ids), state=InboxEvent.State.LEASED)
    columns = rows.order_by("pk").values_list("pk", "fence", "dirty", "counted_failures")
    return {pk: Held(fence, dirty, failures) for pk, fence, dirty, failures in columns}


def _is_holder(held: dict[int, Held], claimed: Claimed) -> bool:
    event = held.get(claimed.event_id)
    return event is not None and event.fence == claimed.fence


_STEP_COLUMNS = {
    "organisation_id": "bigint",
    "run_id": "bigint",
    "attempt": "int",
    "first_sequence": "int",
    "steps": "jsonb",
    "sealed": "bytea",
    "written_at": "timestamptz",
}


def _steps_write(entries: list[Entry], now: datetime) -> None:
    rows_insert(
        StepBatch._meta.db_table,
        _STEP_COLUMNS,
        [
            (
                entry.claimed.organisation_id,
                entry.claimed.run.pk,
                entry.claimed.attempt,
                entry.first_sequence,
                [step_clear(step) for step in entry.steps],
                payload_seal(
                    entry.claimed.organisation_id,
                    STEPS,
                    steps_object(entry.claimed.run.pk, entry.claimed.attempt, entry.first_sequence),
                    [step_sealed(step) for step in entry.steps],
                ),
                now,
            )
            for entry in entries
            if entry.steps
        ],
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


_LINK_COLUMNS = {
    "organisation_id": "bigint",
    "effect_key": "text",
    "installation_id": "bigint",
    "record_id": "bigint",
    "run_id": "bigint",
    "operation": "text",
    "target_account": "text",
    "qualifier": "text",
    "external_id": "text",
    "adopted": "boolean",
    "why": "text",
    "facts": "jsonb",
    "sealed": "bytea",
    "created_at": "timestamptz",
}


def _failures_forget(further: set[int], standing: list[Entry], held: dict[int, Held]) -> None:
    """Failures are counted in a row: an event with a new effect has got further, and is no hopeless case."""
    ids = {entry.claimed.event_id for entry in standing if id(entry) in further}
    if failed := {pk for pk in ids if held[pk].counted_failures}:
        InboxEvent.unscoped.filter(pk__in=failed).update(counted_failures=0)
        held.update({pk: replace(held[pk], counted_failures=0) for pk in failed})


def _links_write(batch: list[Entry], fenced: set[int], now: datetime) -> set[int]:
    """Remember the effects, also late ones: they did happen. Returns the ``id()`` of entries with a new effect."""
    linked = [(entry, entry.link) for entry in batch if entry.link is not None]
    new = rows_insert_new(
        RecordLink._meta.db_table,
        _LINK_COLUMNS,
        [_link_row(entry, link, now) for entry, link in linked],
        unique=("organisation_id", "effect_key"),
    )
    further = set()
    for entry, link in linked:
        key = (entry.claimed.organisation_id, link.effect_key)
        if key in new:
            new.discard(key)  # the first of a key in this batch is the one that was inserted
            further.add(id(entry))
        else:
            _link_known(entry, link, now, late=id(entry) in fenced)
    return further


def _link_row(entry: Entry, link: Link, now: datetime) -> tuple[Any, ...]:
    claimed = entry.claimed
    return (
        claimed.organisation_id,
        link.effect_key,
        claimed.installation_id,
        claimed.record.pk,
        claimed.run.pk,
        link.operation,
        entry.target_account,
        link.qualifier[:200],
        link.external_id[:200],
        link.adopted,
        link.why,
        link.input_facts,
        payload_seal(claimed.organisation_id, LINK, link.effect_key, link.output),
        now,
    )


def _link_known(entry: Entry, link: Link, now: datetime, *, late: bool) -> None:
    """The effect is remembered already. Two ids for one effect are a double suspected."""
    claimed = entry.claimed
    row = RecordLink.unscoped.get(organisation_id=claimed.organisation_id, effect_key=link.effect_key)
    if link.replaces:
        if not late:  # whoever has the record now may have written something newer
            _link_replace(row, entry, link, now)
        return
    if row.external_id != link.external_id[:200]:
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


_FINAL = (Run.State.DONE, Run.State.SKIPPED)

Ended = list[tuple[Entry, Ending]]


_RECORD_COLUMNS = {
    "updated_at": "timestamptz",
    "facts": "jsonb",
    "label": "text",
    "attempt_open": "boolean",
    "unclean": "boolean",
}


def _records_write(ended: Ended, now: datetime) -> None:
    rows = []
    for entry, ending in ended:
        record = entry.claimed.record
        label = str(ending.facts.get("order_number") or "")[:200] or record.label
        # As the claim left them: an attempt that was open then has made the record unclean.
        unclean = record.unclean or record.attempt_open or not ending.clean
        rows.append((record.pk, now, _facts_of(record, ending), label, not ending.clean, unclean))
    rows_update(
        Record._meta.db_table,
        {"id": "bigint"},
        _RECORD_COLUMNS,
        rows,
    )


def _facts_of(record: Record, ending: Ending) -> dict[str, Any]:
    """Quantities are kept while they are pending only: what is pending is found by an index over these records."""
    facts = {**record.facts, **ending.facts}
    if not facts.get("pending") and len(facts) > 1:  # a record without any facts is one that nobody has read
        facts.pop("pending", None)
    return facts


_RUN_COLUMNS = {
    "state": "text",
    "reason": "text",
    "error": "jsonb",
    "cause": "text",
    "facts": "jsonb",
    "calls": "jsonb",
    "next_attempt_at": "timestamptz",
    "finished_at": "timestamptz",
}


def _runs_write(ended: Ended, now: datetime) -> None:
    rows = []
    for entry, ending in ended:
        before = entry.claimed.run.calls
        calls = {name: before.get(name, 0) + ending.calls.get(name, 0) for name in {*before, *ending.calls}}
        due = now + timedelta(seconds=ending.wait_seconds) if ending.state == Run.State.WAITING else None
        finished = now if ending.state in _FINAL else None
        run = entry.claimed.run.pk
        rows.append((run, ending.state, ending.reason, ending.error, ending.cause, ending.facts, calls, due, finished))
    rows_update(
        Run._meta.db_table,
        {"id": "bigint"},
        _RUN_COLUMNS,
        rows,
        only="t.state NOT IN ('done', 'skipped', 'cancelled')",
    )


_EVENT_COLUMNS = {
    "state": "text",
    "dirty": "boolean",
    "due_at": "timestamptz",
    "not_before": "timestamptz",
    "worker": "text",
    "lease_expires_at": "timestamptz",
    "counted_failures": "int",
}


def _events_write(ended: Ended, held: dict[int, Held], now: datetime) -> None:
    """A finished event is deleted; one that was told news meanwhile, or has to wait, goes back into the queue."""
    finished, again, waiting = [], [], []
    for entry, ending in ended:
        event = held[entry.claimed.event_id]
        final = ending.state in _FINAL
        not_before = now + timedelta(seconds=ending.settle_seconds) if ending.settle_seconds else None
        if final and not event.dirty:
            finished.append(entry.claimed.event_id)
        elif final:
            # News came while we worked: one more look, as a new run.
            again.append((entry.claimed.event_id, max(now, not_before or now), not_before, now))
        else:
            failures = event.counted_failures
            if event.dirty:
                state, due = InboxEvent.State.WAITING, now
                failures = 0 if ending.state in Run.NEEDS_A_PERSON else failures  # as news that comes a moment later
            else:
                state, due = InboxEvent.State(ending.state), now + timedelta(seconds=ending.wait_seconds)
                failures += int(ending.state == Run.State.WAITING and ending.counts)
            due = max(due, not_before or due)
            waiting.append((entry.claimed.event_id, state, False, due, not_before, "", None, failures))
    if finished:
        InboxEvent.unscoped.filter(pk__in=finished)._raw_delete("default")  # nothing points at an event
    _events_again(again)
    rows_update(InboxEvent._meta.db_table, {"id": "bigint"}, _EVENT_COLUMNS, waiting)
    if again or waiting:
        nudge_after_commit()  # some of it may be due at once


def _events_again(rows: list[tuple[int, datetime, datetime | None, datetime]]) -> None:
    fresh = [
        (pk, InboxEvent.State.WAITING, False, due, not_before, "", None, 0, None, 0, received)
        for pk, due, not_before, received in rows
    ]
    columns = {**_EVENT_COLUMNS, "run_id": "bigint", "attempts": "int", "received_at": "timestamptz"}
    rows_update(InboxEvent._meta.db_table, {"id": "bigint"}, columns, fresh)


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
    # Also of an order's first note: stock told of before the order did not wait for it, and may be written late.
    if not changed or not entry.pending_followers:
        return
    news_store(
        installation=Installation.unscoped.get(pk=entry.claimed.installation_id),
        news=[News(record_type, sku) for record_type in entry.pending_followers for sku in changed],
        via=Run.Via.FOLLOW,
        at=now,
    )
