"""One installation: what runs through it, and its switch."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from flows.models import Installation
from flows.outline import record_types_of
from runs.listing import MOST_COUNTED, RecordPage, open_counts, records_named, records_page
from runs.models import Run
from runs.selectors import installation_get, overview
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
    counts = open_counts(installation, record_type=record_type)
    return {
        "installation": installation,
        "overview": overview(installation),
        "types": types,
        "record_type": record_type,
        "state": state,
        "search": search,
        "tabs": [(one.value, one.label, counts.get(one.value, 0)) for one in Run.State],
        "most_counted": MOST_COUNTED,
        "finished": Run.TERMINAL,
        "page": _found(request, installation, record_type=record_type, state=state, search=search),
        "query": request.GET.urlencode(),
    }


def _found(
    request: MemberRequest, installation: Installation, *, record_type: str, state: str, search: str
) -> RecordPage:
    if search:
        return records_named(installation, record_type=record_type, text=search)
    return records_page(
        installation,
        record_type=record_type,
        state=state,
        before=request.GET.get("before", ""),
        length=PAGE_LENGTH,
    )
