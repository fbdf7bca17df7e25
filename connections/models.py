"""A tenant's consent to talk to a provider, what we know of the account, and the state of the way there."""

from __future__ import annotations

import secrets
import uuid

from django.db import models
from django.db.models import Q

from connectors.registry import CONNECTORS
from tenants.models import TenantManager
from tenants.sealing import SealedModel


def new_webhook_id() -> str:
    """128 random bits: the address of a hook is a secret of its own (rule C17)."""
    return secrets.token_hex(16)


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def live(self) -> ConnectionQuerySet:
        """Consent not withdrawn."""
        return self.exclude(state=Connection.State.REVOKED)

    def usable(self) -> ConnectionQuerySet:
        return self.filter(state=Connection.State.ACTIVE)

    def in_trouble(self) -> ConnectionQuerySet:
        return self.filter(state=Connection.State.NEEDS_ATTENTION)


class Connection(SealedModel):
    """One tenant's account at one provider. Credentials live in ``SealedCredentials``, never here.

    ``account_id`` is the provider's own stable id, known after the first successful test. ``facts`` are what that test
    said of the account (family, version, currency), shown to people.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        NEEDS_ATTENTION = "needs_attention", "Needs attention"
        PAUSED = "paused", "Paused"
        REVOKED = "revoked", "Revoked"

    sealed_columns = {"sealed_webhook_secret": "webhook_secret"}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connector = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    account_id = models.CharField(max_length=200, blank=True)
    account_name = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    settings = models.JSONField(default=dict, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.NEEDS_ATTENTION)
    state_code = models.CharField(max_length=64, blank=True)
    state_reason = models.TextField(blank=True)
    state_changed_at = models.DateTimeField()
    webhook_public_id = models.CharField(max_length=32, unique=True, default=new_webhook_id, editable=False)
    sealed_webhook_secret = models.BinaryField(null=True, blank=True, editable=False)
    webhook_registration_id = models.CharField(max_length=200, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    last_ok_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    unscoped = models.Manager.from_queryset(ConnectionQuerySet)()  # type: ignore[misc]
    objects = TenantManager.from_queryset(ConnectionQuerySet)()  # type: ignore[misc]

    class Meta:
        ordering = ["name"]
        default_manager_name = "unscoped"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["active", "needs_attention", "paused", "revoked"]),
                name="connections_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="active") | ~Q(account_id=""), name="connections_active_names_account"
            ),
            models.CheckConstraint(
                condition=~Q(state="needs_attention") | ~Q(state_reason=""), name="connections_attention_says_why"
            ),
            # Over all tenants: an account belongs to one tenant at a time; taking over revokes the other (rule C18).
            models.UniqueConstraint(
                fields=["connector", "account_id"],
                condition=~Q(state="revoked") & ~Q(account_id=""),
                name="connections_account_once",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-state_changed_at"], name="connections_by_state"),
            models.Index(fields=["organisation", "connector"], name="connections_of_tenant"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_usable(self) -> bool:
        return self.state == self.State.ACTIVE


class SealedCredentials(SealedModel):
    """The credentials of one connection, sealed. Opened by ``connections.credentials`` and nowhere else.

    ``version`` counts replacements, so that a renewal can tell that another worker was quicker (rule C19).
    """

    sealed_columns = {"sealed": "credentials"}

    connection = models.OneToOneField(
        Connection, primary_key=True, on_delete=models.CASCADE, related_name="sealed_credentials"
    )
    sealed = models.BinaryField(editable=False)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "sealed credentials"
        constraints = [models.CheckConstraint(condition=Q(version__gte=1), name="connections_credentials_version")]

    def __str__(self) -> str:
        return f"credentials of {self.connection_id}"


class RenewalLease(models.Model):
    """Who may renew a connection's credentials just now. No transaction is open while the provider is asked."""

    connection = models.OneToOneField(
        Connection, primary_key=True, on_delete=models.CASCADE, related_name="renewal_lease"
    )
    holder = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"renewal of {self.connection_id}"


class CircuitState(models.Model):
    """The way to one connection or one provider host, where something is or was wrong with it.

    ``key`` is ``connection:<id>`` or ``host:<name>``. ``open_until`` set = open until then, afterwards one probe at a
    time; None = closed. ``paused_until`` is the provider's own wish (429). Times are the database's clock.
    """

    key = models.CharField(max_length=300, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True)
    open_until = models.DateTimeField(null=True, blank=True)
    open_seconds = models.FloatField(default=0)
    probe_holder = models.CharField(max_length=64, blank=True)
    probe_until = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(open_until__isnull=True) | Q(opened_at__isnull=False), name="connections_open_since"
            )
        ]
        indexes = [
            models.Index(
                fields=["open_until"], name="connections_circuits_open", condition=Q(open_until__isnull=False)
            ),
            models.Index(fields=["paused_until"], name="connections_paused", condition=Q(paused_until__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.key


class ConnectorPause(models.Model):
    """An operator has stopped a connector for all tenants; ``notice`` is what they read. Kept as history.

    In force while ``ended_at`` is not set and ``until_at`` (None = until further notice) lies ahead.
    """

    connector = models.CharField(max_length=40)
    notice = models.TextField(help_text="What customers read: what is wrong, and that their work waits.")
    since_at = models.DateTimeField()
    until_at = models.DateTimeField(null=True, blank=True)
    by_label = models.CharField(max_length=254, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by_label = models.CharField(max_length=254, blank=True)

    class Meta:
        ordering = ["-since_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["connector"], condition=Q(ended_at__isnull=True), name="connections_connector_paused_once"
            ),
            models.CheckConstraint(condition=~Q(notice=""), name="connections_pause_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.connector} paused: {self.notice}"

    @property
    def connector_name(self) -> str:
        known = CONNECTORS.get(self.connector)
        return known.name if known else self.connector


class RateBudget(models.Model):
    """A rate budget of one connection: the moment from which it is full again, and what headers said of it.

    ``bucket`` is empty for the budget of all calls, else the operation that has one of its own. ``calls`` per
    ``per_seconds``: the limit the provider named; None = as the connector declares. Until ``left_until`` no more than
    ``left`` tokens are leased.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="rate_budgets")
    bucket = models.CharField(max_length=80, blank=True, default="")
    full_at = models.DateTimeField()
    calls = models.FloatField(null=True, blank=True)
    per_seconds = models.FloatField(null=True, blank=True)
    left = models.IntegerField(null=True, blank=True)
    left_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "bucket"], name="connections_budget_once"),
            models.CheckConstraint(
                condition=Q(calls__isnull=True, per_seconds__isnull=True) | Q(calls__gt=0, per_seconds__gt=0),
                name="connections_budget_limit_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"rate budget of {self.connection_id}" + (f": {self.bucket}" if self.bucket else "")
