"""Who may do what: one table from role to capabilities, asked through ``can``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from django.db import models

if TYPE_CHECKING:
    from tenants.models import Organisation, User


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    ADMIN = "admin", "Administrator"
    BOOKKEEPER = "bookkeeper", "Bookkeeper"
    DEVELOPER = "developer", "Developer"
    VIEWER = "viewer", "Viewer"


class Capability(StrEnum):
    VIEW = "view"  # states, amounts, timelines
    VIEW_PAYLOADS = "view_payloads"  # what was sent and received: personal data
    VIEW_AUDIT = "view_audit"
    MANAGE_ORGANISATION = "manage_organisation"
    MANAGE_OWNERS = "manage_owners"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_BILLING = "manage_billing"
    MANAGE_CONNECTIONS = "manage_connections"
    MANAGE_API_KEYS = "manage_api_keys"
    EDIT_FLOWS = "edit_flows"
    SWITCH_FLOWS = "switch_flows"  # publish, pause, resume
    DECIDE_RUNS = "decide_runs"  # replay, correct, release or give up what is held
    TAKE_BACK = "take_back"  # undo documents already posted (rule C27)


_VIEWER = frozenset({Capability.VIEW})
_BOOKKEEPER = _VIEWER | {Capability.VIEW_PAYLOADS, Capability.DECIDE_RUNS, Capability.TAKE_BACK}
_DEVELOPER = _VIEWER | {
    Capability.VIEW_PAYLOADS,
    Capability.MANAGE_CONNECTIONS,
    Capability.MANAGE_API_KEYS,
    Capability.EDIT_FLOWS,
    Capability.SWITCH_FLOWS,
    Capability.DECIDE_RUNS,
}
_ADMIN = _BOOKKEEPER | _DEVELOPER | {Capability.VIEW_AUDIT, Capability.MANAGE_MEMBERS, Capability.MANAGE_ORGANISATION}
_OWNER = frozenset(Capability)

CAPABILITIES: dict[Role, frozenset[Capability]] = {
    Role.OWNER: _OWNER,
    Role.ADMIN: frozenset(_ADMIN),
    Role.BOOKKEEPER: frozenset(_BOOKKEEPER),
    Role.DEVELOPER: frozenset(_DEVELOPER),
    Role.VIEWER: _VIEWER,
}

# A suspended organisation can look, see why, and pay; nothing moves.
WHILE_SUSPENDED = frozenset({Capability.VIEW, Capability.VIEW_AUDIT, Capability.MANAGE_BILLING})


def capabilities_of(user: User | AnonymousUser, organisation: Organisation) -> frozenset[Capability]:
    """What ``user`` may do in ``organisation``; empty for strangers, also for our staff (they use the console)."""
    from tenants.models import Membership  # models name their roles from this module

    if isinstance(user, AnonymousUser) or not user.is_active:
        return frozenset()
    role = Membership.objects.for_tenant(organisation).filter(user=user).values_list("role", flat=True).first()
    if role is None:
        return frozenset()
    granted = CAPABILITIES[Role(role)]
    return granted & WHILE_SUSPENDED if organisation.suspended_at else granted


def can(user: User | AnonymousUser, action: Capability | str, organisation: Organisation) -> bool:
    """One question for pages, API and templates. One query; ask ``capabilities_of`` once where many are needed.

    :raises ValueError: ``action`` is not a capability (a typing error must not read as "no").
    """
    return Capability(action) in capabilities_of(user, organisation)
