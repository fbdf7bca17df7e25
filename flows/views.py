"""Pages about what should happen: an installation's settings and its flows in words."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from flows.engine.definition import PairDocument
from flows.models import Installation
from flows.outline import outline_of
from flows.services import InstallationRefused, installation_settings_change
from flows.setting_forms import form_groups, form_read
from tenants.clock import database_now
from tenants.pages import MemberRequest, member_page
from tenants.roles import Capability


@member_page(Capability.VIEW, to_write=Capability.EDIT_FLOWS)
@require_http_methods(["GET", "POST"])
def installation_settings(request: MemberRequest, installation_id: int) -> HttpResponse:
    installation = _installation(request, installation_id)
    pair = PairDocument.model_validate(installation.pair_version.document["pair"])
    values, refused = installation.settings, False
    if request.method == "POST":
        values = form_read(pair, request.POST.dict(), installation.settings)
        try:
            installation_settings_change(installation=installation, settings=values, at=database_now(), by=request.user)
        except InstallationRefused:
            refused = True
        else:
            messages.success(request, "Saved. Orders from now on follow these settings.")
            return redirect(request.path)
    context = {
        "installation": installation,
        "groups": form_groups(pair, values, check=refused),
        "refused": refused,
        "may_edit": Capability.EDIT_FLOWS in request.capabilities,
    }
    return render(request, "flows/settings.html", context, status=422 if refused else 200)


@member_page(Capability.VIEW)
@require_GET
def installation_outline(request: MemberRequest, installation_id: int) -> HttpResponse:
    installation = _installation(request, installation_id)
    return render(request, "flows/outline.html", {"installation": installation, "flows": outline_of(installation)})


def _installation(request: MemberRequest, installation_id: int) -> Installation:
    rows = Installation.objects.for_tenant(request.organisation).select_related("pair_version", "source", "target")
    return rows.get(pk=installation_id)
