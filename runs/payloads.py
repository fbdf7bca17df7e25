"""Sealing of what steps and links carry: it may hold personal data, so it never lies in the database in clear."""

from __future__ import annotations

import json
from typing import Any

from tenants.sealing import seal, unseal

STEPS = "step payloads"
LINK = "link output"


def payload_seal(organisation_id: int, purpose: str, object_id: str, payload: Any) -> bytes:
    """:param payload: JSON-able; amounts and dates are written as text so that no penny is lost on the way."""
    text = json.dumps(payload, default=str, separators=(",", ":"))
    return seal(organisation_id, purpose, object_id, text.encode())


def payload_open(organisation_id: int, purpose: str, object_id: str, sealed: bytes | memoryview) -> Any:
    return json.loads(unseal(organisation_id, purpose, object_id, sealed))


def steps_object(run_id: int, attempt: int, first_sequence: int) -> str:
    """The place a flush's step payloads are bound to, known before the row is written."""
    return f"{run_id}:{attempt}:{first_sequence}"
