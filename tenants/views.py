"""Making an organisation: the first thing a new person does."""

from __future__ import annotations

from typing import cast

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from tenants.clock import database_now
from tenants.models import User
from tenants.services import organisation_create


class OrganisationForm(forms.Form):
    name = forms.CharField(label="Name of your business", max_length=200)


@login_required
def organisation_new(request: HttpRequest) -> HttpResponse:
    form = OrganisationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        organisation = organisation_create(
            name=form.cleaned_data["name"], owner=cast(User, request.user), at=database_now()
        )
        return redirect("runs:home", slug=organisation.slug)
    return render(request, "tenants/organisation_new.html", {"form": form})
