"""One installation: what runs through it, and its switch."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from flows.models import Installation
from flows.outline import record_types_of
from runs.models import Run
from runs.selectors import installation_get, overview, record_counts, records_found
from runs.switching import installation_switch
from tenants.clock import database_now
from tenants.pages import MemberRequest, member_page
from tenants.roles import Capability

PAGE_LENGTH = 25
SWITCHES = {Installation.State.ACTIVE.value, Installation.State.PAUSED.value}


@member_page(Capability.VIEW)
@require_GET
def pair_detail(request: MemberRequest, installation_id: int) -> HttpResponse:
    return render(request, "runs/pair.html", _pair_context(request, installation_id))


@member_page(Capability.VIEW)
@require_GET
def pair_live(request: MemberRequest, installation_id: int) -> HttpResponse:
    """The part of the page that changes by itself, with the same filters."""
    return render(request, "runs/_pair_live.html", _pair_context(request, installation_id))


@member_page(Capability.SWITCH_FLOWS)
@require_POST
def pair_switch(request: MemberRequest, installation_id: int) -> HttpResponse:
    installation = installation_get(request.organisation, installation_id)
    state = request.POST.get("state", "")
    if state in SWITCHES and installation.state != Installation.State.REMOVED:
        installation_switch(installation=installation, state=state, at=database_now(), by=request.user)
        messages.success(request, f"{installation.name} is {installation.get_state_display().lower()} now.")
    return redirect("runs:pair-detail", slug=request.organisation.slug, installation_id=installation.pk)


def _pair_context(request: MemberRequest, installation_id: int) -> dict[str, Any]:
    installation = installation_get(request.organisation, installation_id)
    types = record_types_of(installation)
    record_type = request.GET.get("type", "")
    record_type = record_type if record_type in types else types[0]
    state, search = request.GET.get("state", ""), request.GET.get("q", "").strip()[:200]
    state = state if state in Run.State.values else ""
    counts = record_counts(installation, record_type=record_type)
    found = records_found(installation, record_type=record_type, state=state, search=search)
    return {
        "installation": installation,
        "overview": overview(installation),
        "types": types,
        "record_type": record_type,
        "state": state,
        "search": search,
        "tabs": [(one.value, one.label, counts.get(one.value, 0)) for one in Run.State if counts.get(one.value)],
        "total": sum(counts.values()),
        "page": Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page")),
        "query": request.GET.urlencode(),
    }
