"""Pages about connections: are they well, test them, replace their credentials, pause them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.catalogue import connector_of
from connections.errors import ConnectionRefusal
from connections.models import Connection
from connections.selectors import connection_get, connections_halted, connections_of
from connections.services import (
    connection_pause,
    connection_replace_credentials,
    connection_resume,
    connection_test,
    webhook_url,
)
from connectors.base.errors import ConnectorError
from tenants.clock import database_now
from tenants.pages import MemberRequest, member_page
from tenants.roles import Capability

MOST_LISTED = 200


@member_page(Capability.VIEW)
@require_GET
def connection_list(request: MemberRequest) -> HttpResponse:
    rows = list(connections_of(request.organisation)[:MOST_LISTED])
    return render(request, "connections/list.html", {"connections": rows, "halted": connections_halted(rows)})


@member_page(Capability.VIEW)
@require_GET
def connection_detail(request: MemberRequest, connection_id: UUID) -> HttpResponse:
    connection = connection_get(request.organisation, connection_id)
    connector = connector_of(connection.connector)
    context = {
        "connection": connection,
        "connector": connector,
        "halted": connections_halted([connection]).get(connection.pk, ""),
        "shown": [(field.label, _shown(field, connection)) for field in connector.fields if not field.secret],
        "hook": webhook_url(connection) if connector.webhook else "",
    }
    return render(request, "connections/detail.html", context)


def _shown(field: Any, connection: Connection) -> str:
    value = str(connection.settings.get(field.name, ""))
    return dict(field.choices).get(value, value)


@member_page(Capability.MANAGE_CONNECTIONS)
@require_POST
def connection_try(request: MemberRequest, connection_id: UUID) -> HttpResponse:
    """Ask the provider now; what it says is shown and kept."""
    connection = connection_get(request.organisation, connection_id)
    _test(request, connection)
    return _back(request, connection)


def _test(request: MemberRequest, connection: Connection) -> None:
    try:
        facts = connection_test(connection=connection, at=database_now(), by=request.user)
    except ConnectorError as error:
        messages.error(request, f"{error.customer_text} {error.cure}".strip())
    except ConnectionRefusal as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"It works. This is {facts.name or facts.account_id}.")


@member_page(Capability.MANAGE_CONNECTIONS)
@require_http_methods(["GET", "POST"])
def connection_credentials(request: MemberRequest, connection_id: UUID) -> HttpResponse:
    connection = connection_get(request.organisation, connection_id)
    connector = connector_of(connection.connector)
    typed: Mapping[str, str] = {key: str(value) for key, value in connection.settings.items()}
    error, blamed = "", ""
    if request.method == "POST":
        typed = {field.name: request.POST.get(field.name, "") for field in connector.fields}
        try:
            connection_replace_credentials(connection=connection, values=typed, at=database_now(), by=request.user)
        except ConnectionRefusal as refusal:
            error, blamed = str(refusal), refusal.field
        else:
            _test(request, connection)
            return _back(request, connection)
    fields = [
        (field, "" if field.secret else typed.get(field.name, field.default), error if field.name == blamed else "")
        for field in connector.fields
    ]
    context = {
        "connection": connection, "connector": connector, "fields": fields, "error": "" if blamed else error,
    }  # fmt: skip
    return render(request, "connections/credentials.html", context, status=422 if error else 200)


@member_page(Capability.MANAGE_CONNECTIONS)
@require_POST
def connection_switch(request: MemberRequest, connection_id: UUID) -> HttpResponse:
    """Pause or resume, as the posted ``to`` says."""
    connection, at = connection_get(request.organisation, connection_id), database_now()
    try:
        if request.POST.get("to") == "pause":
            connection_pause(connection=connection, reason="Paused by a person.", at=at, by=request.user)
            messages.success(request, "Paused. What arrives waits; nothing is lost.")
        else:
            connection_resume(connection=connection, at=at, by=request.user)
            messages.success(request, "Resumed. What waited goes on.")
    except ConnectionRefusal as error:
        messages.error(request, str(error))
    return _back(request, connection)


def _back(request: MemberRequest, connection: Connection) -> HttpResponse:
    return redirect("connections:connection-detail", slug=request.organisation.slug, connection_id=connection.pk)
