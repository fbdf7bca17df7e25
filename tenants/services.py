"""Every write about organisations and their people."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from tenants.audit import audit_record
from tenants.errors import AlreadyMember, InvitationInvalid, LastOwner, RoleNotAllowed
from tenants.models import Invitation, Membership, Organisation, Role, User
from tenants.roles import Capability, can

INVITATION_LIFE = timedelta(days=7)
_SLUG_TRIES = 5


def user_create(*, email: str, password: str | None = None, email_verified: bool = False, **fields: Any) -> User:
    """Make a person who can log in. ``email_verified`` when somebody vouches for the address (seed, operator)."""
    from allauth.account.models import EmailAddress  # after the app registry is ready

    with transaction.atomic():
        user = User.objects.create_user(email, password, **fields)
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=email_verified)
    return user


@transaction.atomic
def organisation_create(
    *, name: str, owner: User, at: datetime, slug: str = "", time_zone: str = "Europe/London"
) -> Organisation:
    """Make a tenant with its first owner. A slug that is taken gets four random digits behind it."""
    organisation = _with_free_slug(name=name, slug=slug or slugify(name)[:70] or "tenant", at=at, time_zone=time_zone)
    Membership.objects.create(organisation=organisation, user=owner, role=Role.OWNER, created_at=at)
    audit_record(organisation=organisation, action="organisation.created", actor=owner, target=organisation, at=at)
    return organisation


def _with_free_slug(*, name: str, slug: str, at: datetime, time_zone: str) -> Organisation:
    for attempt in range(_SLUG_TRIES):
        wanted = slug if attempt == 0 else f"{slug}-{secrets.token_hex(2)}"
        try:
            with transaction.atomic():
                return Organisation.objects.create(name=name, slug=wanted, created_at=at, time_zone=time_zone)
        except IntegrityError:
            if not Organisation.objects.filter(slug=wanted).exists():
                raise
    raise IntegrityError(f"no free slug near {slug!r}")


@transaction.atomic
def organisation_suspend(*, organisation: Organisation, reason: str, at: datetime, by: User | None = None) -> None:
    """Stop everything that moves; people can still look and pay."""
    changed = Organisation.objects.filter(pk=organisation.pk, suspended_at__isnull=True).update(
        suspended_at=at, suspended_reason=reason[:300]
    )
    if changed:
        audit_record(
            organisation=organisation,
            action="organisation.suspended",
            actor=by,
            target=organisation,
            details={"reason": reason},
            at=at,
        )
    organisation.refresh_from_db()


@transaction.atomic
def organisation_resume(*, organisation: Organisation, at: datetime, by: User | None = None) -> None:
    changed = Organisation.objects.filter(pk=organisation.pk, suspended_at__isnull=False).update(
        suspended_at=None, suspended_reason=""
    )
    if changed:
        audit_record(organisation=organisation, action="organisation.resumed", actor=by, target=organisation, at=at)
    organisation.refresh_from_db()


def _token_hash(token: str) -> str:
    # 256 random bits need no salt and no slow hash: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()


def _may_hand_out(by: User, role: Role | str, organisation: Organisation) -> None:
    needed = Capability.MANAGE_OWNERS if role == Role.OWNER else Capability.MANAGE_MEMBERS
    if not can(by, needed, organisation):
        raise RoleNotAllowed(f"You may not give or take the role {Role(role).label}.")


@transaction.atomic
def member_invite(
    *, organisation: Organisation, email: str, role: Role, by: User, at: datetime
) -> tuple[Invitation, str]:
    """Offer a place; an open invitation to the same address is replaced, its link stops working.

    :returns: the invitation and the token for the link. The token is not stored and cannot be shown again.
    :raises RoleNotAllowed: ``by`` may not give that role.
    :raises AlreadyMember: the address belongs to a member.
    """
    _may_hand_out(by, role, organisation)
    email = email.strip().lower()
    if Membership.objects.for_tenant(organisation).filter(user__email=email).exists():
        raise AlreadyMember(f"{email} is a member already.")
    Invitation.objects.for_tenant(organisation).filter(
        email=email, accepted_at__isnull=True, revoked_at__isnull=True
    ).update(revoked_at=at)
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        organisation=organisation,
        email=email,
        role=role,
        token_hash=_token_hash(token),
        invited_by=by,
        created_at=at,
        expires_at=at + INVITATION_LIFE,
    )
    audit_record(
        organisation=organisation,
        action="member.invited",
        actor=by,
        target=invitation,
        details={"email": email, "role": role},
        at=at,
    )
    return invitation, token


@transaction.atomic
def invitation_accept(*, token: str, user: User, at: datetime) -> Membership:
    """Take the offered place. Works once, before it expires, for the invited address only.

    :raises InvitationInvalid: unknown, used, revoked, expired, or meant for somebody else.
    """
    invitation = Invitation.unscoped.filter(token_hash=_token_hash(token)).select_related("organisation").first()
    if invitation is None or invitation.email != user.email:
        raise InvitationInvalid("This invitation is not valid for your account. Ask for a new one.")
    # The row count decides: two clicks at once are one acceptance.
    taken = Invitation.unscoped.filter(
        pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True, expires_at__gt=at
    ).update(accepted_at=at)
    if not taken:
        raise InvitationInvalid("This invitation was used or has expired. Ask for a new one.")
    membership, created = Membership.objects.for_tenant(invitation.organisation_id).get_or_create(
        organisation_id=invitation.organisation_id, user=user, defaults={"role": invitation.role, "created_at": at}
    )
    if created:
        audit_record(
            organisation=invitation.organisation_id,
            action="member.joined",
            actor=user,
            target=membership,
            details={"role": membership.role},
            at=at,
        )
    return membership


def invitation_revoke(*, invitation: Invitation, by: User, at: datetime) -> bool:
    """Make the link useless. :returns: False where it was used or revoked already. :raises RoleNotAllowed:"""
    _may_hand_out(by, invitation.role, invitation.organisation)
    return invitation_revoke_by_operator(invitation=invitation, by=by, at=at)


@transaction.atomic
def invitation_revoke_by_operator(*, invitation: Invitation, by: User | None, at: datetime) -> bool:
    """The same by our support, who is no member."""
    revoked = (
        Invitation.objects.for_tenant(invitation.organisation_id)
        .filter(pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True)
        .update(revoked_at=at)
    )
    if revoked:
        audit_record(
            organisation=invitation.organisation_id, action="invitation.revoked", actor=by, target=invitation, at=at
        )
    return bool(revoked)


@transaction.atomic
def member_change_role(*, membership: Membership, role: Role, by: User, at: datetime) -> None:
    """Give a member another role.

    :raises RoleNotAllowed: ``by`` may not take the old role or give the new one.
    :raises LastOwner: nobody would be left.
    """
    membership = _locked(membership)
    _may_hand_out(by, membership.role, membership.organisation)
    _may_hand_out(by, role, membership.organisation)
    if role != Role.OWNER:
        _keep_an_owner(membership)
    before, membership.role = membership.role, role
    membership.save(update_fields=["role"])
    audit_record(
        organisation=membership.organisation_id,
        action="member.role_changed",
        actor=by,
        target=membership,
        details={"from": before, "to": role, "email": membership.user.email},
        at=at,
    )


@transaction.atomic
def member_remove(*, membership: Membership, by: User, at: datetime) -> None:
    """Take somebody out; anybody may leave.

    :raises RoleNotAllowed: ``by`` may not take that role.
    :raises LastOwner: nobody would be left.
    """
    membership = _locked(membership)
    if membership.user_id != by.pk:
        _may_hand_out(by, membership.role, membership.organisation)
    _keep_an_owner(membership)
    audit_record(
        organisation=membership.organisation_id,
        action="member.removed",
        actor=by,
        target=membership,
        details={"role": membership.role, "email": membership.user.email},
        at=at,
    )
    membership.delete()


def _locked(membership: Membership) -> Membership:
    # The organisation's row is the lock: two owners who leave at the same moment must not both succeed.
    Organisation.objects.select_for_update().get(pk=membership.organisation_id)
    return (
        Membership.objects.for_tenant(membership.organisation_id)
        .select_related("organisation", "user")
        .get(pk=membership.pk)
    )


def _keep_an_owner(membership: Membership) -> None:
    owners = Membership.objects.for_tenant(membership.organisation_id).filter(role=Role.OWNER)
    if membership.role == Role.OWNER and not owners.exclude(pk=membership.pk).exists():
        raise LastOwner("An organisation needs an owner. Make somebody else the owner first.")
