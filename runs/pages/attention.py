"""What waits for a person, by cause: what it is worth, what to do, what a replay would do, and the decisions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from runs.cause_previews import MOST_PREVIEWED, cause_preview
from runs.cause_selectors import (
    CauseGroup,
    action_progress,
    cause_of_slug,
    causes_count,
    causes_open,
    on_other_version,
    outcomes_of,
)
from runs.changes import DAYS_BEFORE, changes_before
from runs.models import CauseAction, Run
from runs.replays import CountChanged, How, cause_let_go, cause_replay, open_runs
from tenants.clock import database_now
from tenants.pages import MemberRequest, member_page
from tenants.roles import Capability

MOST_LISTED = 100
MOST_ACTIONS = 5
PAGE_LENGTH = 50


@member_page(Capability.VIEW)
@require_GET
def attention(request: MemberRequest) -> HttpResponse:
    groups = causes_open(request.organisation, limit=MOST_LISTED)
    total = len(groups) if len(groups) < MOST_LISTED else causes_count(request.organisation)
    return render(request, "runs/attention.html", {"groups": groups, "groups_total": total})


@member_page(Capability.VIEW)
@require_GET
def cause_detail(request: MemberRequest, cause: str) -> HttpResponse:
    group = _group(request, cause)
    runs = open_runs(request.organisation, cause=group.cause).select_related("record", "installation")
    actions = CauseAction.objects.for_tenant(request.organisation).filter(cause=group.cause).defer("rows", "run_ids")
    context = {
        "group": group,
        "page": Paginator(runs, PAGE_LENGTH).get_page(request.GET.get("page")),
        "changes": changes_before(request.organisation, group.installations, group.first_at),
        "days_before": DAYS_BEFORE,
        "on_other_version": on_other_version(request.organisation, group.cause),
        "actions": actions.order_by("-created_at", "-pk")[:MOST_ACTIONS],
        "most_previewed": MOST_PREVIEWED,
    }
    return render(request, "runs/cause.html", context)


@member_page(Capability.DECIDE_RUNS)
@require_POST
def cause_dry_run(request: MemberRequest, cause: str) -> HttpResponse:
    """What replaying them would write. Asks both systems, writes nothing there."""
    try:
        action = cause_preview(
            organisation=request.organisation,
            cause=_group(request, cause).cause,
            how=how_asked(request),
            at=database_now(),
            by=request.user,
        )
    except CountChanged as changed:
        return _told_otherwise(request, cause, changed)
    return _to_action(request, action)


@member_page(Capability.DECIDE_RUNS)
@require_POST
def cause_replayed(request: MemberRequest, cause: str) -> HttpResponse:
    """Replay the whole group, if it still has as many members as the person was told."""
    try:
        action = cause_replay(
            organisation=request.organisation,
            cause=cause_of_slug(cause),
            count=_count(request),
            how=how_asked(request),
            at=database_now(),
            by=request.user,
        )
    except CountChanged as changed:
        return _told_otherwise(request, cause, changed)
    return _to_action(request, action)


@member_page(Capability.DECIDE_RUNS)
@require_POST
def cause_gone(request: MemberRequest, cause: str) -> HttpResponse:
    """Let the whole group go, with a reason and the same count."""
    reason = request.POST.get("reason", "").strip()[:500]
    if not reason:
        messages.error(request, "Please say why, for those who look at this later. Nothing was changed.")
        return redirect("runs:cause-detail", slug=request.organisation.slug, cause=cause)
    try:
        action = cause_let_go(
            organisation=request.organisation,
            cause=cause_of_slug(cause),
            count=_count(request),
            reason=reason,
            at=database_now(),
            by=request.user,
        )
    except CountChanged as changed:
        return _told_otherwise(request, cause, changed)
    messages.success(request, f"{action.count} were let go. The next change of an order opens it again.")
    return redirect("runs:attention", slug=request.organisation.slug)


@member_page(Capability.VIEW)
@require_GET
def cause_action(request: MemberRequest, action_id: UUID) -> HttpResponse:
    """How far a preview or a bulk replay has come; the changing part alone where a page asks for it."""
    action = CauseAction.objects.for_tenant(request.organisation).get(public_id=action_id)
    fragment = request.headers.get("X-Fragment") == "1"
    template = "runs/_cause_action.html" if fragment else "runs/cause_action.html"
    return render(request, template, _action_context(request, action))


def how_asked(request: HttpRequest) -> How:
    """From a form that offers both ways: ``from`` start or step, ``version`` present or own."""
    return How(resume=request.POST.get("from") == "step", own_version=request.POST.get("version") == "own")


def _action_context(request: MemberRequest, action: CauseAction) -> dict[str, Any]:
    group = next(iter(causes_open(request.organisation, only=action.cause)), None)
    context: dict[str, Any] = {"action": action, "group": group}
    if action.kind == CauseAction.Kind.PREVIEW:
        outcomes = outcomes_of(action.rows)
        return {
            **context,
            "outcomes": outcomes,
            "looked_at": len(action.rows),
            "total": len(action.run_ids),
            "would_write": sum(len(one.rows) for one in outcomes if one.outcome == "would_write"),
            "is_changing": action.state == CauseAction.State.WORKING,
            "page": Paginator(action.rows, PAGE_LENGTH).get_page(request.GET.get("page")),
        }
    progress = action_progress(action)
    still = sum(progress.get(state, 0) for state in (Run.State.OPEN, Run.State.WAITING))
    return {
        **context,
        "progress": [(state, state.label, progress[state]) for state in Run.State if progress.get(state)],
        "through": sum(progress.values()) - still,
        "total": sum(progress.values()),
        "is_changing": still > 0,
    }


def _group(request: MemberRequest, cause: str) -> CauseGroup:
    group = next(iter(causes_open(request.organisation, only=cause_of_slug(cause))), None)
    if group is None:
        raise Http404
    return group


def _count(request: HttpRequest) -> int:
    typed = request.POST.get("count", "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else -1


def _told_otherwise(request: MemberRequest, cause: str, changed: CountChanged) -> HttpResponse:
    if not changed.count:
        messages.info(request, "Nothing of this cause is open any more.")
        return redirect("runs:attention", slug=request.organisation.slug)
    messages.error(request, str(changed))
    return redirect("runs:cause-detail", slug=request.organisation.slug, cause=cause)


def _to_action(request: MemberRequest, action: CauseAction) -> HttpResponse:
    return redirect("runs:cause-action", slug=request.organisation.slug, action_id=action.public_id)
