from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from tenants.errors import AlreadyMember, InvitationInvalid, LastOwner, RoleNotAllowed
from tenants.models import AppendOnly, AuditEntry, Invitation, Membership, Organisation, User
from tenants.roles import Role
from tenants.selectors import audit_of, invitations_open, members_of, organisation_of, organisations_of
from tenants.services import (
    invitation_accept,
    invitation_revoke,
    member_change_role,
    member_invite,
    member_remove,
    organisation_create,
    organisation_resume,
    organisation_suspend,
    user_create,
)
from tests.factories import NOW, MembershipFactory, UserFactory


def actions(organisation):
    return [entry.action for entry in audit_of(organisation)]


def test_people_log_in_by_address_whatever_its_case(db):
    user = user_create(email=" Ann@Example.COM ", password="a long enough passphrase", email_verified=True)
    assert user.email == "ann@example.com"
    assert User.objects.get_by_natural_key("ANN@example.com") == user
    assert user.emailaddress_set.get().verified
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ann@EXAMPLE.com")


def test_the_database_itself_refuses_upper_case(db):
    user = UserFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(email="Upper@example.com")


def test_creating_an_organisation_makes_its_owner(db):
    user = UserFactory()
    organisation = organisation_create(name="Mill Lane Teas", owner=user, at=NOW)
    assert organisation.slug == "mill-lane-teas"
    assert members_of(organisation).get().role == Role.OWNER
    assert list(organisations_of(user)) == [organisation]
    assert actions(organisation) == ["organisation.created"]


def test_a_taken_slug_gets_digits_behind(organisation):
    second = organisation_create(name="Mill Lane Teas", owner=UserFactory(), at=NOW)
    assert second.slug.startswith("mill-lane-teas-")


def test_a_name_without_letters_still_gets_a_slug(db):
    assert organisation_create(name="☕", owner=UserFactory(), at=NOW).slug == "tenant"


def test_a_stranger_does_not_find_the_organisation(organisation, stranger, owner):
    assert organisation_of(owner, "mill-lane-teas") == organisation
    with pytest.raises(Organisation.DoesNotExist):
        organisation_of(stranger, "mill-lane-teas")


def test_suspending_and_resuming_are_noted_once(organisation, operator):
    organisation_suspend(organisation=organisation, reason="unpaid", at=NOW, by=operator)
    organisation_suspend(organisation=organisation, reason="again", at=NOW, by=operator)
    assert organisation.suspended_reason == "unpaid"
    organisation_resume(organisation=organisation, at=NOW, by=operator)
    assert organisation.suspended_at is None
    assert actions(organisation) == ["organisation.resumed", "organisation.suspended"]


class TestInvitations:
    def test_the_invited_person_joins_once(self, organisation, owner):
        invitation, token = member_invite(
            organisation=organisation, email="New@example.com", role=Role.VIEWER, by=owner, at=NOW
        )
        assert token not in (invitation.token_hash, str(invitation.__dict__))
        guest = UserFactory(email="new@example.com")
        membership = invitation_accept(token=token, user=guest, at=NOW)
        assert membership.role == Role.VIEWER
        with pytest.raises(InvitationInvalid):
            invitation_accept(token=token, user=guest, at=NOW)
        assert not invitations_open(organisation).exists()

    def test_another_account_cannot_use_the_link(self, organisation, owner, stranger):
        _, token = member_invite(organisation=organisation, email="new@example.com", role=Role.VIEWER, by=owner, at=NOW)
        with pytest.raises(InvitationInvalid):
            invitation_accept(token=token, user=stranger, at=NOW)

    def test_it_expires(self, organisation, owner):
        _, token = member_invite(organisation=organisation, email="new@example.com", role=Role.VIEWER, by=owner, at=NOW)
        with pytest.raises(InvitationInvalid):
            invitation_accept(token=token, user=UserFactory(email="new@example.com"), at=NOW + timedelta(days=8))

    def test_a_second_invitation_replaces_the_first(self, organisation, owner):
        _, first = member_invite(organisation=organisation, email="new@example.com", role=Role.VIEWER, by=owner, at=NOW)
        member_invite(organisation=organisation, email="new@example.com", role=Role.ADMIN, by=owner, at=NOW)
        with pytest.raises(InvitationInvalid):
            invitation_accept(token=first, user=UserFactory(email="new@example.com"), at=NOW)
        assert invitations_open(organisation).get().role == Role.ADMIN

    def test_a_revoked_link_is_useless(self, organisation, owner):
        invitation, token = member_invite(
            organisation=organisation, email="new@example.com", role=Role.VIEWER, by=owner, at=NOW
        )
        assert invitation_revoke(invitation=invitation, by=owner, at=NOW)
        with pytest.raises(InvitationInvalid):
            invitation_accept(token=token, user=UserFactory(email="new@example.com"), at=NOW)

    def test_a_member_is_not_invited_again(self, organisation, owner, member):
        with pytest.raises(AlreadyMember):
            member_invite(organisation=organisation, email=member.email, role=Role.ADMIN, by=owner, at=NOW)

    @pytest.mark.parametrize("by_role", [Role.BOOKKEEPER, Role.DEVELOPER, Role.VIEWER])
    def test_only_managers_invite(self, organisation, by_role):
        by = MembershipFactory(organisation=organisation, role=by_role).user
        with pytest.raises(RoleNotAllowed):
            member_invite(organisation=organisation, email="new@example.com", role=Role.VIEWER, by=by, at=NOW)
        assert not Invitation.objects.for_tenant(organisation).exists()

    def test_an_administrator_makes_no_owner(self, organisation):
        by = MembershipFactory(organisation=organisation, role=Role.ADMIN).user
        with pytest.raises(RoleNotAllowed):
            member_invite(organisation=organisation, email="new@example.com", role=Role.OWNER, by=by, at=NOW)


class TestMembers:
    def membership(self, organisation, user):
        return Membership.objects.for_tenant(organisation).get(user=user)

    def test_the_last_owner_stays(self, organisation, owner):
        membership = self.membership(organisation, owner)
        with pytest.raises(LastOwner):
            member_remove(membership=membership, by=owner, at=NOW)
        with pytest.raises(LastOwner):
            member_change_role(membership=membership, role=Role.VIEWER, by=owner, at=NOW)

    def test_one_of_two_owners_may_leave(self, organisation, owner):
        MembershipFactory(organisation=organisation, role=Role.OWNER)
        member_remove(membership=self.membership(organisation, owner), by=owner, at=NOW)
        assert members_of(organisation).count() == 1

    def test_anybody_may_leave(self, organisation, owner, member):
        member_remove(membership=self.membership(organisation, member), by=member, at=NOW)
        assert actions(organisation) == ["member.removed"]

    def test_an_administrator_cannot_unseat_an_owner(self, organisation, owner):
        admin = MembershipFactory(organisation=organisation, role=Role.ADMIN).user
        with pytest.raises(RoleNotAllowed):
            member_change_role(membership=self.membership(organisation, owner), role=Role.VIEWER, by=admin, at=NOW)

    def test_nobody_manages_another_organisations_people(self, organisation, member, stranger):
        with pytest.raises(RoleNotAllowed):
            member_remove(membership=self.membership(organisation, member), by=stranger, at=NOW)

    def test_one_person_is_one_member(self, organisation, owner):
        with pytest.raises(IntegrityError), transaction.atomic():
            MembershipFactory(organisation=organisation, user=owner, role=Role.VIEWER)

    def test_the_database_knows_the_roles(self, organisation):
        with pytest.raises(IntegrityError), transaction.atomic():
            MembershipFactory(organisation=organisation, role="emperor")


class TestAudit:
    def test_an_entry_is_never_changed_or_removed(self, organisation, owner):
        organisation_suspend(organisation=organisation, reason="unpaid", at=NOW, by=owner)
        entry = audit_of(organisation).get()
        entry.action = "something.else"
        for deed in (
            entry.save,
            entry.delete,
            lambda: audit_of(organisation).update(action="something.else"),
            lambda: audit_of(organisation).delete(),
            lambda: AuditEntry.unscoped.all().delete(),
            lambda: AuditEntry.unscoped.update(action="something.else"),
        ):
            with pytest.raises(AppendOnly):
                deed()
        assert audit_of(organisation).get().action == "organisation.suspended"

    def test_an_entry_outlives_the_account(self, organisation, operator):
        organisation_suspend(organisation=organisation, reason="unpaid", at=NOW, by=operator)
        operator.delete()
        entry = audit_of(organisation).get()
        assert (entry.actor, entry.actor_label) == (None, "operator@example.com")
