"""One organisation with something in every room, and people at its door."""

from dataclasses import dataclass

import pytest

from flows.models import Installation
from runs.models import Alert, CauseAction, ImportJob, Record, RecordLink, Run, StepBatch
from runs.payloads import LINK, STEPS, payload_seal, steps_object
from tests.factories import NOW, InstallationFactory, MembershipFactory, RecordFactory, RunFactory

CAUSE = "a1b2c3"
ERROR = {
    "class": "Rejected",
    "code": "unknown_sku",
    "text": "KashFlow does not know the SKU TEA-9.",
    "cure": "Add the product TEA-9 in KashFlow, then replay.",
    "details": {"order total": "1234.50", "lines add up to": "1234.49"},
}


@dataclass(frozen=True)
class Books:
    """A pair with one order that is done and one that needs a correction."""

    installation: Installation
    done: Record
    dead: Record
    dead_run: Run
    step: StepBatch
    alert: Alert
    job: ImportJob
    action: CauseAction


def books_of(organisation):
    installation = InstallationFactory(organisation=organisation, name="Tea shop to books")
    done = RecordFactory(installation=installation, record_id="501", facts={"order_number": "SO-501"})
    run = RunFactory(record=done, facts={"amount": "99.50", "currency": "GBP", "document_number": "INV-77"})
    dead = RecordFactory(installation=installation, record_id="502", facts={"order_number": "SO-502"})
    dead_run = RunFactory(
        record=dead, state="dead", cause=CAUSE, error=ERROR, reason=ERROR["text"],
        facts={"amount": "1234.50", "currency": "GBP", "order_number": "SO-502"},
    )  # fmt: skip
    step = StepBatch.objects.create(
        organisation=organisation, run=run, attempt=1, first_sequence=0, written_at=NOW,
        steps=[{"path": "order-to-invoice.order", "kind": "action", "title": "Fetch the order", "state": "done",
                "started_at": NOW.isoformat(), "seconds": 0.012}],
        sealed=payload_seal(organisation.pk, STEPS, steps_object(run.pk, 1, 0),
                            [{"input": {"order_id": "501"}, "output": {"buyer": "Ada Planted"}}]),
    )  # fmt: skip
    StepBatch.objects.create(
        organisation=organisation, run=dead_run, attempt=1, first_sequence=0, written_at=NOW,
        steps=[{"path": "order-to-invoice.invoice", "kind": "action", "title": "Create the sales invoice",
                "state": "failed", "started_at": NOW.isoformat(), "seconds": 0.2,
                "error": {"customer_text": ERROR["text"], "cure": ERROR["cure"], "code": "unknown_sku"}}],
    )  # fmt: skip
    RecordLink.objects.create(
        organisation=organisation, effect_key=f"{organisation.pk}|501|invoice", installation=installation, record=done,
        run=run, operation="create_invoice", target_account="books", external_id="INV-77", created_at=NOW,
        facts={"reference": "N-501", "gross": "99.50"}, adopted=True, why="It was there already.",
        sealed=payload_seal(organisation.pk, LINK, f"{organisation.pk}|501|invoice", {}),
    )  # fmt: skip
    alert = Alert.objects.create(
        organisation=organisation, kind="double_suspected", record=done, text="Two documents answer.", created_at=NOW
    )
    job = ImportJob.objects.create(
        organisation=organisation, installation=installation, first_day=NOW.date(), last_day=NOW.date(),
        state="previewed", created_at=NOW, record_ids=["1", "2"],
        rows=[
            {"record_id": "1", "label": "SO-1", "outcome": "would_write", "reason": "", "amount": "1000.00",
             "currency": "GBP", "planned": ["Create the sales invoice"]},
            {"record_id": "2", "label": "SO-2", "outcome": "nothing_to_do", "reason": "Invoiced by hand.",
             "amount": "234.50", "currency": "GBP", "planned": []},
        ],
    )  # fmt: skip
    action = CauseAction.objects.create(
        organisation=organisation, kind="preview", cause=CAUSE, title=ERROR["text"], count=1, created_at=NOW,
        run_ids=[dead_run.pk],
        rows=[{"run": dead_run.pk, "record": dead.pk, "label": "order SO-502", "outcome": "would_write", "reason": "",
               "cure": "", "cause": "", "amount": "1234.50", "currency": "GBP",
               "planned": [{"title": "Create the invoice", "name": "N-502", "amount": "1234.50", "currency": "GBP"}]}],
    )  # fmt: skip
    return Books(installation, done, dead, dead_run, step, alert, job, action)


@pytest.fixture
def books(organisation):
    return books_of(organisation)


@pytest.fixture
def viewer(organisation):
    return MembershipFactory(organisation=organisation, user__email="viewer@example.com", role="viewer").user


@pytest.fixture
def as_(client):
    """``as_(person)``: the client, logged in as that person."""

    def log_in(person):
        client.force_login(person)
        return client

    return log_in
