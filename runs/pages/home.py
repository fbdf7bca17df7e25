"""The organisation at a glance."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from connections.selectors import connections_halted
from runs.alerts import alert_seen
from runs.models import Alert
from runs.selectors import home_of
from tenants.clock import database_now
from tenants.pages import MemberRequest, member_page
from tenants.roles import Capability


@member_page(Capability.VIEW)
@require_GET
def home(request: MemberRequest) -> HttpResponse:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    found = home_of(request.organisation, since=midnight)
    halted = connections_halted(found.connections)
    return render(request, "runs/home.html", {"home": found, "halted": halted})


@member_page(Capability.DECIDE_RUNS)
@require_POST
def alert_dismiss(request: MemberRequest, alert_id: int) -> HttpResponse:
    alert = Alert.objects.for_tenant(request.organisation).get(pk=alert_id)
    alert_seen(alert=alert, at=database_now(), by=request.user)
    return redirect("runs:home", slug=request.organisation.slug)
