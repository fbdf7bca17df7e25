"""A query that forgets the tenant is refused; every model of ours is under that rule or says why not."""

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction

from connections.models import Connection
from tenants.models import AuditEntry, Membership, TenantManager, TenantModel, UnscopedQuery
from tests.factories import ConnectionFactory, MembershipFactory

ROOMS = ("tenants", "connections", "flows", "runs", "front")
# Rows that belong to no tenant, and why that is right.
BELONG_TO_NOBODY = {
    "tenants.User": "a person may be a member of several organisations",
    "tenants.Organisation": "is the tenant",
    "connections.CircuitState": "a provider host is shared by tenants; a row names a connection or host, nothing else",
    "connections.RenewalLease": "reached through its connection only; holds a lease, no data of the tenant",
    "connections.RateBudget": "reached through its connection only; holds a moment, no data of the tenant",
    "connections.ConnectorPause": "an operator stops a connector for all tenants; the notice is for all of them",
    "flows.PairVersion": "shipped by us, the same for every tenant",
    "runs.HookRefusal": "a delivery whose tenant could not be told",
    "runs.WorkerSlot": "names a process of ours",
    "runs.Listener": "names a process of ours",
    "runs.RetentionMark": "a place in a table",
}


def our_models():
    return [
        model
        for model in apps.get_models()
        if model._meta.app_label in ROOMS and model._meta.label not in BELONG_TO_NOBODY
        if not model._meta.auto_created
    ]


@pytest.mark.parametrize("model", our_models(), ids=lambda model: model._meta.label)
class TestEveryModel:
    def test_it_belongs_to_a_tenant(self, model):
        assert issubclass(model, TenantModel)
        assert not model._meta.get_field("organisation").null

    def test_it_refuses_a_query_without_tenant(self, model):
        assert isinstance(model.objects, TenantManager)
        for ask in (
            lambda: list(model.objects.all()),
            lambda: model.objects.filter(pk=1),
            lambda: model.objects.count(),
            lambda: model.objects.get(pk=1),
            lambda: model.objects.update(organisation=None),
            lambda: model.objects.first(),
            lambda: model.objects.values_list("pk"),
        ):
            with pytest.raises(UnscopedQuery):
                ask()

    def test_django_itself_works_over_the_plain_manager(self, model):
        assert model._default_manager is model._meta.default_manager
        assert not isinstance(model._default_manager, TenantManager)


def test_the_walk_sees_the_models_of_this_room():
    assert {Membership, AuditEntry, Connection} <= set(our_models())


def test_for_tenant_shows_that_tenant_only(organisation, other_organisation):
    mine = ConnectionFactory(organisation=organisation)
    ConnectionFactory(organisation=other_organisation)
    assert list(Connection.objects.for_tenant(organisation)) == [mine]
    assert list(Connection.objects.for_tenant(organisation.pk).usable()) == [mine]
    assert Connection.unscoped.count() == 2


def test_a_row_without_tenant_cannot_be_stored(db):
    with pytest.raises(IntegrityError), transaction.atomic():
        MembershipFactory(organisation=None)


def test_an_unsaved_organisation_is_no_scope(db):
    from tenants.models import Organisation

    with pytest.raises(UnscopedQuery):
        Membership.objects.for_tenant(Organisation(name="not saved"))
