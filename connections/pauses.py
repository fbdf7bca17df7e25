"""One switch that stops a connector for all tenants, with a notice: its provider is broken, or our code for it is.

What arrives is stored and answered, what is open waits, nothing is called. Times are the database's clock; a pause with
an end is over by itself.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from connections.catalogue import connector_of
from connections.models import Connection, ConnectorPause
from tenants.audit import audit_record_for_many
from tenants.models import Organisation, User

LONGEST_NOTICE = 500


class PauseRefused(ValueError):
    """The text says what to change."""


def pauses_in_force() -> QuerySet[ConnectorPause]:
    """At this moment."""
    return ConnectorPause.objects.filter(Q(until_at__isnull=True) | Q(until_at__gt=Now()), ended_at__isnull=True)


def connectors_paused() -> QuerySet[ConnectorPause, str]:
    """Keys of connectors whose work waits, as a subquery: the table holds a row or none."""
    return pauses_in_force().values_list("connector", flat=True)


def pauses_seen_by(organisation: Organisation) -> list[ConnectorPause]:
    """Those that touch a connection of theirs."""
    theirs = Connection.objects.for_tenant(organisation).live()  # type: ignore[attr-defined]
    return list(pauses_in_force().filter(connector__in=theirs.order_by().values("connector")))


@transaction.atomic
def connector_pause(
    *, connector: str, notice: str, at: datetime, by: User | None, until: datetime | None = None
) -> ConnectorPause:
    """Stop all work with the connector's systems; paused already: the new notice and end count.

    :raises UnknownConnector: :raises PauseRefused: no notice, or an end that is past.
    """
    name, notice = connector_of(connector).name, notice.strip()
    if not notice:
        raise PauseRefused(f"Say to the customers why {name} is paused: they see these words.")
    if until is not None and until <= at:
        raise PauseRefused("The end of the pause must lie ahead.")
    _over_close(at)
    pause, _ = ConnectorPause.objects.update_or_create(
        connector=connector,
        ended_at=None,
        defaults={"notice": notice[:LONGEST_NOTICE], "until_at": until},
        create_defaults={
            "notice": notice[:LONGEST_NOTICE],
            "until_at": until,
            "since_at": at,
            "by_label": by.email if by else "",
        },
    )
    _audit(connector, "connector.paused", by, at, notice=pause.notice, until=until.isoformat() if until else "")
    return pause


@transaction.atomic
def connector_resume(*, connector: str, at: datetime, by: User | None) -> bool:
    """Let work go on. :returns: False when it was not paused."""
    _over_close(at)
    ended = ConnectorPause.objects.filter(connector=connector, ended_at=None).update(
        ended_at=at, ended_by_label=by.email if by else ""
    )
    if ended:
        _audit(connector, "connector.resumed", by, at)
    return bool(ended)


def _over_close(at: datetime) -> None:
    """A pause that was over by itself makes room for the next."""
    ConnectorPause.objects.filter(ended_at=None, until_at__lte=at).update(ended_at=F("until_at"))


def _audit(connector: str, action: str, by: User | None, at: datetime, **details: str) -> None:
    """Into the book of everybody whose work it stops or lets go on."""
    touched = Connection.unscoped.live().filter(connector=connector).order_by()
    audit_record_for_many(
        organisations=touched.values_list("organisation_id", flat=True).distinct(),
        action=action,
        actor=by,
        details={"connector": connector, **details},
        at=at,
    )
