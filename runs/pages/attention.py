"""What waits for a person, by cause; looking what a replay would do, and replaying."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from runs.models import Record, Run
from runs.preview import PreviewItem, preview
from runs.replays import open_runs, runs_replay
from runs.selectors import causes_open
from tenants.clock import database_now
from tenants.pages import MemberRequest, member_page
from tenants.roles import Capability

MOST_FORESEEN = 20
MOST_LISTED = 100


@member_page(Capability.VIEW)
@require_GET
def attention(request: MemberRequest) -> HttpResponse:
    groups = causes_open(request.organisation)
    return render(request, "runs/attention.html", {"groups": groups[:MOST_LISTED], "groups_total": len(groups)})


@member_page(Capability.VIEW)
@require_GET
def cause_detail(request: MemberRequest, cause: str) -> HttpResponse:
    return render(request, "runs/cause.html", _cause_context(request, cause))


@member_page(Capability.DECIDE_RUNS)
@require_POST
def cause_dry_run(request: MemberRequest, cause: str) -> HttpResponse:
    """What replaying the first of them would write. Asks both systems, writes nothing."""
    context = _cause_context(request, cause)
    foreseen = _foresee(context["runs"][:MOST_FORESEEN])
    return render(request, "runs/cause.html", {**context, "foreseen": foreseen})


@member_page(Capability.DECIDE_RUNS)
@require_POST
def cause_replay(request: MemberRequest, cause: str) -> HttpResponse:
    """Replay the whole group, if it still has as many members as the person was told."""
    runs = list(open_runs(request.organisation, cause=cause))
    if not runs:
        messages.info(request, "Nothing of this cause is open any more.")
        return redirect("runs:attention", slug=request.organisation.slug)
    if request.POST.get("count") != str(len(runs)):
        messages.error(request, f"There are {len(runs)} of them now. Look again, then replay them.")
        return redirect("runs:cause-detail", slug=request.organisation.slug, cause=cause)
    woken = runs_replay(organisation=request.organisation, runs=runs, at=database_now(), by=request.user)
    messages.success(request, f"{woken} of {len(runs)} are being tried again.")
    return redirect("runs:attention", slug=request.organisation.slug)


def _cause_context(request: MemberRequest, cause: str) -> dict[str, Any]:
    group = next((one for one in causes_open(request.organisation) if one.cause == cause), None)
    if group is None:
        raise Http404
    rows = open_runs(request.organisation, cause=cause).select_related("record", "installation")
    return {"group": group, "runs": list(rows[:MOST_LISTED]), "most_foreseen": MOST_FORESEEN}


def _foresee(runs: list[Run]) -> list[tuple[Record, PreviewItem]]:
    by_installation: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        by_installation[run.installation_id].append(run)
    foreseen = []
    for members in by_installation.values():
        records = [run.record for run in members]
        items = preview(members[0].installation, [(record.record_type, record.record_id) for record in records])
        foreseen += list(zip(records, items, strict=True))
    return foreseen
