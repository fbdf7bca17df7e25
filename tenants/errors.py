"""Refusals a person can act on. Pages show the text as it is."""

from __future__ import annotations


class TenantRefusal(Exception):
    """Base. ``str(error)`` is for the customer; ``code`` is stable."""

    code = "refused"


class LastOwner(TenantRefusal):
    code = "last_owner"


class RoleNotAllowed(TenantRefusal):
    code = "role_not_allowed"


class InvitationInvalid(TenantRefusal):
    code = "invitation_invalid"


class AlreadyMember(TenantRefusal):
    code = "already_member"
