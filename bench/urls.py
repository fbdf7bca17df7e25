from django.urls import path

from bench import views
from config.urls import urlpatterns as product

urlpatterns = [
    path("bench/bare", views.bare_insert),
    path("bench/task/<str:public_id>", views.task_hook),
    *product,
]
