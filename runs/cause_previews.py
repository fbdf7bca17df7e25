"""What a replay of a whole cause would write, looked at run by run: the first at once, the rest by a scheduler."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction

from connections.errors import ConnectionRefusal
from connectors.base.errors import ConnectorError
from runs.causes import cause_of_facts
from runs.models import CauseAction, Run
from runs.preview import PreviewItem, preview
from runs.replays import CountChanged, How, open_runs
from tenants.audit import audit_record
from tenants.clock import database_now
from tenants.models import Organisation, User

log = logging.getLogger(__name__)

MOST_PREVIEWED = 500
AT_ONCE = 20
PREVIEW_LEASE = timedelta(seconds=60)
KEPT_PER_CAUSE = 3
_AMOUNTS = ("gross", "amount", "total", "price")
_NAMES = ("reference", "document_number", "number", "sku", "order_id")


def cause_preview(*, organisation: Organisation, cause: str, how: How, at: datetime, by: User | None) -> CauseAction:
    """Begin a preview of the oldest ``MOST_PREVIEWED``; the first ``AT_ONCE`` are looked at before this returns.

    Talks to both systems, outside any transaction; writes nothing there and touches no event.

    :raises CountChanged: nothing of this cause is open.
    """
    runs = open_runs(organisation, cause=cause)
    ids = list(runs.values_list("pk", flat=True)[:MOST_PREVIEWED])
    if not ids:
        raise CountChanged(0)
    with transaction.atomic():
        action = CauseAction.objects.create(
            organisation=organisation,
            kind=CauseAction.Kind.PREVIEW,
            cause=cause,
            title=runs.reverse().values_list("reason", flat=True)[0],
            count=runs.count(),
            resume=how.resume,
            own_version=how.own_version,
            by_label=by.email if by else "",
            created_at=at,
            state=CauseAction.State.WORKING,
            run_ids=ids,
            lease_expires_at=at + PREVIEW_LEASE,
        )
        _forget_older(action)
        audit_record(
            organisation=organisation, action="cause.previewed", actor=by,
            details={"cause": cause, "count": len(ids)}, at=at,
        )  # fmt: skip
    if _stepped(action):
        CauseAction.unscoped.filter(pk=action.pk).update(lease_expires_at=None)  # whoever is free goes on
    return action


def _forget_older(action: CauseAction) -> None:
    same = CauseAction.objects.for_tenant(action.organisation_id).filter(
        kind=CauseAction.Kind.PREVIEW, cause=action.cause
    )
    keep = list(same.order_by("-pk").values_list("pk", flat=True)[:KEPT_PER_CAUSE])
    same.exclude(pk__in=keep).delete()


def preview_step(action: CauseAction) -> bool:
    """Look at the next ``AT_ONCE`` runs and store what would happen. :returns: whether there is more to do."""
    ids = action.run_ids[len(action.rows) : len(action.rows) + AT_ONCE]
    action.rows = [*action.rows, *_looked_at(action, ids)]
    more = len(action.rows) < len(action.run_ids)
    action.state = CauseAction.State.WORKING if more else CauseAction.State.READY
    kept = CauseAction.unscoped.filter(pk=action.pk, state=CauseAction.State.WORKING).update(
        rows=action.rows, state=action.state, lease_expires_at=database_now() + PREVIEW_LEASE if more else None
    )
    return more and bool(kept)  # a newer preview of the cause has taken its place


def _looked_at(action: CauseAction, ids: list[int]) -> list[dict[str, Any]]:
    runs = Run.objects.for_tenant(action.organisation_id).filter(pk__in=ids).order_by("pk")
    by_plan: dict[tuple[int, int], list[Run]] = defaultdict(list)
    for run in runs.select_related("record", "installation__pair_version", "pair_version"):
        version = run.pair_version_id if action.own_version else run.installation.pair_version_id
        by_plan[run.installation_id, version].append(run)
    rows: dict[int, dict[str, Any]] = {}
    for (_, version), members in by_plan.items():
        installation = members[0].installation
        if version != installation.pair_version_id:
            installation.pair_version = members[0].pair_version
        records = [(run.record.record_type, run.record.record_id) for run in members]
        items = preview(installation, records)
        rows |= {run.pk: _row(run, item) for run, item in zip(members, items, strict=True)}
    return [rows.get(pk, _GONE) for pk in ids]


_GONE = {"outcome": "nothing_to_do", "reason": "It does not wait any more.", "planned": []}


def _row(run: Run, item: PreviewItem) -> dict[str, Any]:
    """No personal data: what pages of states and amounts show anyway."""
    facts = {**run.facts, **item.facts}
    error = item.error or {}
    return {
        "run": run.pk,
        "record": run.record_id,
        "label": f"{run.record.record_type} {facts.get('order_number') or run.record.record_id}",
        "outcome": item.outcome,
        "reason": item.reason,
        "cure": str(error.get("cure", "")),
        "cause": cause_of_facts(error) if error else "",
        "amount": str(facts.get("amount", "")),
        "currency": str(facts.get("currency", "")),
        "planned": [_planned(step, str(facts.get("currency", ""))) for step in item.planned],
    }


def _planned(step: dict[str, Any], currency: str) -> dict[str, str]:
    given = step["input"] if isinstance(step["input"], dict) else {}
    amount = next((str(given[name]) for name in _AMOUNTS if given.get(name) not in (None, "")), "")
    return {
        "title": step["title"],
        "name": next((str(given[name]) for name in _NAMES if given.get(name)), ""),
        "amount": amount,
        "currency": str(given.get("currency") or currency) if amount else "",
    }


class PreviewReader:
    """``round()`` keeps looking at previews that were begun, one at a time per scheduler, in a thread of its own."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def round(self) -> int:
        """:returns: 1 when a preview is being taken on."""
        if self._thread is not None and self._thread.is_alive():
            return 0
        action = preview_claim()
        if action is None:
            return 0
        self._thread = threading.Thread(target=_read, args=(action,), name=f"preview {action.pk}", daemon=True)
        self._thread.start()
        return 1


def preview_claim() -> CauseAction | None:
    """Take the oldest preview that nobody looks at, for the length of a lease."""
    now = database_now()
    waiting = CauseAction.unscoped.filter(state=CauseAction.State.WORKING).exclude(lease_expires_at__gt=now)
    for action in waiting.order_by("pk")[:5]:
        # Conditional: of all schedulers that see it, one gets it.
        if waiting.filter(pk=action.pk).update(lease_expires_at=now + PREVIEW_LEASE):
            return action
    return None


def _read(action: CauseAction) -> None:
    try:
        while _stepped(action):
            pass
    finally:
        connections.close_all()


def _stepped(action: CauseAction) -> bool:
    """``preview_step``; what goes wrong ends the preview with words."""
    try:
        return preview_step(action)
    except Exception as error:
        log.exception("preview %s could not be made", action.public_id)
        known = isinstance(error, (ConnectorError, ConnectionRefusal))
        action.error = str(error) if known else "Something went wrong on our side. Look again in a moment."
        action.state = CauseAction.State.FAILED
        rows = CauseAction.unscoped.filter(pk=action.pk, state=CauseAction.State.WORKING)
        rows.update(state=action.state, error=action.error, lease_expires_at=None)
        return False
