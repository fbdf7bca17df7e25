"""Taking back what was posted: choose, look at every document and what happens to it, confirm a count."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from flows.models import Installation
from runs.models import ImportJob, Record, TakeBack
from runs.preview import PreviewItem
from runs.selectors import installation_get, record_get
from runs.takebacks import (
    Selection,
    TakeBackRefused,
    record_keep,
    record_post_again,
    selection_records,
    takeback_get,
    takeback_post_again,
    takeback_preview,
    takeback_progress,
    takeback_start,
)
from tenants.clock import database_now
from tenants.pages import MemberRequest, member_page
from tenants.roles import Capability

PAGE_LENGTH = 25
MOST_SHOWN = 20


class DayForm(forms.Form):
    kind = forms.CharField(initial=TakeBack.Kind.DAY, widget=forms.HiddenInput)
    value = forms.DateField(label="Posted on", widget=forms.DateInput(attrs={"type": "date"}))


class OrderForm(forms.Form):
    kind = forms.CharField(initial=TakeBack.Kind.RECORD, widget=forms.HiddenInput)
    value = forms.CharField(label="Order id of the shop", max_length=200)


@member_page(Capability.VIEW, to_write=Capability.TAKE_BACK)
@require_http_methods(["GET", "POST"])
def take_back(request: MemberRequest, installation_id: int) -> HttpResponse:
    """GET with ``kind`` and ``value`` shows what would happen, asking both systems; POST with ``count`` confirms it."""
    installation = installation_get(request.organisation, installation_id)
    given = request.POST if request.method == "POST" else request.GET
    selection = Selection(given.get("kind", ""), given.get("value", "").strip()[:200])
    try:
        if request.method == "POST":
            return _begin(request, installation, selection)
        chosen = _chosen(request, installation, selection) if selection.kind else {}
    except TakeBackRefused as error:
        messages.error(request, str(error))
        chosen = {}
    return render(request, "runs/take_back.html", {**_choices(installation), **chosen})


@member_page(Capability.TAKE_BACK)
@require_POST
def take_back_undo(request: MemberRequest, installation_id: int, public_id: UUID) -> HttpResponse:
    """Post again everything of one take-back that is through."""
    installation = installation_get(request.organisation, installation_id)
    try:
        woken = takeback_post_again(take_back=takeback_get(installation, public_id), at=database_now(), by=request.user)
        messages.success(request, f"{woken} orders are being posted again, with the settings as they are now.")
    except TakeBackRefused as error:
        messages.error(request, str(error))
    return redirect("runs:take-back", slug=request.organisation.slug, installation_id=installation.pk)


@member_page(Capability.TAKE_BACK)
@require_POST
def record_repost(request: MemberRequest, record_id: int) -> HttpResponse:
    record = record_get(request.organisation, record_id)
    try:
        record_post_again(record=record, at=database_now(), by=request.user)
        messages.success(request, "It is being posted again, with the settings as they are now.")
    except TakeBackRefused as error:
        messages.error(request, str(error))
    return redirect("runs:record-detail", slug=request.organisation.slug, record_id=record.pk)


@member_page(Capability.TAKE_BACK)
@require_POST
def record_kept(request: MemberRequest, record_id: int) -> HttpResponse:
    """Withdraw a take-back that waits for a person."""
    record = record_get(request.organisation, record_id)
    try:
        record_keep(record=record, at=database_now(), by=request.user)
        messages.success(request, "It stays as it was posted.")
    except TakeBackRefused as error:
        messages.error(request, str(error))
    return redirect("runs:record-detail", slug=request.organisation.slug, record_id=record.pk)


def _begin(request: MemberRequest, installation: Installation, selection: Selection) -> HttpResponse:
    count = request.POST.get("count", "")
    begun = takeback_start(
        installation=installation,
        selection=selection,
        expected=int(count) if count.isdigit() else 0,
        at=database_now(),
        by=request.user,
    )
    messages.success(request, f"{begun.count} order{'s are' if begun.count != 1 else ' is'} being taken back.")
    return redirect("runs:take-back", slug=request.organisation.slug, installation_id=installation.pk)


def _chosen(request: MemberRequest, installation: Installation, selection: Selection) -> dict[str, Any]:
    page = Paginator(selection_records(installation, selection), PAGE_LENGTH).get_page(request.GET.get("page"))
    records: list[Record] = list(page.object_list)
    items: list[PreviewItem] = []
    if records and Capability.TAKE_BACK in request.capabilities:
        items = takeback_preview(installation, selection, first=page.start_index() - 1, most=PAGE_LENGTH)
    by_id = {item.record_id: item for item in items}
    return {
        "selection": selection,
        "count": page.paginator.count,
        "page": page,
        "rows": [(record, by_id.get(record.record_id)) for record in records],
    }


def _choices(installation: Installation) -> dict[str, Any]:
    earlier = TakeBack.objects.for_tenant(installation.organisation_id).filter(installation=installation)
    imports = ImportJob.objects.for_tenant(installation.organisation_id).filter(
        installation=installation, imported_at__isnull=False
    )
    return {
        "installation": installation,
        "day_form": DayForm(auto_id="day_%s"),
        "order_form": OrderForm(auto_id="order_%s"),
        "imports": imports.defer("record_ids", "rows")[:MOST_SHOWN],
        "earlier": [(one, takeback_progress(one)) for one in earlier.order_by("-pk")[:MOST_SHOWN]],
    }
