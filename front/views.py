"""The door: what Causeway does, for visitors; straight to work, for members."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from tenants.selectors import organisations_of


def front_page(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return render(request, "front/front.html")
    organisations = list(organisations_of(request.user)[:100])
    if len(organisations) == 1:
        return redirect("runs:home", slug=organisations[0].slug)
    if not organisations:
        return redirect("tenants:organisation-new")
    return render(request, "front/organisations.html", {"organisations": organisations})
