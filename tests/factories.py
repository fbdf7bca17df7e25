"""Rows for tests, by the shortest name. Times are fixed, so that a test that compares them says what it means."""

from datetime import UTC, datetime

import factory
from factory.django import DjangoModelFactory

from connections.models import Connection
from tenants.models import Membership, Organisation, Role, User

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    first_name = "Pat"
    last_name = factory.Sequence(lambda n: f"Person{n}")

    @factory.post_generation
    def password(self, create, given, **_):
        self.set_password(given or "a long enough passphrase")
        if create:
            self.save()


class OrganisationFactory(DjangoModelFactory):
    class Meta:
        model = Organisation

    name = factory.Sequence(lambda n: f"Shop {n} Ltd")
    slug = factory.Sequence(lambda n: f"shop-{n}")
    created_at = NOW


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    organisation = factory.SubFactory(OrganisationFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.OWNER
    created_at = NOW


class ConnectionFactory(DjangoModelFactory):
    """An active connection. ``credentials={"password": "…"}`` seals some; a webhook secret is sealed always."""

    class Meta:
        model = Connection
        skip_postgeneration_save = True

    organisation = factory.SubFactory(OrganisationFactory)
    connector = "kashflow"
    name = factory.Sequence(lambda n: f"Connection {n}")
    account_id = factory.Sequence(lambda n: f"account-{n}")
    account_name = factory.LazyAttribute(lambda row: f"Books of {row.account_id}")
    currency = "GBP"
    state = Connection.State.ACTIVE
    state_changed_at = NOW
    created_at = NOW

    @factory.post_generation
    def webhook_secret(self, create, given, **_):
        self.sealed_set("sealed_webhook_secret", (given or "hook-secret").encode())
        if create:
            self.save()

    @factory.post_generation
    def credentials(self, create, given, **_):
        from connections.credentials import credentials_store

        if create and given:
            credentials_store(self, given, at=NOW)
