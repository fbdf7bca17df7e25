"""What people decided about open work: one run tried again on purpose, and what was asked for over a whole cause."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from flows.models import Installation, PairVersion
from tenants.models import TenantModel


class CauseAction(TenantModel):
    """Asked for over all open runs of one cause. ``count`` is what the person was told and agreed to.

    A preview looks at its runs (``run_ids``) one after the other, under a lease; ``rows`` say what would happen to
    each. They hold no personal data: label, outcome, why, what would be written with its reference and amount.
    """

    class Kind(models.TextChoices):
        PREVIEW = "preview", "Preview of a replay"
        REPLAY = "replay", "Replay"
        LET_GO = "let_go", "Let go"

    class State(models.TextChoices):
        WORKING = "working", "Looking"
        READY = "ready", "Ready"
        FAILED = "failed", "Could not be looked at"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    cause = models.CharField(max_length=64, blank=True)
    title = models.TextField(blank=True)
    count = models.PositiveIntegerField()
    resume = models.BooleanField(default=False)
    own_version = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    by_label = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.READY)
    run_ids = models.JSONField(default=list, blank=True)
    rows = models.JSONField(default=list, blank=True)
    error = models.TextField(blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["preview", "replay", "let_go"]), name="runs_cause_action_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["working", "ready", "failed"]), name="runs_cause_action_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["organisation", "cause", "-created_at"], name="runs_cause_action_recent"),
            models.Index(fields=["id"], name="runs_cause_action_working", condition=Q(state="working")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display().lower()} of {self.count}"


class Replay(TenantModel):
    """A run that a person had tried again: which attempt that is, how, on which version. One row per such attempt.

    ``resume``: what the attempt before read is used again, unless news came since (``merged`` counts them).
    No foreign key in the database: history may forget a run without asking here.
    """

    run = models.ForeignKey("runs.Run", on_delete=models.CASCADE, related_name="replays", db_constraint=False)
    action = models.ForeignKey(CauseAction, null=True, blank=True, on_delete=models.SET_NULL, related_name="replays")
    attempt = models.PositiveIntegerField()
    merged = models.PositiveIntegerField(default=0)
    resume = models.BooleanField(default=False)
    pair_version = models.ForeignKey(PairVersion, on_delete=models.PROTECT, related_name="+")
    by_label = models.CharField(max_length=254, blank=True)
    asked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "attempt"], name="runs_replay_once_per_attempt")]
        indexes = [
            models.Index(fields=["action"], name="runs_replay_of_action", condition=Q(action__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"replay of run {self.run_id}, attempt {self.attempt}"


class CauseNotice(TenantModel):
    """That people have been told of a cause in an installation, when, and up to which run. One row per cause.

    ``closed_at``: since when nothing of it is open; a while later it is forgotten and would be news again.
    """

    installation = models.ForeignKey(Installation, on_delete=models.CASCADE, related_name="cause_notices")
    cause = models.CharField(max_length=64, blank=True)
    first_at = models.DateTimeField()
    created_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True, blank=True)
    mailed_run = models.BigIntegerField(default=0)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["installation", "cause"], name="runs_cause_notice_once")]
        indexes = [models.Index(fields=["organisation", "-mailed_at"], name="runs_cause_notice_mailed")]

    def __str__(self) -> str:
        return f"notice of cause {self.cause}"

    @property
    def slug(self) -> str:
        return self.cause or "unclassified"
