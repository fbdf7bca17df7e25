"""What a person does with an alert."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from runs.models import Alert
from tenants.audit import audit_record
from tenants.models import User


@transaction.atomic
def alert_seen(*, alert: Alert, at: datetime, by: User) -> None:
    """Take it off the home page; it stays on the record's. The first person who saw it counts."""
    if Alert.objects.for_tenant(alert.organisation_id).filter(pk=alert.pk, seen_at=None).update(seen_at=at):
        audit_record(organisation=alert.organisation_id, action="alert.seen", actor=by, target=alert, at=at)
