"""One record: what it became, everything that was tried, and what a person can do about it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from flows.outline import flow_titles_of
from runs.models import Record, Replay, Run, StepBatch
from runs.pages.attention import how_asked
from runs.preview import preview
from runs.replays import record_run_again, run_cancel, runs_replay
from runs.selectors import RunTimeline, documents_of, record_get, record_timelines
from runs.steps import step_at, step_payload
from tenants.audit import audit_record
from tenants.clock import database_now
from tenants.pages import MemberRequest, member_page
from tenants.roles import Capability


@member_page(Capability.VIEW)
@require_GET
def record_detail(request: MemberRequest, record_id: int) -> HttpResponse:
    return _page(request, record_get(request.organisation, record_id))


@member_page(Capability.DECIDE_RUNS)
@require_POST
def record_dry_run(request: MemberRequest, record_id: int) -> HttpResponse:
    """What a run would do now. Asks both systems, writes nothing, and so changes nothing here either."""
    record = record_get(request.organisation, record_id)
    items = preview(record.installation, [(record.record_type, record.record_id)])
    return _page(request, record, foreseen=items[0])


@member_page(Capability.DECIDE_RUNS)
@require_POST
def record_again(request: MemberRequest, record_id: int) -> HttpResponse:
    record, at = record_get(request.organisation, record_id), database_now()
    run = record.latest_run
    if run is not None and run.state not in Run.TERMINAL:
        woken = runs_replay(
            organisation=request.organisation, runs=[run], at=at, by=request.user, how=how_asked(request)
        )
        text = "It is being tried again." if woken else "It is being worked on right now."
    else:
        record_run_again(record=record, at=at, by=request.user)
        text = "It is being run again. What was written already stays as it is."
    messages.success(request, text)
    return _back(record, request)


@member_page(Capability.DECIDE_RUNS)
@require_POST
def record_let_go(request: MemberRequest, record_id: int) -> HttpResponse:
    record = record_get(request.organisation, record_id)
    reason = request.POST.get("reason", "").strip()[:500]
    if not reason:
        messages.error(request, "Please say why, for those who look at this later. Nothing was changed.")
    elif record.latest_run is None or record.latest_run.state in Run.TERMINAL:
        messages.error(request, "There is nothing open to let go.")
    elif run_cancel(run=record.latest_run, reason=reason, at=database_now(), by=request.user):
        messages.success(request, "Let go. The next change of this order opens it again.")
    else:
        messages.error(request, "It is being worked on right now. Look again in a moment.")
    return _back(record, request)


@member_page(Capability.VIEW_PAYLOADS)
@require_GET
def step_detail(request: MemberRequest, batch_id: int, place: int) -> HttpResponse:
    """What went in and came out of one step. May hold personal data, so every opening is written down."""
    batches = StepBatch.objects.for_tenant(request.organisation).select_related("run__record")
    batch = get_object_or_404(batches, pk=batch_id)
    try:
        step = step_at(batch, place)
    except IndexError as error:
        raise Http404 from error
    record = batch.run.record
    audit_record(
        organisation=request.organisation,
        action="step.payload_opened",
        actor=request.user,
        target=batch,
        details={"record": f"{record.record_type}:{record.record_id}", "step": step.path},
    )
    fragment = request.headers.get("X-Fragment") == "1"
    context = {"step": step, "record": record, "payload": step_payload(batch, place)}
    return render(request, "runs/_step_payload.html" if fragment else "runs/step.html", context)


def _replays(timelines: list[RunTimeline]) -> dict[int, dict[int, Replay]]:
    """By run and attempt: who had it tried again, and how."""
    found: dict[int, dict[int, Replay]] = {timeline.run.pk: {} for timeline in timelines}
    for replay in Replay.unscoped.filter(run__in=list(found)).select_related("pair_version"):
        found[replay.run_id][replay.attempt] = replay
    return found


def _page(request: MemberRequest, record: Record, **more: object) -> HttpResponse:
    timelines = record_timelines(record)
    run = record.latest_run
    context = {
        "record": record,
        "installation": record.installation,
        "run": record.latest_run,
        "flow_titles": flow_titles_of(record.installation),
        "currency": str(record.facts.get("currency", "")),
        "documents": documents_of(record),
        "timelines": timelines,
        "replays": _replays(timelines),
        "on_other_version": run is not None and run.pair_version_id != record.installation.pair_version_id,
        "alerts": list(record.alerts.order_by("-pk")[:10]),
        "is_open": record.latest_run is not None and record.latest_run.state not in Run.TERMINAL,
        **more,
    }
    return render(request, "runs/record.html", context)


def _back(record: Record, request: MemberRequest) -> HttpResponse:
    return redirect("runs:record-detail", slug=request.organisation.slug, record_id=record.pk)
