"""What somebody changed before a cause was first seen: the first thing to ask when what worked works no longer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from flows.models import Installation
from tenants.models import AuditEntry, Organisation

DAYS_BEFORE = 7
MOST_SHOWN = 10

_WORDS = {
    "installation.settings_changed": "Settings changed",
    "installation.version_changed": "Moved to another version of the pair",
    "installation.created": "Pair installed",
    "installation.active": "Pair switched on",
    "installation.paused": "Pair paused",
    "connection.credentials_replaced": "Credentials or address of the connection replaced",
    "connection.created": "Connection made",
    "connection.paused": "Connection paused",
    "connection.resumed": "Connection resumed",
    "connection.needs_attention": "Access refused; the connection stopped",
    "connection.taken_over": "Account taken over from another organisation",
    "connection.webhook_registered": "Webhook registered",
    "connection.revoked": "Connection revoked",
    "connector.paused": "Paused for everybody by an operator",
    "connector.resumed": "Work let go on for everybody by an operator",
}


@dataclass(frozen=True)
class Change:
    """``where`` is the pair or connection; ``seconds_before`` the first failure."""

    at: datetime
    what: str
    where: str
    who: str
    more: str
    seconds_before: float


def changes_before(
    organisation: Organisation, installations: Iterable[Installation], first_at: datetime
) -> list[Change]:
    """Of the last ``DAYS_BEFORE`` days before the first failure, the closest to it first."""
    wanted, connectors = Q(), set()
    names: dict[str, str] = {}
    for installation in installations:
        sides = (installation.source, installation.target)
        wanted |= Q(object_type="flows.installation", object_id=str(installation.pk))
        wanted |= Q(object_type="connections.connection", object_id__in=[str(side.pk) for side in sides])
        names |= {str(installation.pk): installation.name, **{str(side.pk): side.name for side in sides}}
        connectors |= {side.connector for side in sides}
    if not names:
        return []
    # What somebody does to a run that fails already is no cause of it.
    entries = AuditEntry.objects.for_tenant(organisation).filter(
        wanted | Q(action__in=["connector.paused", "connector.resumed"], details__connector__in=list(connectors)),
        action__in=_WORDS,
        at__lte=first_at,
        at__gte=first_at - timedelta(days=DAYS_BEFORE),
    )
    return [_change(entry, names, first_at) for entry in entries.order_by("-at", "-pk")[:MOST_SHOWN]]


def _change(entry: AuditEntry, names: dict[str, str], first_at: datetime) -> Change:
    return Change(
        at=entry.at,
        what=_WORDS[entry.action],
        where=names.get(entry.object_id) or str(entry.details.get("connector", "")),
        who=entry.actor_label or "Causeway",
        more=_more(entry.details),
        seconds_before=(first_at - entry.at).total_seconds(),
    )


def _more(details: dict[str, Any]) -> str:
    """The details worth a word; none of them holds a secret."""
    changed = details.get("changed")
    if isinstance(changed, list):
        return ", ".join(str(name).replace("_", " ") for name in changed)
    if "from" in details and "to" in details:
        return f"from version {details['from']} to {details['to']}"
    return str(details.get("reason") or details.get("notice") or details.get("code") or "")
