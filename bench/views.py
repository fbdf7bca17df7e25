"""What the webhook door is compared with, on the same server."""

from __future__ import annotations

import json

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django_q.tasks import async_task

from bench.models import BareInsert, TaskOrder
from connections.models import Connection
from connectors.registry import CONNECTORS


@csrf_exempt
def bare_insert(request: HttpRequest) -> HttpResponse:
    """One committed row per request and nothing besides: no signature, no look-up, no deduplication, no nudge."""
    BareInsert.objects.create(body=json.loads(request.body))
    return HttpResponse("stored\n")


@csrf_exempt
def task_hook(request: HttpRequest, public_id: str, cluster: str) -> HttpResponse:
    """The usual way: verify, store a row, queue one task for it after the commit."""
    connection = Connection.unscoped.get(webhook_public_id=public_id)
    webhook = CONNECTORS[connection.connector].webhook
    headers = {key.lower(): value for key, value in request.headers.items()}
    webhook.verify(headers, request.body, connection.sealed_get("sealed_webhook_secret").decode())
    with transaction.atomic():
        for hint in webhook.parse(headers, request.body):
            order = TaskOrder.objects.create(order=hint.record_id)
            transaction.on_commit(lambda pk=order.pk: async_task("bench.tasks.work", pk, cluster=cluster))
    return HttpResponse("stored\n")
