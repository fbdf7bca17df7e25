"""What is known of a seeded tenant outside Django."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tenant:
    """What a driver needs to know to send this tenant's webhooks, and we to find its rows."""

    installation_id: int
    organisation_id: int
    hook: str
    task_hook: str
    tuned_task_hook: str
    secret: str
    account: str
