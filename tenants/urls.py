"""Pages about organisations themselves."""

from django.urls import path

from tenants import views

app_name = "tenants"
urlpatterns = [path("organisations/new", views.organisation_new, name="organisation-new")]
