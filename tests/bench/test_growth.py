"""The filler copies whole orders; only what must differ differs."""

from datetime import timedelta

import pytest
from django.db import connection

from bench.growth import fill
from runs.models import InboxEvent, Record, RecordLink, Run, StepBatch
from tenants.clock import database_now
from tests.bench.test_sixcall import send

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="COPY is PostgreSQL's")


def test_copies_are_whole_orders_of_their_own(plain_stub, tenant_at, drained):
    tenant = tenant_at(plain_stub)
    send(tenant, "t-1")
    drained()
    now = database_now()
    fill(
        [tenant.installation_id],
        30,
        newest=now,
        every=timedelta(days=1),
        payloads_from=now - timedelta(days=9, hours=12),
    )
    assert [model.unscoped.count() for model in (Record, Run, RecordLink)] == [31, 31, 62]
    assert not InboxEvent.unscoped.exists()
    real, *copies = Record.unscoped.order_by("pk")
    assert {record.latest_run.record_id for record in copies} == {record.pk for record in copies}
    assert all(record.record_id in link.effect_key for record in copies for link in record.links.all())
    assert all(record.record_id not in real.links.first().effect_key for record in copies)
    kept = StepBatch.unscoped.filter(run__record__in=copies, sealed__isnull=False).values("run").distinct()
    assert kept.count() == 10  # the newest ten days
    assert Run.unscoped.order_by("-pk").first().started_at < now - timedelta(days=28)


def test_new_orders_go_on_after_a_fill(plain_stub, tenant_at, drained):
    tenant = tenant_at(plain_stub)
    send(tenant, "t-1")
    drained()
    fill([tenant.installation_id], 5, newest=database_now(), every=timedelta(days=1))
    send(tenant, "t-2")
    drained()
    assert Run.unscoped.filter(state=Run.State.DONE).count() == 7
