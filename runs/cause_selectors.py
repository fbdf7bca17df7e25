"""What waits for a person, by cause; what became of what they asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Min, QuerySet

from flows.models import Installation
from runs.models import CauseAction, Run
from runs.replays import open_runs
from runs.selectors import money_at_stake
from tenants.models import Organisation

# As a part of an address, where a run of an old version of ours has no fingerprint.
UNCLASSIFIED = "unclassified"
MOST_ADDED_UP = 20_000


@dataclass(frozen=True)
class CauseGroup:
    """Open runs that wait for a person for the same reason.

    ``money`` is at stake, per currency; ``money_is_partial`` where there are too many runs to add all up.
    ``installations`` are the pairs it happens in; ``newest`` is the latest run.
    """

    cause: str
    state: str
    count: int
    title: str
    cure: str
    code: str
    error_class: str
    first_at: datetime
    latest_at: datetime
    money: dict[str, Decimal]
    newest: Run
    money_is_partial: bool = False
    installations: Sequence[Installation] = ()

    @property
    def slug(self) -> str:
        return self.cause or UNCLASSIFIED


def cause_of_slug(slug: str) -> str:
    return "" if slug == UNCLASSIFIED else slug


def causes_open(organisation: Organisation, *, only: str | None = None, limit: int | None = None) -> list[CauseGroup]:
    """By number, most first. :param only: one cause."""
    rows = open_runs(organisation, cause=only)
    groups = rows.order_by().values("cause").annotate(
        count=Count("pk"), first=Min("received_at"), latest=Max("received_at"), newest=Max("pk")
    )  # fmt: skip
    found = list(groups.order_by("-count", "cause")[:limit])
    newest = Run.objects.for_tenant(organisation).in_bulk([group["newest"] for group in found])
    money, counted = _money(rows)
    places = _places(organisation, rows)
    return [
        _group(group, newest[group["newest"]], money, counted, places)
        for group in found
        if group["newest"] in newest
    ]  # fmt: skip


def causes_count(organisation: Organisation) -> int:
    return open_runs(organisation).order_by().values("cause").distinct().count()


def _group(
    group: Mapping[str, Any],
    newest: Run,
    money: dict[str, dict[str, Decimal]],
    counted: Counter[str],
    places: dict[str, list[Installation]],
) -> CauseGroup:
    error, cause = newest.error or {}, group["cause"]
    part: dict[str, Any] = next(iter(error.get("items") or []), {})
    return CauseGroup(
        cause=cause,
        state=newest.state,
        count=group["count"],
        title=newest.reason or "It needs a correction.",
        cure=str(error.get("cure") or part.get("cure") or ""),
        code=str(error.get("code") or part.get("code") or ""),
        error_class=str(error.get("class") or part.get("class") or ""),
        first_at=group["first"],
        latest_at=group["latest"],
        money=money.get(cause, {}),
        money_is_partial=counted[cause] < group["count"],
        newest=newest,
        installations=places.get(cause, []),
    )


def _money(rows: QuerySet[Run]) -> tuple[dict[str, dict[str, Decimal]], Counter[str]]:
    """Per cause, of the first ``MOST_ADDED_UP`` runs; and how many of each were added up."""
    by_cause: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for cause, amount, currency in rows.values_list("cause", "facts__amount", "facts__currency")[:MOST_ADDED_UP]:
        by_cause[cause].append({"amount": amount if amount is not None else "", "currency": currency or ""})
    money = {cause: money_at_stake(facts) for cause, facts in by_cause.items()}
    return money, Counter({cause: len(facts) for cause, facts in by_cause.items()})


def _places(organisation: Organisation, rows: QuerySet[Run]) -> dict[str, list[Installation]]:
    pairs = list(rows.order_by().values_list("cause", "installation_id").distinct())
    known = Installation.objects.for_tenant(organisation).select_related("source", "target", "pair_version")
    installations = known.in_bulk({installation for _, installation in pairs})
    places: dict[str, list[Installation]] = defaultdict(list)
    for cause, installation in pairs:
        places[cause].append(installations[installation])
    return {cause: sorted(members, key=lambda one: one.name) for cause, members in places.items()}


def on_other_version(organisation: Organisation, cause: str) -> int:
    """How many open runs of a cause began on another version than their installation has now."""
    rows = open_runs(organisation, cause=cause)
    return rows.exclude(pair_version=F("installation__pair_version")).count()


def action_progress(action: CauseAction) -> dict[str, int]:
    """What became of the runs of a bulk replay, by state."""
    runs = Run.objects.for_tenant(action.organisation_id).filter(replays__action=action)
    return dict(runs.order_by().values_list("state").annotate(Count("pk")))


@dataclass
class Outcome:
    """What a preview foresees for some of its runs, and why."""

    outcome: str
    reason: str = ""
    cure: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def money(self) -> dict[str, Decimal]:
        return money_at_stake(self.rows)

    @property
    def documents(self) -> list[tuple[str, int, dict[str, Decimal]]]:
        """What would be written: title, how many, how much of each currency."""
        by_title: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.rows:
            for planned in row.get("planned") or []:
                by_title[planned["title"]].append(planned)
        return [(title, len(planned), money_at_stake(planned)) for title, planned in by_title.items()]


_FIRST = ("would_write", "nothing_to_do")


def outcomes_of(rows: Iterable[dict[str, Any]]) -> list[Outcome]:
    """What would go through first; then what would wait again, each reason by itself, most numerous first."""
    found: dict[tuple[str, str], Outcome] = {}
    for row in rows:
        # Reasons quote the record; those of one cause differ in that only.
        why = "" if row["outcome"] in _FIRST else str(row.get("cause") or row["reason"])
        outcome = found.setdefault(
            (row["outcome"], why),
            Outcome(row["outcome"], "" if row["outcome"] == "would_write" else row["reason"], row.get("cure", "")),
        )
        outcome.rows.append(row)
    return sorted(found.values(), key=_rank)


def _rank(outcome: Outcome) -> tuple[int, int]:
    place = _FIRST.index(outcome.outcome) if outcome.outcome in _FIRST else len(_FIRST)
    return place, -len(outcome.rows)
