"""Keys: master keys from the settings wrap one data key per tenant, which does the sealing.

Opened data keys are kept per process in a bounded store; they never leave this module except to ``tenants.sealing``
and ``tenants.blind_index``.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max

from connectors.base.errors import Misconfigured
from tenants.clock import database_now
from tenants.models import DataKey

KEY_BYTES = 32
NONCE_BYTES = 12
OPENED_KEYS_KEPT = 2048
# How long a process may go on sealing with a version that another process has just replaced.
NEWEST_VERSION_SECONDS = 60.0


class BrokenSeal(Exception):
    """Sealed bytes that cannot be opened here: tampered with, copied from elsewhere, or their key is gone."""


@dataclass(frozen=True)
class MasterKey:
    id: str
    key: bytes

    def __repr__(self) -> str:
        return f"MasterKey({self.id!r})"


def master_keys() -> tuple[MasterKey, ...]:
    """The settings' master keys, newest first.

    :raises Misconfigured: none, an unreadable one, or two with one name. The text never quotes a key.
    """
    keys = tuple(_parse_master_key(entry) for entry in settings.MASTER_KEYS)
    if not keys:
        raise Misconfigured("MASTER_KEYS is empty: nothing can be sealed")
    if len({key.id for key in keys}) != len(keys):
        raise Misconfigured("MASTER_KEYS names one id twice")
    return keys


def _parse_master_key(entry: str) -> MasterKey:
    name, separator, encoded = entry.partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not separator or not name or len(name) > 40 or len(key) != KEY_BYTES:
        raise Misconfigured(f"master key {name[:40]!r} must read id:base64 of {KEY_BYTES} random bytes")
    return MasterKey(name, key)


@dataclass(frozen=True)
class OpenedKey:
    """A data key ready for use. ``version`` is written into every envelope it seals."""

    version: int
    key: bytes

    def __repr__(self) -> str:
        return f"OpenedKey({self.version})"


def _wrapping_data(organisation_id: int, kind: str, version: int) -> bytes:
    return f"data-key|{organisation_id}|{kind}|{version}".encode()


def _wrap(master: MasterKey, organisation_id: int, kind: str, version: int, key: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(master.key).encrypt(nonce, key, _wrapping_data(organisation_id, kind, version))


def _unwrap(row: DataKey) -> bytes:
    for master in master_keys():
        if master.id == row.master_key_id:
            break
    else:
        raise Misconfigured(f"data key {row.pk} is wrapped by master key {row.master_key_id!r}, not in MASTER_KEYS")
    wrapped = bytes(row.wrapped)
    try:
        return AESGCM(master.key).decrypt(
            wrapped[:NONCE_BYTES],
            wrapped[NONCE_BYTES:],
            _wrapping_data(row.organisation_id, row.kind, row.version),
        )
    except (InvalidTag, ValueError) as error:
        raise BrokenSeal(f"data key {row.pk} cannot be unwrapped") from error


class _OpenedKeys:
    """Least recently used first out; safe between threads."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._keys: OrderedDict[tuple[int, str, int], OpenedKey] = OrderedDict()
        self._newest: OrderedDict[tuple[int, str], tuple[int, float]] = OrderedDict()

    def get(self, organisation_id: int, kind: str, version: int) -> OpenedKey | None:
        with self._lock:
            key = self._keys.get((organisation_id, kind, version))
            if key is not None:
                self._keys.move_to_end((organisation_id, kind, version))
            return key

    def newest(self, organisation_id: int, kind: str) -> OpenedKey | None:
        with self._lock:
            version, read_at = self._newest.get((organisation_id, kind), (0, 0.0))
        if not version or time.monotonic() - read_at > NEWEST_VERSION_SECONDS:
            return None
        return self.get(organisation_id, kind, version)

    def put(self, organisation_id: int, kind: str, key: OpenedKey, *, newest: bool) -> None:
        with self._lock:
            self._keys[organisation_id, kind, key.version] = key
            self._keys.move_to_end((organisation_id, kind, key.version))
            if newest:
                self._newest[organisation_id, kind] = (key.version, time.monotonic())
                self._newest.move_to_end((organisation_id, kind))
            while len(self._keys) > self._kept:
                self._keys.popitem(last=False)
            while len(self._newest) > self._kept:
                self._newest.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._keys.clear()
            self._newest.clear()


_opened = _OpenedKeys(OPENED_KEYS_KEPT)


def forget_opened_keys() -> None:
    """Empty this process's store (after a rotation; between tests)."""
    _opened.clear()


def _open(row: DataKey, *, newest: bool) -> OpenedKey:
    key = OpenedKey(row.version, _unwrap(row))
    # Kept only once the row is certain to exist: a key from a rolled-back transaction would seal what nobody can open.
    transaction.on_commit(lambda: _opened.put(row.organisation_id, row.kind, key, newest=newest))
    return key


def data_key_newest(organisation_id: int, kind: str = DataKey.Kind.SEAL) -> OpenedKey:
    """The tenant's key to seal with now; its first use makes it."""
    kept = _opened.newest(organisation_id, kind)
    if kept is not None:
        return kept
    rows = DataKey.objects.for_tenant(organisation_id).filter(kind=kind)
    row = rows.order_by("-version").first() or data_key_add(organisation_id, kind, version=1)
    return _open(row, newest=True)


def data_key_version(organisation_id: int, kind: str, version: int) -> OpenedKey:
    """:raises BrokenSeal: the tenant has no such key."""
    kept = _opened.get(organisation_id, kind, version)
    if kept is not None:
        return kept
    row = DataKey.objects.for_tenant(organisation_id).filter(kind=kind, version=version).first()
    if row is None:
        raise BrokenSeal(f"organisation {organisation_id} has no {kind} key {version}")
    return _open(row, newest=False)


def data_key_add(organisation_id: int, kind: str, *, version: int | None = None) -> DataKey:
    """Add the next version (or exactly ``version``); a process that was quicker wins and its row is returned."""
    rows = DataKey.objects.for_tenant(organisation_id).filter(kind=kind)
    wanted = version or (rows.aggregate(latest=Max("version"))["latest"] or 0) + 1
    master = master_keys()[0]
    try:
        with transaction.atomic():
            return DataKey.objects.create(
                organisation_id=organisation_id,
                kind=kind,
                version=wanted,
                master_key_id=master.id,
                wrapped=_wrap(master, organisation_id, kind, wanted, os.urandom(KEY_BYTES)),
                created_at=database_now(),
            )
    except IntegrityError:
        return rows.get(version=wanted)


def data_key_rewrap(row: DataKey) -> bool:
    """Wrap the same data key by the newest master key. Sealed values stay as they are.

    :returns: False where there was nothing to do or another process did it first.
    """
    master = master_keys()[0]
    if row.master_key_id == master.id:
        return False
    wrapped = _wrap(master, row.organisation_id, row.kind, row.version, _unwrap(row))
    changed = (
        DataKey.objects.for_tenant(row.organisation_id)
        .filter(pk=row.pk, master_key_id=row.master_key_id)
        .update(wrapped=wrapped, master_key_id=master.id)
    )
    return changed == 1
