"""The operators' desk for connections: state, health and circuits; credentials are never shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from connections import services
from connections.circuits import circuit_close
from connections.errors import ConnectionRefusal
from connections.models import (
    CircuitState,
    Connection,
    ConnectorPause,
    RateBudget,
    RenewalLease,
    SealedCredentials,
)
from connections.pauses import connector_pause, connector_resume
from connectors.base.errors import ConnectorError
from connectors.registry import CONNECTORS
from tenants.clock import database_now
from tenants.console import ReadOnlyAdmin
from tenants.models import User


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """Searched by what a customer says: the shop, its account, the organisation, an address of a member."""

    exclude = ("sealed_webhook_secret", "webhook_public_id")
    list_display = (
        "name",
        "organisation",
        "connector",
        "account_name",
        "state",
        "state_code",
        "last_ok_at",
        "last_error_at",
    )
    list_filter = (
        "state",
        "connector",
        "state_code",
        ("last_error_at", admin.EmptyFieldListFilter),
        "state_changed_at",
    )
    list_select_related = ("organisation",)
    search_fields = (
        "name",
        "account_name",
        "account_id",
        "organisation__name",
        "organisation__slug",
        "organisation__memberships__user__email",
    )
    actions = ("pause", "resume", "test")

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        self._each(
            request,
            queryset,
            "paused",
            lambda connection: services.connection_pause(
                connection=connection, reason="Paused by support.", at=database_now(), by=_operator(request)
            ),
        )

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        self._each(
            request,
            queryset,
            "resumed",
            lambda connection: services.connection_resume(
                connection=connection, at=database_now(), by=_operator(request)
            ),
        )

    @admin.action(description="Test: asks the provider now", permissions=["change"])
    def test(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        self._each(
            request,
            queryset,
            "works",
            lambda connection: services.connection_test(
                connection=connection, at=database_now(), by=_operator(request)
            ),
        )

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Connection],
        success: str,
        act: Callable[[Connection], object],
    ) -> None:
        for connection in queryset:
            try:
                act(connection)
            except (ConnectionRefusal, ConnectorError) as error:
                self.message_user(request, f"{connection.name}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{connection.name}: {success}.", messages.SUCCESS)


@admin.register(SealedCredentials)
class SealedCredentialsAdmin(ReadOnlyAdmin):
    """That there are credentials, how old and which version; not what they are."""

    exclude = ("sealed",)
    list_display = ("connection", "organisation", "version", "updated_at")
    list_select_related = ("connection", "organisation")
    search_fields = ("connection__name", "organisation__name")


@admin.register(RenewalLease)
class RenewalLeaseAdmin(ReadOnlyAdmin):
    list_display = ("connection", "holder", "expires_at")
    list_select_related = ("connection",)
    search_fields = ("connection__name",)


@admin.register(CircuitState)
class CircuitStateAdmin(ReadOnlyAdmin):
    list_display = ("key", "failures", "opened_at", "open_until", "open_seconds", "paused_until")
    list_filter = (("open_until", admin.EmptyFieldListFilter), ("paused_until", admin.EmptyFieldListFilter))
    search_fields = ("key",)
    actions = ("close",)

    @admin.action(description="Close: let calls through again now", permissions=["change"])
    def close(self, request: HttpRequest, queryset: QuerySet[CircuitState]) -> None:
        for circuit in queryset:
            circuit_close(circuit.key)
        self.message_user(request, "Closed.", messages.SUCCESS)


class PauseForm(forms.ModelForm):
    """What an operator types: which connector, what customers read, until when."""

    connector = forms.ChoiceField(choices=lambda: [(key, one.name) for key, one in sorted(CONNECTORS.items())])

    class Meta:
        model = ConnectorPause
        fields = ("connector", "notice", "until_at")
        labels = {"until_at": "Until (empty: until you let work go on)"}

    def clean_until_at(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until_at"]
        if until is not None and until <= database_now():
            raise forms.ValidationError("The end of the pause must lie ahead.")
        return until


@admin.register(ConnectorPause)
class ConnectorPauseAdmin(ReadOnlyAdmin):
    """Stop one connector for all tenants: add a pause. Let work go on: the action, or its end."""

    list_display = ("connector", "notice", "since_at", "until_at", "by_label", "ended_at", "ended_by_label")
    list_filter = ("connector", ("ended_at", admin.EmptyFieldListFilter))
    form = PauseForm
    actions = ("resume",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_fields(self, request: HttpRequest, obj: ConnectorPause | None = None) -> Any:
        return PauseForm.Meta.fields if obj is None else self.get_readonly_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: ConnectorPause | None = None) -> list[str]:
        return [] if obj is None else super().get_readonly_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: ConnectorPause, form: Any, change: bool) -> None:
        """Through the service, which also closes what is over and writes the tenants' books."""
        if change:
            return
        made = connector_pause(
            connector=obj.connector,
            notice=obj.notice,
            until=obj.until_at,
            at=database_now(),
            by=_operator(request),
        )
        obj.pk = made.pk

    @admin.action(description="Let work go on now", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[ConnectorPause]) -> None:
        keys = set(queryset.values_list("connector", flat=True))
        ended = [key for key in keys if connector_resume(connector=key, at=database_now(), by=_operator(request))]
        self.message_user(request, f"Going on: {', '.join(sorted(ended)) or 'nothing was paused'}.", messages.SUCCESS)


@admin.register(RateBudget)
class RateBudgetAdmin(ReadOnlyAdmin):
    list_display = ("connection", "bucket", "full_at", "calls", "per_seconds", "left", "left_until")
    list_select_related = ("connection",)
    search_fields = ("connection__name",)


def _operator(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
