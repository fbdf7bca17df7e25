"""The operators' desk for connections: state, health and circuits; credentials are never shown."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from connections import services
from connections.circuits import circuit_close
from connections.errors import ConnectionRefusal
from connections.models import CircuitState, Connection, RateBudget, RenewalLease, SealedCredentials
from connectors.base.errors import ConnectorError
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


@admin.register(RateBudget)
class RateBudgetAdmin(ReadOnlyAdmin):
    list_display = ("connection", "full_at")
    list_select_related = ("connection",)
    search_fields = ("connection__name",)


def _operator(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
