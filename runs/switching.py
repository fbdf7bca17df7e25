"""Switching an installation on and off, together with the polling that belongs to it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from flows.models import Installation
from flows.services import installation_state_set
from runs.polling import cursors_prepare
from tenants.models import User


@transaction.atomic
def installation_switch(*, installation: Installation, state: str, at: datetime, by: User | None) -> None:
    """Set the state; one that is switched on gets a cursor for every trigger its flows wait for."""
    installation_state_set(installation=installation, state=state, at=at, by=by)
    if state == Installation.State.ACTIVE:
        cursors_prepare(installation)
