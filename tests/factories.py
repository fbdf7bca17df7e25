"""Rows for tests, by the shortest name. Times are fixed, so that a test that compares them says what it means."""

from datetime import UTC, datetime

import factory
from factory.django import DjangoModelFactory

from connections.models import Connection
from flows.models import Installation
from flows.services import account_key, pair_publish
from runs.models import InboxEvent, Record, Run
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


class InstallationFactory(DjangoModelFactory):
    """The shipped pair, switched on, between two active connections of one organisation."""

    class Meta:
        model = Installation

    organisation = factory.SubFactory(OrganisationFactory)
    name = factory.Sequence(lambda n: f"Shop {n} to books")
    pair_version = factory.LazyFunction(lambda: pair_publish(pair_key="nopcommerce-kashflow", at=NOW))
    source = factory.SubFactory(
        ConnectionFactory, connector="nopcommerce", organisation=factory.SelfAttribute("..organisation")
    )
    target = factory.SubFactory(ConnectionFactory, organisation=factory.SelfAttribute("..organisation"))
    source_account = factory.LazyAttribute(lambda row: account_key(row.source))
    target_account = factory.LazyAttribute(lambda row: account_key(row.target))
    reference_prefix = factory.Sequence(lambda n: f"N{n}-")
    start_at = NOW
    state = Installation.State.ACTIVE
    created_at = NOW


class RecordFactory(DjangoModelFactory):
    """An order nobody has looked at yet."""

    class Meta:
        model = Record

    installation = factory.SubFactory(InstallationFactory)
    organisation = factory.SelfAttribute("installation.organisation")
    lane = factory.SelfAttribute("installation.lane")
    record_type = "order"
    record_id = factory.Sequence(lambda n: str(1000 + n))
    created_at = NOW
    updated_at = NOW


class RunFactory(DjangoModelFactory):
    """The latest run of its record. One that waits for a person or for its time has an open event, as in life."""

    class Meta:
        model = Run
        skip_postgeneration_save = True

    record = factory.SubFactory(RecordFactory)
    installation = factory.SelfAttribute("record.installation")
    organisation = factory.SelfAttribute("record.organisation")
    pair_version = factory.SelfAttribute("record.installation.pair_version")
    via = Run.Via.WEBHOOK
    state = Run.State.DONE
    attempts = 1
    received_at = NOW
    started_at = NOW
    finished_at = factory.LazyAttribute(lambda row: NOW if row.state in Run.TERMINAL else None)

    @factory.post_generation
    def open_event(self, create, given, **_):
        if not create:
            return
        self.record.latest_run = self
        self.record.facts = {**self.record.facts, **self.facts}
        self.record.save()
        if self.state not in Run.TERMINAL:
            state = self.state if self.state in Run.NEEDS_A_PERSON else InboxEvent.State.WAITING
            InboxEvent.objects.create(
                organisation=self.organisation,
                record=self.record,
                installation=self.installation,
                run=self,
                via=self.via,
                state=state,
                due_at=NOW,
                received_at=NOW,
            )


def links_lose(links):
    """As if these effects had never been remembered; the database allows it for suspended organisations only."""
    organisations = Organisation.objects.filter(suspended_at=None, pk__in=links.values("organisation"))
    suspended = list(organisations.values_list("pk", flat=True))
    organisations.update(suspended_at=NOW)
    links.delete()
    Organisation.objects.filter(pk__in=suspended).update(suspended_at=None)
