from django.conf import settings
from django.urls import path

from bench import views
from config.urls import urlpatterns as product

urlpatterns = [
    path("bench/bare", views.bare_insert),
    path("bench/task/<str:public_id>", views.task_hook, {"cluster": settings.TASK_CLUSTER}),
    path("bench/tuned-task/<str:public_id>", views.task_hook, {"cluster": settings.TUNED_TASK_CLUSTER}),
    *product,
]
