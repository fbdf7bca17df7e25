"""What the engine gets as ``event``: the record's names, and for stock the quantities sold but not yet invoiced."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from connectors.base.errors import Retryable
from runs.claim import Claimed
from runs.models import InboxEvent, Record

UNREAD_WAIT_SECONDS = 2.0


def needs_database(claimed: Claimed, *, with_pending: bool) -> bool:
    """Whether ``event_data`` has to look something up; most events carry all of it."""
    return with_pending or claimed.record.take_back_id is not None


def event_data(claimed: Claimed, *, with_pending: bool) -> dict[str, Any]:
    """:raises Retryable: orders that nobody has read yet wait in the inbox, so what is pending is not known."""
    record = claimed.record
    data: dict[str, Any] = {
        "record_type": record.record_type,
        "record_id": record.record_id,
        "via": claimed.via,
        "imported": record.imported,
        "unclean": record.unclean or record.attempt_open,
        "taken_back": taken_back_data(record),
        "run": str(claimed.run.public_id),
    }
    if with_pending:
        data["pending"] = pending_quantities(claimed)
    return data


def taken_back_data(record: Record) -> dict[str, Any] | None:
    """Who had the record taken back, when, and whether that is through; None where nobody had."""
    if record.take_back_id is None or record.take_back is None:
        return None
    zone = ZoneInfo(record.organisation.time_zone)
    return {
        "on": f"{record.take_back.created_at.astimezone(zone):%d %B %Y}",
        "by": record.take_back.by_label or "an operator",
        "done": record.taken_back_at is not None,
    }


def pending_quantities(claimed: Claimed) -> dict[str, int]:
    """Per SKU what the shop has sold and the ledger has not been told yet (rule C24)."""
    orders = Record.unscoped.filter(
        organisation_id=claimed.organisation_id, lane=claimed.record.lane, record_type="order"
    )
    if InboxEvent.unscoped.filter(
        record__in=orders,
        state__in=[InboxEvent.State.WAITING, InboxEvent.State.LEASED],  # one that cannot be read holds nobody up
        attempts__lte=1,
        received_at__lte=claimed.run.received_at,
        record__facts={},
    ).exists():
        raise Retryable("Orders are still being read; stock follows.", after_seconds=UNREAD_WAIT_SECONDS, counts=False)
    pending: dict[str, int] = {}
    for facts in orders.filter(facts__has_key="pending").values_list("facts", flat=True):
        for sku, quantity in (facts.get("pending") or {}).items():
            pending[sku] = pending.get(sku, 0) + int(quantity)
    return pending
