"""Pages without a tenant."""

from django.urls import path

from front import views

app_name = "front"
urlpatterns = [path("", views.front_page, name="front")]
