"""The book of what people did: business events, append-only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import models

from tenants.clock import database_now
from tenants.models import AuditEntry, Organisation, User


def audit_record(
    *,
    organisation: Organisation | int,
    action: str,
    actor: User | None = None,
    target: models.Model | None = None,
    details: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> AuditEntry:
    """Write one entry, in the caller's transaction so that it stands or falls with the deed.

    :param action: stable words ``<entity>.<past participle>``, e.g. ``connection.paused``.
    :param actor: None where the system acted by itself.
    :param details: JSON-able facts; never a secret, never a customer's personal data.
    """
    return AuditEntry.objects.create(
        organisation_id=organisation if isinstance(organisation, int) else organisation.pk,
        at=at or database_now(),
        actor=actor,
        actor_label=actor.email if actor else "",
        action=action,
        object_type=target._meta.label_lower if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        details=details or {},
    )


def audit_record_for_many(
    *, organisations: Iterable[int], action: str, actor: User | None, details: dict[str, Any], at: datetime
) -> None:
    """The same entry in the book of each organisation that it touches: an operator did something for everybody."""
    AuditEntry.unscoped.bulk_create(
        (
            AuditEntry(
                organisation_id=organisation,
                at=at,
                actor=actor,
                actor_label=actor.email if actor else "",
                action=action,
                details=details,
            )
            for organisation in organisations
        ),
        batch_size=1000,
    )
