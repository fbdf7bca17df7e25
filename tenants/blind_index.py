"""Search in sealed data: a keyed hash of the normalised value, under the tenant's own index key (rule C20).

Equal values of one tenant give equal indexes; between tenants they never match. Indexes are purged with the payload.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Callable
from enum import StrEnum

from tenants.keys import data_key_newest
from tenants.models import DataKey


class Searchable(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    NAME = "name"


def _email(value: str) -> str:
    return unicodedata.normalize("NFKC", value).strip().casefold()


def _phone(value: str) -> str:
    """Digits only, the last nine of them: ``+44 20 7946 0123``, ``0044…`` and ``020 7946 0123`` are one number."""
    return "".join(digit for digit in unicodedata.normalize("NFKC", value) if digit in "0123456789")[-9:]


def _name(value: str) -> str:
    """Case, accents, punctuation, double spaces and the order of the words do not matter."""
    plain = "".join(
        letter if letter.isalnum() else " "
        for letter in unicodedata.normalize("NFKD", value.casefold())
        if not unicodedata.combining(letter)
    )
    return " ".join(sorted(plain.split()))


_NORMALISE: dict[Searchable, Callable[[str], str]] = {
    Searchable.EMAIL: _email,
    Searchable.PHONE: _phone,
    Searchable.NAME: _name,
}


def blind_index(organisation_id: int, kind: Searchable, value: str) -> str:
    """32 hexadecimal digits to store and to search by; empty where nothing searchable is left of ``value``."""
    normalised = _NORMALISE[kind](value)
    if not normalised:
        return ""
    key = data_key_newest(organisation_id, DataKey.Kind.INDEX).key
    return hmac.new(key, f"{kind}|{normalised}".encode(), hashlib.sha256).hexdigest()[:32]
