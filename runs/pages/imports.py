"""Import of past orders: choose days, look what would happen, import."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from runs.imports import ImportRefused, import_create, import_start
from runs.imports import import_reread as import_reread_ask
from runs.models import ImportJob
from runs.selectors import import_progress, installation_get, money_at_stake
from tenants.clock import database_now
from tenants.pages import MemberRequest, member_page
from tenants.roles import Capability

PAGE_LENGTH = 50
MOST_JOBS = 20


class DaysForm(forms.Form):
    first_day = forms.DateField(label="First day", widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(label="Last day", widget=forms.DateInput(attrs={"type": "date"}))


@member_page(Capability.VIEW, to_write=Capability.DECIDE_RUNS)
@require_http_methods(["GET", "POST"])
def import_list(request: MemberRequest, installation_id: int) -> HttpResponse:
    installation = installation_get(request.organisation, installation_id)
    form = DaysForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            job = import_create(installation=installation, at=database_now(), by=request.user, **form.cleaned_data)
            return redirect("runs:import-detail", slug=request.organisation.slug, public_id=job.public_id)
        except ImportRefused as error:
            form.add_error(None, str(error))
    jobs = ImportJob.objects.for_tenant(request.organisation).filter(installation=installation)
    rows = jobs.defer("record_ids", "rows").order_by("-created_at")[:MOST_JOBS]
    return render(request, "runs/imports.html", {"installation": installation, "form": form, "jobs": rows})


@member_page(Capability.VIEW)
@require_GET
def import_detail(request: MemberRequest, public_id: UUID) -> HttpResponse:
    job = _job(request, public_id)
    fragment = request.headers.get("X-Fragment") == "1"
    return render(request, "runs/_import.html" if fragment else "runs/import.html", _import_context(request, job))


@member_page(Capability.DECIDE_RUNS)
@require_POST
def import_begin(request: MemberRequest, public_id: UUID) -> HttpResponse:
    job = _job(request, public_id)
    try:
        woken = import_start(job=job, at=database_now(), by=request.user)
        messages.success(request, f"{woken} orders are being imported, behind those that arrive live.")
    except ImportRefused as error:
        messages.error(request, str(error))
    return redirect("runs:import-detail", slug=request.organisation.slug, public_id=job.public_id)


@member_page(Capability.DECIDE_RUNS)
@require_POST
def import_reread(request: MemberRequest, public_id: UUID) -> HttpResponse:
    """Read the same days anew, after a failure or because they have changed."""
    job = _job(request, public_id)
    if import_reread_ask(job=job, at=database_now()):
        messages.info(request, "The days are being read again.")
    return redirect("runs:import-detail", slug=request.organisation.slug, public_id=job.public_id)


def _job(request: MemberRequest, public_id: UUID) -> ImportJob:
    jobs = ImportJob.objects.for_tenant(request.organisation).select_related("installation", "organisation")
    return jobs.get(public_id=public_id)


def _import_context(request: MemberRequest, job: ImportJob) -> dict[str, Any]:
    by_outcome: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in job.rows:
        by_outcome[row["outcome"]].append(row)
    summary: list[tuple[str, int, dict[str, Decimal]]] = [
        (outcome, len(rows), money_at_stake(rows)) for outcome, rows in sorted(by_outcome.items())
    ]
    return {
        "job": job,
        "installation": job.installation,
        "summary": summary,
        "looked_at": len(job.rows),
        "total": len(job.record_ids),
        "page": Paginator(job.rows, PAGE_LENGTH).get_page(request.GET.get("page")),
        "progress": import_progress(job) if job.imported_at else {},
        "is_changing": job.state in (ImportJob.State.COLLECTING, ImportJob.State.IMPORTING),
    }
