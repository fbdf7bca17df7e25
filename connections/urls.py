"""Pages of this room."""

from django.urls import path

from connections import views

app_name = "connections"
urlpatterns = [
    path("o/<slug:slug>/connections/", views.connection_list, name="connection-list"),
    path("o/<slug:slug>/connections/<uuid:connection_id>/", views.connection_detail, name="connection-detail"),
    path("o/<slug:slug>/connections/<uuid:connection_id>/test", views.connection_try, name="connection-test"),
    path(
        "o/<slug:slug>/connections/<uuid:connection_id>/credentials",
        views.connection_credentials,
        name="connection-credentials",
    ),
    path("o/<slug:slug>/connections/<uuid:connection_id>/switch", views.connection_switch, name="connection-switch"),
]
