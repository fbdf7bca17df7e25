"""Pages and doors of this room."""

from django.urls import path

from runs.hooks import hook_receive

app_name = "runs"
urlpatterns = [
    path("hooks/<str:public_id>", hook_receive, name="hook-receive"),
]
