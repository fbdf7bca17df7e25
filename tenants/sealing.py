"""Sealing: AES-256-GCM under the tenant's key, bound to the place where the sealed bytes live.

Envelope: format (1 byte), data key version (4 bytes, big-endian), nonce (12), ciphertext with tag. The associated data
names tenant, purpose, object and both versions, so bytes copied to another row, column or tenant cannot be opened.
A data key seals at most 2**32 values with random nonces; ``manage.py rotate_keys`` renews it long before.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from typing import Any, ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenants.keys import NONCE_BYTES, BrokenSeal, data_key_newest, data_key_version
from tenants.models import DataKey, TenantModel

__all__ = ["BrokenSeal", "SealedModel", "seal", "seal_json", "sealed_key_version", "unseal", "unseal_json"]

FORMAT = 1
_HEADER = struct.Struct(">BI")
_SHORTEST = _HEADER.size + NONCE_BYTES + 16


def seal(organisation_id: int, purpose: str, object_id: str, plain: bytes) -> bytes:
    """Seal ``plain`` for one place: (tenant, purpose, object id). The same three open it again.

    :param purpose: what the bytes are, e.g. ``"credentials"``; never changed once values exist.
    :param object_id: the row's own id, known before the row is written (a UUID, not a database sequence).
    """
    key = data_key_newest(organisation_id)
    nonce = os.urandom(NONCE_BYTES)
    bound = _associated_data(organisation_id, purpose, object_id, key.version)
    return _HEADER.pack(FORMAT, key.version) + nonce + AESGCM(key.key).encrypt(nonce, plain, bound)


def unseal(organisation_id: int, purpose: str, object_id: str, sealed: bytes | memoryview) -> bytes:
    """Open what ``seal`` made for the same place.

    :raises BrokenSeal: changed, cut short, from elsewhere, or of a key the tenant does not have.
    """
    sealed = bytes(sealed)
    version = sealed_key_version(sealed)
    key = data_key_version(organisation_id, DataKey.Kind.SEAL, version)
    body = sealed[_HEADER.size :]
    bound = _associated_data(organisation_id, purpose, object_id, version)
    try:
        return AESGCM(key.key).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], bound)
    except InvalidTag as error:
        raise BrokenSeal(f"the sealed {purpose} of {object_id} was changed or belongs elsewhere") from error


def sealed_key_version(sealed: bytes | memoryview) -> int:
    """Which version of the tenant's key sealed this. :raises BrokenSeal: not an envelope of ours."""
    sealed = bytes(sealed)
    if len(sealed) < _SHORTEST or sealed[0] != FORMAT:
        raise BrokenSeal("these bytes are not a sealed value")
    version: int = _HEADER.unpack_from(sealed)[1]
    return version


def seal_json(organisation_id: int, purpose: str, object_id: str, value: Mapping[str, Any]) -> bytes:
    """Seal a JSON object; values must be JSON-able as they are (no Decimal: write amounts as text)."""
    plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return seal(organisation_id, purpose, object_id, plain)


def unseal_json(organisation_id: int, purpose: str, object_id: str, sealed: bytes | memoryview) -> dict[str, Any]:
    opened: dict[str, Any] = json.loads(unseal(organisation_id, purpose, object_id, sealed))
    return opened


def _associated_data(organisation_id: int, purpose: str, object_id: str, key_version: int) -> bytes:
    parts = (b"causeway", str(organisation_id).encode(), purpose.encode(), object_id.encode())
    # Lengths in front of the parts: otherwise ("a", "bc") and ("ab", "c") would name one place.
    named = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return named + _HEADER.pack(FORMAT, key_version)


class SealedModel(TenantModel):
    """Base of tenant rows that hold sealed bytes, so that ``rotate_keys`` finds every one of them.

    ``sealed_columns`` maps a binary column to its purpose. Override ``sealed_object_id`` where the primary key is a
    sequence that is not known before the row is written.
    """

    sealed_columns: ClassVar[Mapping[str, str]] = {}

    class Meta:
        abstract = True

    def sealed_object_id(self) -> str:
        return str(self.pk)

    def sealed_set(self, column: str, plain: bytes) -> None:
        """Seal into ``column``; the caller saves."""
        setattr(self, column, seal(self.organisation_id, self.sealed_columns[column], self.sealed_object_id(), plain))

    def sealed_get(self, column: str) -> bytes:
        """:raises BrokenSeal: empty column included."""
        sealed = getattr(self, column)
        if sealed is None:
            raise BrokenSeal(f"{column} holds nothing")
        return unseal(self.organisation_id, self.sealed_columns[column], self.sealed_object_id(), sealed)
