"""What the frame around every page of an organisation shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from connections.pauses import pauses_seen_by
from runs.selectors import attention_count


def organisation_frame(request: HttpRequest) -> dict[str, Any]:
    """Organisation, what the person may do there, how much waits for somebody; nothing outside an organisation."""
    organisation = getattr(request, "organisation", None)
    if organisation is None:
        return {}
    return {
        "organisation": organisation,
        "capabilities": getattr(request, "capabilities", frozenset()),
        "attention_count": attention_count(organisation),
        "connector_pauses": pauses_seen_by(organisation),
    }
