"""The operators' view of pairs and installations."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from flows.models import Installation, PairVersion
from flows.services import installation_state_set
from tenants.clock import database_now


@admin.register(PairVersion)
class PairVersionAdmin(admin.ModelAdmin):
    list_display = ["pair_key", "number", "title", "created_at"]
    list_filter = ["pair_key"]
    readonly_fields = ["pair_key", "number", "title", "document", "digest", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PairVersion | None = None) -> bool:
        return False


@admin.register(Installation)
class InstallationAdmin(admin.ModelAdmin):
    list_display = ["name", "organisation", "pair_version", "state", "reference_prefix", "start_at", "updated_at"]
    list_filter = ["state", "pair_version__pair_key"]
    search_fields = ["name", "organisation__name", "reference_prefix", "source_account", "target_account"]
    readonly_fields = ["organisation", "source_account", "target_account", "created_at", "updated_at"]
    list_select_related = ["organisation", "pair_version"]
    actions = ["pause", "resume"]

    @admin.action(description="Pause the selected installations")
    def pause(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        self._set(request, queryset.filter(state=Installation.State.ACTIVE), Installation.State.PAUSED)

    @admin.action(description="Switch the selected paused installations on again")
    def resume(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        self._set(request, queryset.filter(state=Installation.State.PAUSED), Installation.State.ACTIVE)

    def _set(self, request: HttpRequest, rows: QuerySet[Installation], state: str) -> None:
        count = 0
        for installation in rows:
            installation_state_set(installation=installation, state=state, at=database_now(), by=request.user)  # type: ignore[arg-type]
            count += 1
        messages.success(request, f"{count} installations are now “{Installation.State(state).label}”.")
