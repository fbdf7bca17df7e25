"""Lists of records as pages show them. Nothing here counts or walks over history, however long it is.

Open work is counted (there is little of it), finished records are not; pages continue where the one before ended
instead of counting rows from the beginning; whatever a person types is looked up through an index of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Upper

from flows.models import Installation
from flows.outline import record_types_of
from runs.models import Record, RecordLink, Run, SearchTerm
from tenants.blind_index import Searchable, blind_index
from tenants.models import Organisation

MOST_COUNTED = 10_000
MOST_SCANNED = 50_000
MOST_FOUND = 200


@dataclass(frozen=True)
class RecordPage:
    """Some records, latest first. ``older`` and ``newest`` continue the list; empty where there is nothing more."""

    records: list[Record]
    older: str = ""
    is_first: bool = True


def records_page(
    installation: Installation, *, record_type: str, state: str = "", before: str = "", length: int = 25
) -> RecordPage:
    """Records of one kind, latest change first.

    :param state: of the latest run. Finished ones are looked for among the latest ``MOST_SCANNED`` records.
    :param before: ``older`` of the page before; anything else begins anew.
    """
    rows = _of_kind(installation, record_type)
    if state in Run.OPEN:
        found = _open(installation, record_type, state, before, length + 1)
    elif state:
        found = _finished(rows, state, before, length + 1)
    else:
        found = list(_older_than(rows, before).select_related("latest_run")[: length + 1])
    older = _place(found[length - 1]) if len(found) > length else ""
    return RecordPage(found[:length], older=older, is_first=_place_read(before) is None)


def _open(installation: Installation, record_type: str, state: str, before: str, wanted: int) -> list[Record]:
    """From the open runs, which are few, to their records: never from the records, which are many."""
    runs = _open_runs(installation, record_type).filter(state=state)
    places = runs.values_list("record__updated_at", "record_id")[:MOST_COUNTED]
    limit = _place_read(before)
    older = sorted((place for place in places if limit is None or place < limit), reverse=True)
    return _by_key([pk for _, pk in older[:wanted]])


def _finished(rows: QuerySet[Record], state: str, before: str, wanted: int) -> list[Record]:
    """The latest with this state: read in order, ever more at once, because most of them have the common state."""
    found: list[int] = []
    window, scanned = 4 * wanted, 0
    while len(found) < wanted and scanned < MOST_SCANNED:
        seen = list(_older_than(rows, before).values_list("pk", "updated_at", "latest_run__state")[:window])
        found += [pk for pk, _, its_state in seen if its_state == state]
        if len(seen) < window:
            break
        scanned += window
        before, window = _place_of(seen[-1][1], seen[-1][0]), 4 * window
    return _by_key(found[:wanted])


def records_named(installation: Installation, *, record_type: str, text: str) -> RecordPage:
    """Records of one kind with this order number, label, document, e-mail, phone or name (rule C20)."""
    ids = _ids_named(installation.organisation_id, {installation.lane}, {record_type}, text)
    found = [one for one in _by_key(ids) if (one.installation_id, one.record_type) == (installation.pk, record_type)]
    return RecordPage(found)


def records_find(organisation: Organisation, text: str) -> list[Record]:
    """Records of one tenant, newest first, by the same; e-mail, phone and name are compared by keyed hashes."""
    installations = list(Installation.objects.for_tenant(organisation).select_related("pair_version"))
    lanes = {installation.lane for installation in installations}
    types = {one for installation in installations for one in record_types_of(installation)}
    ids = _ids_named(organisation.pk, lanes, types, text.strip())
    return _by_key(ids)


def open_counts(installation: Installation, *, record_type: str) -> dict[str, int]:
    """How many records of one kind stand in each state that is not final; counted up to ``MOST_COUNTED``."""
    # The bound is inside: a list that is longer costs no more than one that is as long.
    some = _open_runs(installation, record_type)[:MOST_COUNTED]
    counted = Run.unscoped.filter(pk__in=some.values("pk")).values_list("state").annotate(Count("pk")).order_by()
    return dict(counted)


def _of_kind(installation: Installation, record_type: str) -> QuerySet[Record]:
    rows = Record.objects.for_tenant(installation.organisation_id)
    return rows.filter(installation=installation, record_type=record_type).order_by("-updated_at", "-pk")


def _open_runs(installation: Installation, record_type: str) -> QuerySet[Run]:
    """Runs in which records of this kind stand that are not finished."""
    rows = Run.objects.for_tenant(installation.organisation_id)
    rows = rows.filter(installation=installation, state__in=Run.OPEN)
    return rows.filter(record__record_type=record_type, record__latest_run=F("pk"))


def _by_key(ids: Iterable[int]) -> list[Record]:
    """These records, latest change first; sorted here, or the database walks its index of changes to find them."""
    found = Record.unscoped.select_related("latest_run").in_bulk(list(ids)[:MOST_FOUND])
    return sorted(found.values(), key=lambda record: (record.updated_at, record.pk), reverse=True)


def _ids_named(organisation_id: int, lanes: set[str], types: set[str], text: str) -> set[int]:
    records = Record.objects.for_tenant(organisation_id)
    numbered = records.filter(lane__in=lanes, record_type__in=types, record_id=text)
    # As the index says it: most labels are the number itself and are not in it.
    labelled = records.annotate(upper=Upper("label")).filter(~Q(label=F("record_id")), upper=text.upper())
    documents = RecordLink.objects.for_tenant(organisation_id).filter(external_id=text)
    digests = {digest for kind in Searchable if (digest := blind_index(organisation_id, kind, text))}
    terms = SearchTerm.objects.for_tenant(organisation_id).filter(digest__in=digests).order_by("-record_id")
    found: list[Iterable[Any]] = [
        numbered.values_list("pk", flat=True)[:MOST_FOUND],
        labelled.values_list("pk", flat=True)[:MOST_FOUND],
        documents.values_list("record_id", flat=True)[:MOST_FOUND],
        terms.values_list("record_id", flat=True)[:MOST_FOUND],
    ]
    return {pk for ids in found for pk in ids}


# Places in a list: moment and id of the last record shown


def _place(record: Record) -> str:
    return _place_of(record.updated_at, record.pk)


def _place_of(moment: datetime, pk: int) -> str:
    return f"{moment.isoformat()}~{pk}"


def _place_read(place: str) -> tuple[datetime, int] | None:
    moment, _, pk = place.partition("~")
    try:
        read = datetime.fromisoformat(moment), int(pk)
    except ValueError:
        return None
    return read if read[0].tzinfo is not None else None


def _older_than(rows: QuerySet[Record], place: str) -> QuerySet[Record]:
    read = _place_read(place)
    if read is None:
        return rows
    moment, pk = read
    # The first condition walks the index, the second one leaves out what was shown.
    return rows.filter(updated_at__lte=moment).filter(Q(updated_at__lt=moment) | Q(pk__lt=pk))
