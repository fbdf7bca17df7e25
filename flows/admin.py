"""The operators' view of pairs and installations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from flows.models import Installation, PairVersion
from flows.services import (
    InstallationRefused,
    installation_settings_change,
    installation_state_set,
    installation_version_set,
)
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
    readonly_fields = [
        "organisation", "pair_version", "source_account", "target_account", "created_at", "updated_at",
    ]  # fmt: skip
    list_select_related = ["organisation", "pair_version"]
    actions = ["pause", "resume", "move_to_newest"]

    def save_model(self, request: HttpRequest, obj: Installation, form: Any, change: bool) -> None:
        """Settings go through the service, which checks them and writes the tenant's book."""
        if "settings" in form.changed_data:
            wanted, obj.settings = obj.settings, form.initial["settings"]
            try:
                installation_settings_change(installation=obj, settings=wanted, at=database_now(), by=request.user)  # type: ignore[arg-type]
            except InstallationRefused as refused:
                messages.error(request, f"The settings were not changed: {refused}")
        super().save_model(request, obj, form, change)

    @admin.action(description="Move to the newest version of the pair")
    def move_to_newest(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        """Open runs keep the version they began with; a replay may run on either."""
        for installation in queryset.select_related("pair_version"):
            newest = PairVersion.objects.filter(pair_key=installation.pair_version.pair_key).order_by("-number")[0]
            try:
                installation_version_set(installation=installation, version=newest, at=database_now(), by=request.user)  # type: ignore[arg-type]
                messages.success(request, f"{installation.name} is on {newest} now.")
            except InstallationRefused as refused:
                messages.error(request, f"{installation.name} stays on {installation.pair_version}: {refused}")

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
