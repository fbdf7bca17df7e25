"""The operators' page "Engine": does work flow, and if not, what holds it up? In the console, for staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from connections.pauses import pauses_in_force
from connections.standing import budgets_in_use, troubles_standing
from flows.models import Installation
from runs.gauges import LaneQueue, Queue, drains_by_state, queue_look
from runs.models import InboxEvent, WorkerSlot
from runs.slots import STALE_HEARTBEAT
from telemetry.reading import Reading, past

MOST_LANES = 20
MOST_ROWS = 50
LATELY_SECONDS = 900.0


def engine_page(request: HttpRequest) -> HttpResponse:
    queue = queue_look()
    ever, lately, seconds = past.look(LATELY_SECONDS)
    budgets = budgets_in_use(queue.now)
    context = {
        **admin.site.each_context(request),
        "title": "Engine",
        "now": queue.now,
        "figures": _figures(queue, lately),
        "slots": _slots(queue.now),
        "lanes": _lanes(queue),
        "lanes_in_all": len({lane.installation_id for lane in queue.lanes}),
        "troubles": troubles_standing(queue.now)[:MOST_ROWS],
        "pauses": pauses_in_force(),
        "budgets": budgets[:MOST_ROWS],
        "budgets_in_all": len(budgets),
        "minutes": max(1, round(seconds / 60)),
        "times": _times(ever, lately),
        "losses": _losses(ever, lately),
    }
    return render(request, "admin/engine.html", context)


@dataclass(frozen=True)
class Figure:
    label: str
    value: str
    is_bad: bool = False


def _figures(queue: Queue, lately: Reading) -> list[Figure]:
    live = [lane for lane in queue.lanes if not lane.imported]
    due = sum(lane.due for lane in queue.lanes if lane.installation_id not in queue.stopped)
    age = queue.age_seconds(live)
    drains = drains_by_state(queue.now)
    lost = lately.total("causeway_leases_lost_total")
    return [
        Figure("Live work has waited", f"{age:.0f} s", is_bad=age > 60),
        Figure("Due now", f"{due:,}"),
        Figure("Being worked on", f"{_events(queue, InboxEvent.State.LEASED):,}"),
        Figure("Dead letters", f"{_events(queue, InboxEvent.State.DEAD):,}"),
        Figure("Held", f"{_events(queue, InboxEvent.State.HELD):,}"),
        Figure("Drains alive", f"{drains['alive']} of {sum(drains.values())}", is_bad=not drains["alive"]),
        Figure("Leases lost lately", f"{lost:.0f}", is_bad=lost > 0),
    ]


def _events(queue: Queue, state: str) -> int:
    return sum(lane.events for lane in queue.lanes if lane.state == state)


def _slots(now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "slot": slot,
            "silent": slot.alive and (slot.heartbeat_at is None or slot.heartbeat_at < now - STALE_HEARTBEAT),
            "beat_seconds": (now - slot.heartbeat_at).total_seconds() if slot.heartbeat_at else None,
        }
        for slot in WorkerSlot.objects.order_by("host", "number")[:MOST_ROWS]
    ]


def _lanes(queue: Queue) -> list[dict[str, Any]]:
    """The lanes that have waited longest, then those with most to do."""
    by_lane: dict[int, list[LaneQueue]] = {}
    for lane in queue.lanes:
        by_lane.setdefault(lane.installation_id, []).append(lane)
    rows = [_lane(queue, number, parts) for number, parts in by_lane.items()]
    rows.sort(key=lambda row: (-row["age"], -row["due"], -row["later"], -row["dead"]))
    rows = rows[:MOST_LANES]
    known = Installation.unscoped.select_related("organisation").in_bulk([row["number"] for row in rows])
    return [{**row, "installation": known.get(row["number"])} for row in rows]


def _lane(queue: Queue, number: int, parts: list[LaneQueue]) -> dict[str, Any]:
    count = {str(state): sum(part.events for part in parts if part.state == state) for state in InboxEvent.State}
    due = sum(part.due for part in parts)
    return {
        "number": number,
        "stopped": number in queue.stopped,
        "age": queue.age_seconds(parts),
        "due": due,
        "later": count["waiting"] - due,
        "imported": sum(part.events for part in parts if part.imported),
        **count,
    }


_TIMES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("From news to done", "causeway_delivery_seconds", {}),
    ("One attempt", "causeway_attempt_seconds", {}),
    ("One call", "causeway_call_seconds", {}),
    ("One flush of the journal", "causeway_flush_seconds", {"result": "ok"}),
    ("One claim that found work", "causeway_claim_seconds", {"found": "some"}),
    ("One webhook, stored", "causeway_hook_seconds", {"answer": "stored"}),
)


def _times(ever: Reading, lately: Reading) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "lately": lately.total(f"{name}_count", **labels),
            "half": _upto(lately.quantile(name, 0.5, **labels)),
            "most": _upto(lately.quantile(name, 0.95, **labels)),
            "ever": ever.total(f"{name}_count", **labels),
            "ever_most": _upto(ever.quantile(name, 0.95, **labels)),
        }
        for label, name, labels in _TIMES
    ]


def _upto(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds == float("inf"):
        return "longer"
    return f"≤ {seconds * 1000:g} ms" if seconds < 1 else f"≤ {seconds:g} s"


_LOSSES = (
    ("Leases lost, by where", "causeway_leases_lost_total", "where"),
    ("Events of lost workers that came back", "causeway_events_recovered_total", "state"),
    ("Attempts that did not end well", "causeway_attempt_errors_total", "error"),
    ("Calls put off, by reason", "causeway_calls_put_off_total", "reason"),
    ("Calls by outcome", "causeway_call_seconds_count", "outcome"),
    ("Effects by how they came about", "causeway_effects_total", "how"),
    ("Webhooks by answer", "causeway_hook_seconds_count", "answer"),
)


def _losses(ever: Reading, lately: Reading) -> list[dict[str, Any]]:
    return [{"label": label, "lately": lately.by(name, by), "ever": ever.by(name, by)} for label, name, by in _LOSSES]
