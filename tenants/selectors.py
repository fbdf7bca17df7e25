"""Questions that pages and the API ask about organisations and people."""

from __future__ import annotations

from django.db.models import QuerySet

from tenants.models import AuditEntry, Invitation, Membership, Organisation, User


def organisations_of(user: User) -> QuerySet[Organisation]:
    """Where ``user`` is a member, by name."""
    return Organisation.objects.filter(memberships__user=user)


def organisation_of(user: User, slug: str) -> Organisation:
    """The organisation of that slug if ``user`` is a member of it.

    :raises Organisation.DoesNotExist: not there or not theirs; a page answers 404 to both alike.
    """
    return organisations_of(user).get(slug=slug)


def members_of(organisation: Organisation) -> QuerySet[Membership]:
    return Membership.objects.for_tenant(organisation).select_related("user").order_by("user__email")


def invitations_open(organisation: Organisation) -> QuerySet[Invitation]:
    return Invitation.objects.for_tenant(organisation).filter(accepted_at__isnull=True, revoked_at__isnull=True)


def audit_of(organisation: Organisation) -> QuerySet[AuditEntry]:
    """Newest first."""
    return AuditEntry.objects.for_tenant(organisation).select_related("actor")
