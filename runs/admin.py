"""The operators' desk: find a run by what a customer says on the phone, see why, try again. Payloads stay sealed."""

from __future__ import annotations

import json

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from runs.models import (
    Alert,
    CauseAction,
    CauseNotice,
    HookRefusal,
    ImportJob,
    InboxEvent,
    PollCursor,
    Record,
    RecordLink,
    Replay,
    Run,
    StepBatch,
    StreamLease,
    WorkerSlot,
)
from runs.replays import run_cancel, runs_replay
from runs.steps import steps_of_batch
from tenants.clock import database_now
from tenants.models import Organisation


class ReadOnlyAdmin(admin.ModelAdmin):
    """What happened is looked at, not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False


class StepInline(admin.TabularInline):
    model = StepBatch
    fields = ["attempt", "written_at", "what_happened"]
    readonly_fields = ["attempt", "written_at", "what_happened"]
    extra = 0
    can_delete = False
    ordering = ["attempt", "first_sequence"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[StepBatch]:
        return super().get_queryset(request).defer("sealed")

    @admin.display(description="steps")
    def what_happened(self, batch: StepBatch) -> str:
        """States, notes and errors; never what went in or came out."""
        rows = (
            (step.path, step.state, f"{step.seconds:.3f} s", step.note, step.external_id, json.dumps(step.error or ""))
            for step in steps_of_batch(batch)
        )
        return format_html_join(mark_safe("<br>"), "<b>{}</b> {} {} {} {} <code>{}</code>", rows)

    def has_add_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ["record", "organisation", "coloured_state", "via", "attempts", "short_reason", "received_at"]
    list_filter = ["state", "via", "installation__pair_version__pair_key"]
    search_fields = [
        "public_id",
        "cause",
        "record__label",
        "record__record_id",
        "links__external_id",
        "organisation__name",
    ]
    list_select_related = ["record", "organisation"]
    exclude = ["calls"]
    inlines = [StepInline]
    actions = ["replay", "let_go"]
    date_hierarchy = "received_at"

    @admin.display(description="state", ordering="state")
    def coloured_state(self, run: Run) -> str:
        colour = {"done": "#1a7f37", "skipped": "#57606a", "held": "#9a6700", "dead": "#cf222e"}.get(
            run.state, "#0969da"
        )
        return format_html('<b style="color:{}">{}</b>', colour, run.get_state_display())

    @admin.display(description="reason")
    def short_reason(self, run: Run) -> str:
        return run.reason[:120]

    @admin.action(description="Try the selected runs again")
    def replay(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        woken = 0
        for organisation in Organisation.objects.filter(pk__in=queryset.values("organisation_id")):
            rows = list(queryset.filter(organisation=organisation))
            woken += runs_replay(organisation=organisation, runs=rows, at=database_now(), by=request.user)  # type: ignore[arg-type]
        messages.success(request, f"{woken} runs will be tried again.")

    @admin.action(description="Let the selected open runs go (nothing more is written)")
    def let_go(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        gone = sum(
            run_cancel(run=run, reason="let go by support", at=database_now(), by=request.user)  # type: ignore[arg-type]
            for run in queryset.exclude(state__in=Run.TERMINAL)
        )
        messages.success(request, f"{gone} runs were let go.")


@admin.register(Record)
class RecordAdmin(ReadOnlyAdmin):
    list_display = ["label", "record_type", "record_id", "organisation", "unclean", "updated_at"]
    list_filter = ["record_type", "unclean", "imported"]
    search_fields = ["record_id", "label", "organisation__name"]
    list_select_related = ["organisation"]


@admin.register(RecordLink)
class RecordLinkAdmin(ReadOnlyAdmin):
    list_display = ["record", "operation", "external_id", "qualifier", "adopted", "created_at", "taken_back_at"]
    list_filter = ["operation", "adopted"]
    search_fields = ["external_id", "record__record_id", "record__label", "organisation__name"]
    list_select_related = ["record"]


@admin.register(InboxEvent)
class InboxEventAdmin(ReadOnlyAdmin):
    list_display = ["record", "organisation", "state", "via", "attempts", "due_at", "not_before", "worker", "dirty"]
    list_filter = ["state", "via"]
    search_fields = ["record__record_id", "record__label", "organisation__name"]
    list_select_related = ["record", "organisation"]


@admin.register(PollCursor)
class PollCursorAdmin(ReadOnlyAdmin):
    list_display = ["connection", "trigger", "interval_seconds", "due_at", "latest_ok_at", "failures", "latest_error"]
    list_filter = ["trigger"]
    list_select_related = ["connection"]


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "organisation", "kind", "text", "seen_at"]
    list_filter = ["kind"]
    search_fields = ["text", "organisation__name"]
    list_select_related = ["organisation"]


@admin.register(HookRefusal)
class HookRefusalAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "connection", "hook_id", "reason"]
    search_fields = ["hook_id", "reason"]
    list_select_related = ["connection"]


@admin.register(ImportJob)
class ImportJobAdmin(ReadOnlyAdmin):
    list_display = ["public_id", "organisation", "installation", "first_day", "last_day", "state", "created_at"]
    list_filter = ["state"]
    list_select_related = ["organisation", "installation"]


@admin.register(CauseNotice)
class CauseNoticeAdmin(ReadOnlyAdmin):
    """Which causes there are, in whose pair, since when, and whether their people have been told."""

    list_display = ["cause", "organisation", "installation", "first_at", "created_at", "mailed_at", "closed_at"]
    list_filter = [("closed_at", admin.EmptyFieldListFilter), "installation__pair_version__pair_key"]
    search_fields = ["cause", "organisation__name", "installation__name"]
    list_select_related = ["organisation", "installation"]


@admin.register(CauseAction)
class CauseActionAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "organisation", "kind", "count", "state", "cause", "by_label", "reason"]
    list_filter = ["kind", "state"]
    search_fields = ["cause", "organisation__name", "by_label"]
    list_select_related = ["organisation"]
    exclude = ["rows", "run_ids"]


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin):
    list_display = ["asked_at", "organisation", "run", "attempt", "resume", "pair_version", "by_label"]
    search_fields = ["organisation__name", "by_label", "run__record__record_id"]
    list_select_related = ["organisation", "run", "pair_version"]


@admin.register(WorkerSlot)
class WorkerSlotAdmin(ReadOnlyAdmin):
    list_display = ["number", "host", "place", "host_seen_at", "alive", "worker", "heartbeat_at", "nudged_at"]
    list_filter = ["host"]


@admin.register(StreamLease)
class StreamLeaseAdmin(ReadOnlyAdmin):
    list_display = ["connection", "trigger", "holder", "lease_expires_at", "latest_ok_at", "failures", "latest_error"]
    list_select_related = ["connection"]
