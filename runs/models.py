"""What did happen: records seen, events waiting, runs and their steps, remembered effects, alerts.

The queue (``InboxEvent``) is small: one row per record with open work, deleted when finished. History (``Run``,
``StepBatch``) is kept apart. Final states of a run are never overwritten: every write is conditional, and a
trigger of the database refuses what forgot to be (so it does when links are deleted).
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from flows.models import Installation, PairVersion
from runs.payloads import LINK, STEPS, steps_object
from tenants.models import TenantModel
from tenants.scoping import tenant_key
from tenants.sealing import SealedModel


class TakeBack(TenantModel):
    """A person's decision to undo what was posted (rule C27): which records, how many, when and by whom."""

    class Kind(models.TextChoices):
        RECORD = "record", "One order"
        RUN = "run", "One run"
        DAY = "day", "One day"
        IMPORT = "import", "One import"
        START = "start", "Everything since go-live"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    installation = models.ForeignKey(Installation, on_delete=models.CASCADE, related_name="take_backs")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    value = models.CharField(max_length=200, blank=True)
    count = models.PositiveIntegerField()
    by_label = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["installation", "-created_at"], name="runs_take_back_recent")]

    def __str__(self) -> str:
        return f"take back of {self.get_kind_display().lower()} {self.value}".strip()


class Record(TenantModel):
    """One record of a source system that an installation deals with, and how it stands.

    ``attempt_open`` is set by the claim and cleared only by an attempt that ended with every outcome known; a claim
    that finds it set marks the record ``unclean``: from then on every write looks first (rule C2). ``fingerprint`` and
    ``observation`` belong to polling (rule C9). ``facts`` are what the flow said of the record: amount at stake,
    currency, document number, quantities sold and not yet invoiced. They hold no personal data.

    While ``take_back`` is set only flows that undo walk the record; ``taken_back_at`` says that they are through.
    Posting it again on purpose clears both and raises ``generation``, which makes its effects new ones.
    """

    organisation = tenant_key()
    installation = models.ForeignKey(Installation, on_delete=models.PROTECT, related_name="records", db_index=False)
    lane = models.CharField(max_length=420)
    record_type = models.CharField(max_length=40)
    record_id = models.CharField(max_length=200)
    label = models.CharField(max_length=200, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    observation = models.PositiveIntegerField(default=0)
    attempt_open = models.BooleanField(default=False)
    unclean = models.BooleanField(default=False)
    imported = models.BooleanField(default=False)
    latest_run = models.ForeignKey("Run", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    facts = models.JSONField(default=dict, blank=True)
    take_back = models.ForeignKey(TakeBack, null=True, blank=True, on_delete=models.PROTECT, related_name="records")
    taken_back_at = models.DateTimeField(null=True, blank=True)
    generation = models.PositiveSmallIntegerField(default=1)
    reference_suffix = models.CharField(max_length=10, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "lane", "record_type", "record_id"], name="runs_record_once_per_lane"
            ),
        ]
        indexes = [
            models.Index(fields=["installation", "record_type", "-updated_at"], name="runs_record_recent"),
            models.Index(
                fields=["installation"],
                name="runs_record_undoing",
                condition=Q(take_back__isnull=False, taken_back_at__isnull=True),
            ),
            # Most labels are the record's number, which is found by the constraint above.
            models.Index(
                F("organisation"), Upper("label"), name="runs_record_by_label", condition=~Q(label=F("record_id"))
            ),
            models.Index(
                fields=["organisation", "lane"], name="runs_record_pending", condition=Q(facts__has_key="pending")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.record_type} {self.label or self.record_id}"


class Run(TenantModel):
    """One execution of a pair version for one event, over all its attempts."""

    class State(models.TextChoices):
        OPEN = "open", "In progress"
        WAITING = "waiting", "Waiting to try again"
        HELD = "held", "Held for a decision"
        DEAD = "dead", "Needs a correction"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Nothing to do"
        CANCELLED = "cancelled", "Cancelled"

    TERMINAL = (State.DONE, State.SKIPPED, State.CANCELLED)
    OPEN = (State.OPEN, State.WAITING, State.HELD, State.DEAD)
    NEEDS_A_PERSON = (State.HELD, State.DEAD)

    class Via(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        POLL = "poll", "Poll"
        MANUAL = "manual", "By hand"
        IMPORT = "import", "Import of past records"
        REPLAY = "replay", "Replay"
        FOLLOW = "follow", "Follow-up"
        TAKE_BACK = "take_back", "Taking back"
        STREAM = "stream", "Stream"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organisation = tenant_key()
    installation = models.ForeignKey(Installation, on_delete=models.PROTECT, related_name="runs", db_index=False)
    pair_version = models.ForeignKey(PairVersion, on_delete=models.PROTECT, related_name="+", db_index=False)
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="runs")
    via = models.CharField(max_length=10, choices=Via.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    attempts = models.PositiveIntegerField(default=0)
    reason = models.TextField(blank=True)
    error = models.JSONField(null=True, blank=True)
    cause = models.CharField(max_length=64, blank=True)
    calls = models.JSONField(default=dict, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    received_at = models.DateTimeField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    traceparent = models.CharField(max_length=55, blank=True, default="", db_default="")

    class Meta:
        indexes = [
            # Open work is found without looking at history; the states are those of OPEN.
            models.Index(
                fields=["installation", "state"],
                name="runs_run_open",
                condition=Q(state__in=["open", "waiting", "held", "dead"]),
            ),
            models.Index(
                fields=["installation", "finished_at", "state"],
                name="runs_run_ended",
                condition=Q(finished_at__isnull=False),
            ),
            models.Index(fields=["installation", "id"], name="runs_run_imported", condition=Q(via="import")),
            models.Index(
                fields=["organisation", "cause"], name="runs_run_open_causes", condition=Q(state__in=["held", "dead"])
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["open", "waiting", "held", "dead", "done", "skipped", "cancelled"]),
                name="runs_run_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["done", "skipped", "cancelled"]) | Q(finished_at__isnull=False),
                name="runs_run_finished_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.public_id}"


class InboxEvent(TenantModel):
    """Open work on one record: at most one row, so two events about one record never run at once (rule C8).

    News that arrives before the claim merges into the row; after the claim it sets ``dirty`` and costs one more read
    (rule C9). ``not_before`` is the settle time after an unknown outcome; waking never moves an event before it (C3).
    All times are the database's clock (C11). ``traceparent`` is the trace of the news that opened it (W3C form).
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        LEASED = "leased", "Being worked on"
        HELD = "held", "Held"
        DEAD = "dead", "Dead letter"

    # Live news goes before imports. Claims look for exactly these.
    PRIORITIES = (0, 10)

    record = models.OneToOneField(Record, on_delete=models.CASCADE, related_name="event")
    organisation = tenant_key()
    installation = models.ForeignKey(Installation, on_delete=models.CASCADE, related_name="events", db_index=False)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    via = models.CharField(max_length=10, choices=Run.Via.choices)
    priority = models.SmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    due_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    merged = models.PositiveIntegerField(default=0)
    dirty = models.BooleanField(default=False)
    attempts = models.PositiveIntegerField(default=0)
    counted_failures = models.PositiveIntegerField(default=0)
    fence = models.BigIntegerField(default=0)
    worker = models.CharField(max_length=80, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    traceparent = models.CharField(max_length=55, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "leased", "held", "dead"]), name="runs_event_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="leased") | Q(lease_expires_at__isnull=False), name="runs_event_leased_has_expiry"
            ),
            models.CheckConstraint(condition=Q(priority__in=[0, 10]), name="runs_event_priority_is_served"),
        ]
        indexes = [
            models.Index(
                fields=["installation", "priority", "due_at", "id"],
                name="runs_event_ready",
                condition=Q(state="waiting"),
            ),
            models.Index(fields=["lease_expires_at"], name="runs_event_leases", condition=Q(state="leased")),
        ]

    def __str__(self) -> str:
        return f"event of record {self.record_id}"


class StepBatch(SealedModel):
    """The steps of one attempt that one flush wrote, numbered from ``first_sequence``. Read by ``runs.steps``.

    ``steps`` says what happened without personal data; ``sealed`` holds each step's input, output and failed calls
    under the tenant's key, in the same order, until the retention time is over. One row per flush instead of one per
    step: a step costs a tenth of a row, and history is a tenth of the size.
    """

    organisation = tenant_key()
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="step_batches", db_index=False)
    attempt = models.PositiveIntegerField()
    first_sequence = models.PositiveIntegerField()
    steps = models.JSONField(default=list)
    sealed = models.BinaryField(null=True, blank=True)
    written_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["run", "attempt", "first_sequence"], name="runs_steps_in_order")]
        verbose_name_plural = "step batches"

    sealed_columns = {"sealed": STEPS}

    def __str__(self) -> str:
        return f"attempt {self.attempt} from step {self.first_sequence}"

    def sealed_object_id(self) -> str:
        return steps_object(self.run_id, self.attempt, self.first_sequence)


class RecordLink(SealedModel):
    """A remembered effect: our record ↔ the record over there. Unique on the effect key (rule C1), kept for ever."""

    effect_key = models.CharField(max_length=600)
    organisation = tenant_key()
    installation = models.ForeignKey(Installation, on_delete=models.PROTECT, related_name="links", db_index=False)
    record = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="links", db_index=False)
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="links")
    operation = models.CharField(max_length=80)
    target_account = models.CharField(max_length=200)
    qualifier = models.CharField(max_length=200, blank=True)
    external_id = models.CharField(max_length=200)
    adopted = models.BooleanField(default=False)
    why = models.TextField(blank=True)
    facts = models.JSONField(default=dict, blank=True)
    sealed = models.BinaryField()
    created_at = models.DateTimeField()
    taken_back_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "effect_key"], name="runs_link_once_per_effect"),
        ]
        indexes = [
            models.Index(fields=["record", "operation", "id"], name="runs_link_of_record"),
            models.Index(fields=["organisation", "external_id"], name="runs_link_by_document"),
            models.Index(fields=["installation", "operation", "created_at"], name="runs_link_recent"),
        ]

    sealed_columns = {"sealed": LINK}

    def __str__(self) -> str:
        return f"{self.operation} → {self.external_id}"

    def sealed_object_id(self) -> str:
        return self.effect_key


class Alert(TenantModel):
    """Something a person should hear of once: a double suspected, a connection that needs attention, a full stop."""

    kind = models.CharField(max_length=40)
    text = models.TextField()
    record = models.ForeignKey(Record, null=True, blank=True, on_delete=models.CASCADE, related_name="alerts")
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["organisation", "-created_at"], name="runs_alert_recent")]

    def __str__(self) -> str:
        return self.text


class SearchTerm(TenantModel):
    """A record is found by an e-mail, a phone number or a name: keyed hashes, purged with the payload (rule C20)."""

    organisation = tenant_key()
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="search_terms", db_index=False)
    digest = models.CharField(max_length=32)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["record", "digest"], name="runs_search_term_once")]
        indexes = [models.Index(fields=["organisation", "digest"], name="runs_search_by_digest")]

    def __str__(self) -> str:
        return f"search term of record {self.record_id}"


class ImportJob(TenantModel):
    """Past records of a stretch of days: collected and previewed first, then put into the inbox on a person's word.

    ``rows`` hold what the preview says of each record (no personal data): id, label, outcome, reason, amount.
    While it is read a scheduler holds a lease on it.
    """

    class State(models.TextChoices):
        COLLECTING = "collecting", "Reading past orders"
        PREVIEWED = "previewed", "Ready to look at"
        IMPORTING = "importing", "Importing"
        FAILED = "failed", "Could not be read"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    installation = models.ForeignKey(Installation, on_delete=models.CASCADE, related_name="imports")
    first_day = models.DateField()
    last_day = models.DateField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.COLLECTING)
    record_ids = models.JSONField(default=list, blank=True)
    rows = models.JSONField(default=list, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    imported_at = models.DateTimeField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["id"], name="runs_import_to_read", condition=Q(state="collecting"))]
        constraints = [
            models.CheckConstraint(condition=Q(first_day__lte=models.F("last_day")), name="runs_import_days_in_order"),
            models.CheckConstraint(
                condition=Q(state__in=["collecting", "previewed", "importing", "failed"]),
                name="runs_import_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"import {self.first_day} to {self.last_day}"


from runs.engine_models import HookRefusal, Listener, PollCursor, RetentionMark, StreamLease, WorkerSlot  # noqa: E402
from runs.replay_models import CauseAction, CauseNotice, Replay  # noqa: E402 - they name models of this module

__all__ = [
    "Alert",
    "CauseAction",
    "CauseNotice",
    "HookRefusal",
    "ImportJob",
    "InboxEvent",
    "Listener",
    "PollCursor",
    "Record",
    "RecordLink",
    "Replay",
    "RetentionMark",
    "Run",
    "SearchTerm",
    "StepBatch",
    "StreamLease",
    "TakeBack",
    "WorkerSlot",
]
