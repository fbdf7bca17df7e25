"""Key rotation in small steps, each safe to repeat and to stop in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.apps import apps
from django.db.models import OuterRef, QuerySet, Subquery

from tenants.keys import data_key_add, data_key_newest, data_key_rewrap, forget_opened_keys, master_keys
from tenants.models import DataKey, Organisation
from tenants.sealing import BrokenSeal, SealedModel, seal, sealed_key_version, unseal


@dataclass
class Tally:
    """What a pass did. ``broken`` names values that could not be opened; they are left as they are."""

    seen: int = 0
    changed: int = 0
    broken: tuple[str, ...] = ()


def data_keys_rewrap() -> Tally:
    """Wrap every data key by the newest master key; afterwards older master keys may leave the settings."""
    tally = Tally()
    for row in DataKey.unscoped.exclude(master_key_id=master_keys()[0].id).order_by("pk").iterator():
        tally.seen += 1
        tally.changed += data_key_rewrap(row)
    return tally


def data_keys_renew(*, made_before: datetime) -> Tally:
    """Give a new sealing key to each tenant whose newest one was made before that moment."""
    tally = Tally()
    newest = DataKey.unscoped.filter(organisation=OuterRef("pk"), kind=DataKey.Kind.SEAL).order_by("-version")
    organisations = Organisation.objects.annotate(newest_key_at=Subquery(newest.values("created_at")[:1]))
    for organisation in organisations.filter(newest_key_at__lt=made_before).order_by("pk"):
        tally.seen += 1
        data_key_add(organisation.pk, DataKey.Kind.SEAL)
        tally.changed += 1
    forget_opened_keys()
    return tally


def sealed_models() -> list[type[SealedModel]]:
    return [model for model in apps.get_models() if issubclass(model, SealedModel)]


def values_reseal(*, batch: int) -> Tally:
    """Seal anew whatever an older version of its tenant's key has sealed.

    A value that somebody writes at the same moment wins: it carries the newest key already. Stopped and started again,
    the pass only reads what is done.
    """
    forget_opened_keys()  # this process must not go on with a version that was newest a minute ago
    tally = Tally()
    for model in sealed_models():
        for rows in _batches(model, batch):
            for row in rows:
                for column in model.sealed_columns:
                    _reseal(row, column, tally)
    return tally


def _batches(model: type[SealedModel], batch: int) -> Iterator[list[SealedModel]]:
    """Pages by primary key: no long transaction, no server-side cursor, no row twice."""
    rows: QuerySet[SealedModel] = model.unscoped.order_by("pk")
    last: int | UUID | str | None = None
    while page := list((rows if last is None else rows.filter(pk__gt=last))[:batch]):
        yield page
        last = page[-1].pk


def _reseal(row: SealedModel, column: str, tally: Tally) -> None:
    sealed = getattr(row, column)
    if sealed is None:
        return
    tally.seen += 1
    place = (row.organisation_id, row.sealed_columns[column], row.sealed_object_id())
    try:
        if sealed_key_version(sealed) == data_key_newest(row.organisation_id).version:
            return
        fresh = seal(*place, unseal(*place, sealed))
    except BrokenSeal:
        tally.broken += (f"{row._meta.label}.{column} {row.pk}",)
        return
    tally.changed += type(row).unscoped.filter(pk=row.pk, **{column: sealed}).update(**{column: fresh})
