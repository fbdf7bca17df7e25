"""The six-call flow through the real door, definition and journal, against the reference's stub."""

import json
import urllib.request

import pytest
from django.test import Client

from bench.sixcall.shop import SIGNATURE_HEADER, delivery, signature
from bench.stub import WrongCounts
from runs.models import InboxEvent, Record, RecordLink, Run, StepBatch
from runs.steps import step_payload, steps_of_run


def send(tenant, order, secret=None):
    body = delivery(order, tenant.account)
    headers = {SIGNATURE_HEADER: signature(body, secret or tenant.secret)}
    return Client().post(tenant.hook, data=body, content_type="application/json", headers=headers)


def post(stub, path, body):
    request = urllib.request.Request(f"http://{stub.address}{path}", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def test_an_order_makes_the_reference_s_six_calls_once(plain_stub, tenant_at, drained):
    tenant = tenant_at(plain_stub)
    plain_stub.reset(0)
    for order in ("t-1", "t-2", "t-2"):
        assert send(tenant, order).status_code == 200
    drained()
    plain_stub.check(2)
    assert {run.state for run in Run.unscoped.all()} == {Run.State.DONE}
    assert RecordLink.unscoped.count() == 4


def test_net_amounts_are_exact_and_equal_to_the_reference_s(plain_stub, tenant_at, drained):
    tenant = tenant_at(plain_stub)
    send(tenant, "t-3")
    drained()
    run = Run.unscoped.get()
    step = next(step for step in steps_of_run(run) if step.path.endswith(".invoice"))
    sent = step_payload(StepBatch.unscoped.get(pk=step.batch_id), step.place)["input"]
    assert [line["net"] for line in sent["lines"]] == ["16.80"] * 3
    assert [line["qty"] for line in sent["lines"]] == [1, 2, 3]
    assert (sent["order_id"], sent["customer"], sent["total"]) == ("t-3", "acc-c1", "118.97")


def test_a_webhook_signed_by_somebody_else_is_refused(plain_stub, tenant_at):
    tenant = tenant_at(plain_stub)
    assert send(tenant, "t-4", secret="another").status_code == 400
    assert not InboxEvent.unscoped.exists()


def test_a_repeat_is_held_where_invoices_cannot_be_searched(plain_stub, tenant_at, drained):
    tenant = tenant_at(plain_stub)
    send(tenant, "t-5")
    Record.unscoped.update(attempt_open=True)
    drained()
    assert Run.unscoped.get().state == Run.State.HELD
    assert plain_stub.stats()["invoices"] == 0


def test_a_repeat_adopts_the_invoice_that_is_there(searchable_stub, tenant_at, drained):
    tenant = tenant_at(searchable_stub, searchable=True)
    post(searchable_stub, "/acc/invoices", {"order_id": "t-6"})
    send(tenant, "t-6")
    Record.unscoped.update(attempt_open=True)
    drained()
    searchable_stub.check(1, exact_calls=False)
    assert RecordLink.unscoped.get(operation="create_invoice").adopted


def test_a_doubled_invoice_fails_the_count(plain_stub):
    plain_stub.reset(0)
    post(plain_stub, "/acc/invoices", {"order_id": "t-7"})
    request = urllib.request.Request(f"http://{plain_stub.address}/shop/orders/t-7", b"{}", method="PUT")
    urllib.request.urlopen(request).close()
    plain_stub.check(1, exact_calls=False)
    post(plain_stub, "/acc/invoices", {"order_id": "t-7"})
    with pytest.raises(WrongCounts):
        plain_stub.check(1, exact_calls=False)


def test_an_order_that_is_not_done_fails_the_count(plain_stub):
    plain_stub.reset(0)
    with pytest.raises(WrongCounts):
        plain_stub.wait_done(1, seconds=0.2)
