"""Finding a record by what a customer says on the phone: order number, document number, e-mail, phone or name."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from runs.models import Record
from tenants.blind_index import Searchable, blind_index
from tenants.models import Organisation


def records_find(organisation: Organisation, text: str) -> QuerySet[Record]:
    """Records of one tenant, newest first; e-mail, phone and name are compared by their keyed hashes (rule C20)."""
    wanted = text.strip()
    digests = {digest for kind in Searchable if (digest := blind_index(organisation.pk, kind, wanted))}
    named = Q(record_id=wanted) | Q(label__iexact=wanted) | Q(links__external_id=wanted)
    rows = Record.objects.for_tenant(organisation).filter(named | Q(search_terms__digest__in=digests))
    return rows.distinct().order_by("-updated_at", "-pk")
