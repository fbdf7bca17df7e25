"""The gate of every page of an organisation: who asks, may they, and in which time zone times are shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from tenants.models import Organisation, User
from tenants.roles import Capability, capabilities_of
from tenants.selectors import organisation_of


class MemberRequest(HttpRequest):
    """A request that passed ``member_page``: somebody who is a member, and of what."""

    user: User
    organisation: Organisation
    capabilities: frozenset[Capability]


def member_page(
    needs: Capability, *, to_write: Capability | None = None
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Let members of the organisation named by ``slug`` in; the view gets the request without the slug.

    Visitors are sent to the log-in page, strangers get 404 (they must not learn what exists), members without the
    capability 403.

    :param to_write: a stronger capability asked for anything but GET and HEAD.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @login_required
        @wraps(view)
        def gate(request: MemberRequest, slug: str, *args: Any, **named: Any) -> HttpResponse:
            try:
                organisation = organisation_of(request.user, slug)
            except Organisation.DoesNotExist:
                raise Http404 from None
            request.organisation = organisation
            request.capabilities = capabilities_of(request.user, organisation)
            needed = needs if request.method in ("GET", "HEAD") else to_write or needs
            if needed not in request.capabilities:
                raise PermissionDenied("Your role does not allow this. Ask an owner of the organisation.")
            with timezone.override(ZoneInfo(organisation.time_zone)):
                try:
                    return view(request, *args, **named)
                except ObjectDoesNotExist:  # selectors say so of rows that are not there and of other tenants' alike
                    raise Http404 from None

        gate.member_page = True  # type: ignore[attr-defined]
        return gate

    return decorate
