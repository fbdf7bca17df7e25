"""Import of past orders: collect, preview, import on a person's word. What is already posted is adopted, not doubled.

Imported events wait behind live ones and always look before they write, so documents made by hand are recognised.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date, datetime
from typing import Any

from django.db import transaction

from connectors.base.errors import ConnectorError
from connectors.base.triggers import PollTrigger
from connectors.registry import CONNECTORS
from flows.models import Installation
from runs.clients import Clients
from runs.database import Database
from runs.inbox import PRIORITY_IMPORT, News, news_store
from runs.models import ImportJob, Run
from runs.preview import PreviewItem, preview
from tenants.audit import audit_record
from tenants.models import User

MOST_RECORDS = 20_000
MOST_PREVIEWED = 200


class ImportRefused(ValueError):
    """The days or the state of the job do not allow it; the text says why."""


@transaction.atomic
def import_create(
    *, installation: Installation, first_day: date, last_day: date, at: datetime, by: User | None
) -> ImportJob:
    """:raises ImportRefused: the days are the wrong way round or in the future."""
    if first_day > last_day:
        raise ImportRefused("The first day must not be after the last day.")
    if last_day > at.date():
        raise ImportRefused("Only past days can be imported.")
    job = ImportJob.objects.create(
        organisation=installation.organisation,
        installation=installation,
        first_day=first_day,
        last_day=last_day,
        created_at=at,
    )
    audit_record(organisation=installation.organisation, action="import.created", actor=by, target=job, at=at)
    return job


def import_collect(job: ImportJob) -> None:
    """Read which records there are and dry-run the first ``MOST_PREVIEWED``. Talks to both systems.

    What a second reader of the same job finds after the first has finished is dropped.
    """
    try:
        job.record_ids = asyncio.run(_collect(job, _past_trigger(job.installation)))
        records = [("order", record_id) for record_id in job.record_ids[:MOST_PREVIEWED]]
        job.rows = [_row(item) for item in preview(job.installation, records)]
        job.state, job.error = ImportJob.State.PREVIEWED, ""
    except ConnectorError as error:
        job.state, job.error = ImportJob.State.FAILED, error.customer_text
    except ImportRefused as error:
        job.state, job.error = ImportJob.State.FAILED, str(error)
    found = {"record_ids": job.record_ids, "rows": job.rows, "state": job.state, "error": job.error}
    ImportJob.unscoped.filter(pk=job.pk, state=ImportJob.State.COLLECTING).update(**found)


def import_reread(*, job: ImportJob, at: datetime) -> bool:
    """Have the same days read again; False where that is going on or the import has been started."""
    readable = ImportJob.unscoped.filter(pk=job.pk).exclude(state=ImportJob.State.IMPORTING)
    idle = readable.exclude(state=ImportJob.State.COLLECTING, lease_expires_at__gt=at)
    return bool(idle.update(state=ImportJob.State.COLLECTING, lease_expires_at=None, error=""))


def _past_trigger(installation: Installation) -> type[PollTrigger]:
    for trigger in CONNECTORS[installation.source.connector].triggers:
        if trigger.bounded and trigger.record_type == "order":
            return trigger
    raise ImportRefused(f"{installation.source.name} offers no reading of past orders.")


async def _collect(job: ImportJob, trigger: type[PollTrigger]) -> list[str]:
    database = Database()
    clients = Clients(database)
    ids: dict[str, None] = {}
    try:
        opened = await clients.of(str(job.installation.source_id))
        cursor = {"from": job.first_day.isoformat(), "to": job.last_day.isoformat()}
        async for page in trigger().read(opened.context(opened.account_id, {}), cursor):
            ids.update(dict.fromkeys(seen.record_id for seen in page.observations))
            if len(ids) > MOST_RECORDS:
                raise ImportRefused(f"More than {MOST_RECORDS:,} orders: choose fewer days at a time.")
    finally:
        await clients.close()
        await database.close()
    return list(ids)


def _row(item: PreviewItem) -> dict[str, Any]:
    return {
        "record_id": item.record_id,
        "label": str(item.facts.get("order_number") or item.record_id),
        "outcome": item.outcome,
        "reason": item.reason,
        "amount": str(item.facts.get("amount", "")),
        "currency": str(item.facts.get("currency", "")),
        "planned": [step["title"] + (f": {step['note']}" if step["note"] else "") for step in item.planned],
    }


def import_summary(job: ImportJob) -> dict[str, int]:
    """How many previewed records would be written, are there already, held or refused."""
    return dict(Counter(row["outcome"] for row in job.rows))


@transaction.atomic
def import_start(*, job: ImportJob, at: datetime, by: User | None) -> int:
    """Put the collected records into the inbox, behind live events.

    :raises ImportRefused: not previewed, or started already.
    """
    if not ImportJob.unscoped.filter(pk=job.pk, state=ImportJob.State.PREVIEWED).update(
        state=ImportJob.State.IMPORTING, imported_at=at
    ):
        raise ImportRefused("Only a previewed import that has not been started can be started.")
    woken = news_store(
        installation=job.installation,
        news=[News("order", record_id) for record_id in job.record_ids],
        via=Run.Via.IMPORT,
        at=at,
        priority=PRIORITY_IMPORT,
    )
    audit_record(
        organisation=job.organisation_id,
        action="import.started",
        actor=by,
        target=job,
        details={"records": woken},
        at=at,
    )
    return woken
