"""Does anything get slower as history grows? Claim, pages and search on few and on many finished runs."""

from __future__ import annotations

import inspect
import time
from datetime import timedelta
from typing import Any

from bench.bench import Bench
from bench.figures import median, ratio
from bench.inprocess import store, work
from bench.load import order_ids
from bench.queue_size import QueueSize
from bench.sixcall.tenant import Tenant

BUSY = 4
DORMANT_RUNS = 500
CLAIMS = 25
CLAIM_SIZE = 64
LOOKS = 9
YEARS = timedelta(days=2 * 365)
EMAIL = "ada@example.test"


def measure(bench: Bench) -> dict[str, Any]:
    if not bench.stack.database_url:
        bench.say("growth needs PostgreSQL (DATABASE_URL); left out")
        return {}
    bench.workers(False)
    small, large = _sizes(bench)
    growth = _Growth(bench)
    queue = growth.queue_size(bench.options.events or (10_000 if bench.quick else 1_000_000))
    before, after = growth.at(small), growth.at(large)
    grown = {name: ratio(after[name], before[name]) for name in before}
    return {
        "growth_runs": [small, large],
        "growth_before": before,
        "growth_after": after,
        "growth": grown,
        "claim_growth": grown["claim_ms"],
        "page_growth": max(value for name, value in grown.items() if name.startswith(("pair", "home"))),
        "search_growth": max(value for name, value in grown.items() if name.startswith("search")),
        **queue,
    }


def _sizes(bench: Bench) -> tuple[int, int]:
    if bench.options.sizes:
        small, large = (int(part) for part in bench.options.sizes.split(","))
        return small, large
    return (20_000, 500_000) if bench.quick else (50_000, 5_000_000)


class _Growth:
    """Tenants with one real order each, then ever more history."""

    def __init__(self, bench: Bench) -> None:
        from django.test import Client

        from tenants.models import User

        self.say, self.filled = bench.say, 0
        self.busy = [bench.tenant(f"busy-{number}") for number in range(BUSY)]
        self.dormant = bench.tenant("dormant")
        work(bench.stack, [*self.busy, self.dormant], 1)
        _search_terms([*self.busy, self.dormant])
        self.browser = Client(SERVER_NAME="127.0.0.1")
        self.browser.force_login(User.objects.create_superuser("bench@causeway.example", "bench-password"))
        _member_everywhere()

    def at(self, runs: int) -> dict[str, float]:
        """:returns: milliseconds with ``runs`` finished runs in the tables."""
        self._fill(runs)
        found = {"claim_ms": self._claim()}
        for name, tenant in (("busy", self.busy[0]), ("dormant", self.dormant)):
            for label, path in _pages(tenant).items():
                found[f"{label}_{name}_ms"] = self._page(path)
        self.say(f"{runs} runs: " + "  ".join(f"{name} {value:.2f}" for name, value in found.items()))
        return {name: round(value, 3) for name, value in found.items()}

    def _fill(self, runs: int) -> None:
        from bench.growth import fill
        from tenants.clock import database_now

        began, now = time.monotonic(), database_now()
        if not self.filled:
            fill([self.dormant.installation_id], DORMANT_RUNS, newest=now - YEARS, every=timedelta(minutes=10))
        more = runs - self.filled
        fill(
            [tenant.installation_id for tenant in self.busy],
            more,
            newest=now - timedelta(minutes=5),
            every=YEARS / runs,
            payloads_from=now - timedelta(days=90),
        )
        self.filled = runs
        self.say(f"filled {more} runs in {time.monotonic() - began:.0f} s")

    def _claim(self) -> float:
        """Median of claims that commit, on a queue of a thousand events and more."""
        store(self.busy[0], order_ids(CLAIMS * CLAIM_SIZE))
        times = []
        for _ in range(CLAIMS):
            began = time.perf_counter()
            claimed = self._claim_once(CLAIM_SIZE)
            times.append((time.perf_counter() - began) * 1000)
            assert len(claimed) == CLAIM_SIZE, f"claimed {len(claimed)}"
            _finish(claimed)
        return median(times)

    def queue_size(self, events: int) -> dict[str, Any]:
        return QueueSize(self.busy[0].installation_id, self.say).measure(events)

    def _claim_once(self, limit: int) -> list[Any]:
        from runs.claim import events_claim

        offered = {"worker": "bench", "limit": limit, "lease_seconds": 60.0, "turn": 0}
        taken = {name: value for name, value in offered.items() if name in inspect.signature(events_claim).parameters}
        return events_claim(**taken)

    def _page(self, path: str) -> float:
        times = []
        for _ in range(LOOKS + 1):
            began = time.perf_counter()
            reply = self.browser.get(path)
            times.append((time.perf_counter() - began) * 1000)
            assert reply.status_code == 200, f"{path} answered {reply.status_code}"
        return median(times[1:])


def _finish(claimed: list[Any]) -> None:
    """As a flush ends them: their rows go and their runs are done. Left open, they were a backlog that pages show."""
    from runs.models import InboxEvent, Run
    from tenants.clock import database_now

    InboxEvent.unscoped.filter(pk__in=[item.event_id for item in claimed]).delete()
    runs = Run.unscoped.filter(pk__in=[item.run.pk for item in claimed])
    runs.update(state=Run.State.DONE, finished_at=database_now())


def _pages(tenant: Tenant) -> dict[str, str]:
    from flows.models import Installation
    from runs.models import Record

    installation = Installation.unscoped.select_related("organisation").get(pk=tenant.installation_id)
    base = f"/o/{installation.organisation.slug}/pairs/{installation.pk}/"
    some = Record.unscoped.filter(installation=installation).latest("pk")
    return {
        "pair": base,
        "pair_done": f"{base}?state=done",
        "home": f"/o/{installation.organisation.slug}/",
        "search_number": f"{base}?q={some.record_id}",
        "search_document": f"{base}?q=inv-{some.record_id}",
        "search_nothing": f"{base}?q=nothing-like-it",
        "search_email": f"{base}?q={EMAIL}",
    }


def _member_everywhere() -> None:
    from tenants.clock import database_now
    from tenants.models import Membership, Organisation, Role, User

    user = User.objects.get()
    for organisation in Organisation.objects.all():
        Membership.unscoped.create(organisation=organisation, user=user, role=Role.OWNER, created_at=database_now())


def _search_terms(tenants: list[Tenant]) -> None:
    """Three per order, as a shop's orders have them; growth multiplies them with the order."""
    from runs.models import Record, SearchTerm
    from tenants.blind_index import Searchable, blind_index
    from tenants.clock import database_now

    said = {"email": EMAIL, "phone": "+49 30 1234567", "name": "Ada Lovelace"}
    for record in Record.unscoped.filter(installation_id__in=[tenant.installation_id for tenant in tenants]):
        for kind, value in said.items():
            digest = blind_index(record.organisation_id, Searchable(kind), value)
            SearchTerm.unscoped.create(
                organisation_id=record.organisation_id, record=record, digest=digest, created_at=database_now()
            )
