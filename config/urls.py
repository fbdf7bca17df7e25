"""Assembles the rooms' pages; decides nothing."""

from django.contrib import admin
from django.urls import include, path

from runs.pages.engine import engine_page

urlpatterns = [
    path("admin/engine/", admin.site.admin_view(engine_page), name="engine"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("front.urls")),
    path("", include("tenants.urls")),
    path("", include("connections.urls")),
    path("", include("flows.urls")),
    path("", include("runs.urls")),
]
