"""What should happen: frozen pair documents and the tenants' installations of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from connections.models import Connection
from tenants.models import TenantModel


class PairVersion(models.Model):
    """A frozen pair document (its flows included). Never changed once stored; runs name the version they walked."""

    pair_key = models.CharField(max_length=80)
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pair_key", "number"], name="flows_version_number_once"),
            models.UniqueConstraint(fields=["pair_key", "digest"], name="flows_version_digest_once"),
        ]
        ordering = ["pair_key", "-number"]

    def __str__(self) -> str:
        return f"{self.pair_key} v{self.number}"


class Installation(TenantModel):
    """A pair switched on by a tenant: two connections, settings, prefix, start date.

    ``source_account`` and ``target_account`` are the providers' own account ids, copied here so that constraints and
    effect keys survive a reconnect.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Being set up"
        ACTIVE = "active", "On"
        PAUSED = "paused", "Paused"
        REMOVED = "removed", "Removed"

    name = models.CharField(max_length=200)
    pair_version = models.ForeignKey(PairVersion, on_delete=models.PROTECT, related_name="installations")
    source = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="installations_as_source")
    target = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="installations_as_target")
    source_account = models.CharField(max_length=200)
    target_account = models.CharField(max_length=200)
    settings = models.JSONField(default=dict, blank=True)
    reference_prefix = models.CharField(max_length=20)
    start_at = models.DateTimeField(help_text="Orders placed earlier are left alone unless imported on purpose.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["draft", "active", "paused", "removed"]), name="flows_installation_state_known"
            ),
            # Two shops with equal order numbers into one ledger must never write the same reference (rule C22).
            models.UniqueConstraint(
                fields=["target_account", "reference_prefix"],
                condition=~Q(state="removed"),
                name="flows_prefix_once_per_ledger",
            ),
            models.UniqueConstraint(
                fields=["organisation", "source_account", "target_account"],
                condition=~Q(state="removed"),
                name="flows_installation_once_per_pair_of_accounts",
            ),
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def lane(self) -> str:
        """Names the pair of accounts; equal again after a reconnect or a second installation."""
        return f"{self.source_account}>{self.target_account}"
