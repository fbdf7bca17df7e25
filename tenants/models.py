"""Organisations, their people, their sealing keys and the book of what people did."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from tenants.roles import Role
from tenants.scoping import TenantManager, TenantModel, UnscopedQuery

__all__ = [
    "AuditEntry",
    "DataKey",
    "Invitation",
    "Membership",
    "Organisation",
    "Role",
    "TenantManager",
    "TenantModel",
    "UnscopedQuery",
    "User",
]


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """:param password: None makes an account that can only enter through a reset link."""
        if not email:
            raise ValueError("a user needs an e-mail address")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractUser):
    """A person. Logs in with the e-mail address, which is kept in lower case so that it means one person."""

    username = None  # type: ignore[assignment]
    email = models.EmailField("e-mail address", unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    objects = UserManager()  # type: ignore[assignment,misc]

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(email=Lower("email")), name="tenants_user_email_lower")]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.strip().lower()

    def save(self, *args: Any, **options: Any) -> None:
        # Sign-up forms and social log-ins hand the address over as it was typed.
        self.email = self.email.strip().lower()
        super().save(*args, **options)


class Organisation(models.Model):
    """A tenant: the customer organisation everything else belongs to."""

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80, unique=True)
    time_zone = models.CharField(max_length=64, default="Europe/London")
    created_at = models.DateTimeField()
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspended_reason = models.CharField(max_length=300, blank=True)
    members = models.ManyToManyField(
        User, through="Membership", through_fields=("organisation", "user"), related_name="organisations"
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(suspended_at__isnull=False) | Q(suspended_reason=""), name="tenants_reason_only_suspended"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Membership(TenantModel):
    """One person's role in one organisation."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["organisation", "user"]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "user"], name="tenants_member_once"),
            models.CheckConstraint(condition=Q(role__in=list(Role)), name="tenants_membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} as {self.role}"


class Invitation(TenantModel):
    """A place offered to an e-mail address. Only the hash of its token is kept; the link is shown once."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=12, choices=Role.choices)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(role__in=list(Role)), name="tenants_invitation_role_known"),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True) | Q(revoked_at__isnull=True), name="tenants_invitation_one_end"
            ),
            models.UniqueConstraint(
                fields=["organisation", "email"],
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="tenants_invitation_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation of {self.email}"


class DataKey(TenantModel):
    """A tenant's own key, wrapped by a master key. ``seal`` keys are renewed; the ``index`` key stays (rule C20).

    Old versions are kept: backups and rows not yet sealed anew need them.
    """

    class Kind(models.TextChoices):
        SEAL = "seal", "Sealing"
        INDEX = "index", "Blind index"

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    version = models.PositiveIntegerField()
    master_key_id = models.CharField(max_length=40)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["organisation", "kind", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "kind", "version"], name="tenants_data_key_version_once"),
            models.CheckConstraint(condition=Q(kind__in=["seal", "index"]), name="tenants_data_key_kind_known"),
            models.CheckConstraint(condition=Q(version__gte=1), name="tenants_data_key_version_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} key {self.version}"


class AppendOnly(RuntimeError):
    """Somebody tried to change or remove an audit entry."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **values: Any) -> NoReturn:
        raise AppendOnly("audit entries are never changed")

    def delete(self) -> NoReturn:
        raise AppendOnly("audit entries are never removed")

    def bulk_update(self, objs: Iterable[AuditEntry], fields: Any, batch_size: int | None = None) -> NoReturn:
        raise AppendOnly("audit entries are never changed")


class AuditEntry(TenantModel):
    """One thing somebody did, in stable words (``connection.paused``). Written by ``audit_record``, never changed.

    ``actor_label`` outlives the account; it is empty where the system acted by itself.
    """

    at = models.DateTimeField()
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    actor_label = models.CharField(max_length=254, blank=True)
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=80, blank=True)
    details = models.JSONField(default=dict, blank=True)

    unscoped = models.Manager.from_queryset(AuditQuerySet)()  # type: ignore[misc]
    objects = TenantManager.from_queryset(AuditQuerySet)()  # type: ignore[misc]

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "audit entries"
        default_manager_name = "unscoped"
        indexes = [
            models.Index(fields=["organisation", "-at"], name="tenants_audit_recent"),
            models.Index(fields=["organisation", "object_type", "object_id", "-at"], name="tenants_audit_of_object"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_id}".strip()

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("audit entries are never changed")
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnly("audit entries are never removed")
