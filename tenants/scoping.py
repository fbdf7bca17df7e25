"""Every tenant row names its tenant, and a query that does not is refused.

``Model.objects.for_tenant(organisation)`` starts a query; ``Model.objects.filter(...)`` raises. Where all tenants are
meant (operator console, workers, sweeps) the code says so: ``Model.unscoped.filter(...)``. A relation that starts at a
row (``connection.installations``) stays inside that row's tenant and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models

if TYPE_CHECKING:
    from tenants.models import Organisation

M = TypeVar("M", bound=models.Model)


class UnscopedQuery(RuntimeError):
    """A query over all tenants that does not say so. A bug in our code, never the caller's input."""


class TenantManager(models.Manager[M]):
    """Hands out query sets of one tenant only; creating a row needs no scope because its tenant column is mandatory."""

    def get_queryset(self) -> models.QuerySet[M]:
        raise UnscopedQuery(
            f"{self.model.__name__}.objects was asked without a tenant: "
            "start with .for_tenant(organisation), or say .unscoped on the model"
        )

    def for_tenant(self, organisation: Organisation | int) -> models.QuerySet[M]:
        """:param organisation: the tenant or its primary key."""
        key = organisation if isinstance(organisation, int) else organisation.pk
        if key is None:
            raise UnscopedQuery("the organisation has not been saved")
        return super().get_queryset().filter(organisation_id=key)

    def create(self, **values: Any) -> M:
        return super().get_queryset().create(**values)

    def bulk_create(self, objs: Iterable[M], *args: Any, **options: Any) -> list[M]:
        return super().get_queryset().bulk_create(objs, *args, **options)


def tenant_key() -> models.ForeignKey:
    """The tenant's column without an index of its own: for tables that grow and whose other indexes answer all."""
    return models.ForeignKey("tenants.Organisation", on_delete=models.PROTECT, related_name="+", db_index=False)


class TenantModel(models.Model):
    """Base of every row that belongs to a tenant.

    ``unscoped`` is the default manager, so Django's own machinery (validation, cascades, admin) keeps working.
    """

    organisation = models.ForeignKey("tenants.Organisation", on_delete=models.PROTECT, related_name="+")

    unscoped = models.Manager()
    objects = TenantManager()

    class Meta:
        abstract = True
