"""What the engine remembers of itself: how far polls and walks have come, who listens, which slots are taken."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from connections.models import Connection
from tenants.models import TenantModel


class PollCursor(TenantModel):
    """How far a trigger has read a connection. Moved only in the commit that stores its page (rule C13)."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="cursors")
    trigger = models.CharField(max_length=80)
    cursor = models.JSONField(null=True, blank=True)
    interval_seconds = models.FloatField()
    due_at = models.DateTimeField()
    fence = models.BigIntegerField(default=0)
    worker = models.CharField(max_length=80, blank=True, default="", db_default="")
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    latest_ok_at = models.DateTimeField(null=True, blank=True)
    latest_error = models.TextField(blank=True)
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "trigger"], name="runs_cursor_once_per_trigger"),
        ]
        indexes = [models.Index(fields=["due_at"], name="runs_cursor_due")]

    def __str__(self) -> str:
        return f"{self.trigger} of connection {self.connection_id}"


class StreamLease(TenantModel):
    """Which listener holds a connection's stream open, and how far it has read. All times are the database's clock.

    ``position`` is stored in the commit that stores its news. A holder with an old ``fence`` stores nothing more.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="streams")
    trigger = models.CharField(max_length=80)
    position = models.JSONField(null=True, blank=True)
    holder = models.CharField(max_length=80, blank=True)
    fence = models.BigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField()
    latest_ok_at = models.DateTimeField(null=True, blank=True)
    latest_error = models.TextField(blank=True)
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "trigger"], name="runs_stream_once_per_trigger"),
        ]
        indexes = [models.Index(fields=["holder"], name="runs_stream_by_holder")]

    def __str__(self) -> str:
        return f"{self.trigger} of connection {self.connection_id}"


class Listener(models.Model):
    """A process that holds streams open. How many there are says how many streams each may hold."""

    name = models.CharField(max_length=80, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class HookRefusal(models.Model):
    """A delivery we did not accept, for support: when, which hook, why. Never its body."""

    connection = models.ForeignKey(Connection, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    hook_id = models.CharField(max_length=80)
    reason = models.CharField(max_length=200)
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["-received_at"], name="runs_refusal_recent")]

    def __str__(self) -> str:
        return f"{self.hook_id}: {self.reason}"


class WorkerSlot(models.Model):
    """One long drain task may hold a slot. ``alive`` is cleared before the drain looks at the inbox one last time.

    A slot belongs to a host, which has one per queue worker (``place`` 0, 1, …) and keeps ``host_seen_at`` fresh.
    ``process`` names the drain's process, so that its own host notices its death at once.
    """

    number = models.PositiveSmallIntegerField(primary_key=True)
    host = models.CharField(max_length=60, blank=True, default="", db_default="")
    place = models.PositiveSmallIntegerField(default=0, db_default=0)
    host_seen_at = models.DateTimeField(null=True, blank=True)
    process = models.CharField(max_length=60, blank=True, default="", db_default="")
    worker = models.CharField(max_length=80, blank=True)
    alive = models.BooleanField(default=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    nudged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "place"], name="runs_slot_once_per_place", condition=~Q(host="")),
        ]

    def __str__(self) -> str:
        return f"slot {self.number}"


class RetentionMark(models.Model):
    """How far a walk of retention through a table has come, by its key, and when that walk began."""

    name = models.CharField(max_length=40, primary_key=True)
    position = models.BigIntegerField(default=0)
    began_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} up to {self.position}"
