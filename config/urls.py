"""Assembles the rooms' pages; decides nothing."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("front.urls")),
    path("", include("tenants.urls")),
    path("", include("connections.urls")),
    path("", include("flows.urls")),
    path("", include("runs.urls")),
]
