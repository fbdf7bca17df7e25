import pytest
from django.contrib.auth.models import AnonymousUser

from tenants.roles import CAPABILITIES, Capability, Role, can, capabilities_of
from tenants.services import organisation_suspend
from tests.factories import NOW, MembershipFactory


def test_every_role_has_its_capabilities():
    assert set(CAPABILITIES) == set(Role)
    assert CAPABILITIES[Role.OWNER] == frozenset(Capability)
    assert all(Capability.VIEW in granted for granted in CAPABILITIES.values())


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (Role.ADMIN, Capability.MANAGE_MEMBERS, Capability.MANAGE_OWNERS),
        (Role.BOOKKEEPER, Capability.DECIDE_RUNS, Capability.MANAGE_CONNECTIONS),
        (Role.DEVELOPER, Capability.MANAGE_CONNECTIONS, Capability.TAKE_BACK),
        (Role.VIEWER, Capability.VIEW, Capability.VIEW_PAYLOADS),
    ],
)
def test_a_role_may_and_may_not(organisation, role, may, may_not):
    user = MembershipFactory(organisation=organisation, role=role).user
    assert can(user, may, organisation)
    assert not can(user, may_not, organisation)


def test_a_stranger_may_nothing(organisation, stranger, operator):
    assert capabilities_of(stranger, organisation) == frozenset()
    assert capabilities_of(operator, organisation) == frozenset()
    assert not can(AnonymousUser(), Capability.VIEW, organisation)


def test_a_disabled_account_may_nothing(organisation, owner):
    owner.is_active = False
    assert not can(owner, Capability.VIEW, organisation)


def test_nothing_moves_while_suspended(organisation, owner):
    organisation_suspend(organisation=organisation, reason="unpaid", at=NOW)
    assert can(owner, Capability.VIEW, organisation)
    assert can(owner, Capability.MANAGE_BILLING, organisation)
    assert not can(owner, Capability.SWITCH_FLOWS, organisation)


def test_an_unknown_action_is_an_error_not_a_no(organisation, owner):
    with pytest.raises(ValueError, match="manage_conections"):
        can(owner, "manage_conections", organisation)


def test_one_question_is_one_query(organisation, owner, django_assert_num_queries):
    with django_assert_num_queries(1):
        can(owner, Capability.VIEW, organisation)
