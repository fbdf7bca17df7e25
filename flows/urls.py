"""Pages of this room."""

from django.urls import path

from flows import views

app_name = "flows"
urlpatterns = [
    path(
        "o/<slug:slug>/pairs/<int:installation_id>/settings", views.installation_settings, name="installation-settings"
    ),
    path("o/<slug:slug>/pairs/<int:installation_id>/steps", views.installation_outline, name="installation-outline"),
]
