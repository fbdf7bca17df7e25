"""Two tenants and their people, a fake clock, and a database that other threads can see."""

from datetime import datetime, timedelta

import pytest
from django.db import connections as databases

from connections import gate, pause_gate
from runs import hook_targets
from tenants.keys import forget_opened_keys
from tests.factories import NOW, MembershipFactory, OrganisationFactory, UserFactory


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """A file, where the database is SQLite: one in memory locks whole tables between threads, without waiting."""
    for database in databases.all():
        if database.vendor == "sqlite":
            database.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _tables_can_be_emptied():
    """SQLite empties tables row by row, and remembered effects go only with suspended organisations."""
    operations = type(databases["default"].ops)
    usual = operations.sql_flush

    def sql_flush(self, *args, **options):
        return ["UPDATE tenants_organisation SET suspended_at = created_at", *usual(self, *args, **options)]

    with pytest.MonkeyPatch.context() as patch:
        if databases["default"].vendor == "sqlite":
            patch.setattr(operations, "sql_flush", sql_flush)
        yield


@pytest.fixture(autouse=True)
def _quick_passwords(settings):
    """Hashing slowly is the point of a password hasher, and no test's."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch):
    """What a process remembers of its database must not outlive a test's rows."""
    forget_opened_keys()
    monkeypatch.setattr(gate, "_board", gate.Board())
    pause_gate.picture().forget()
    monkeypatch.setattr(hook_targets, "_remembered", hook_targets._Remembered())


class FakeClock:
    """``clock()`` is the present moment; ``clock.advance(seconds)`` makes it later."""

    def __init__(self, present: datetime) -> None:
        self.present = present

    def __call__(self) -> datetime:
        return self.present

    def advance(self, seconds: float) -> None:
        self.present += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def organisation(db):
    return OrganisationFactory(name="Mill Lane Teas", slug="mill-lane-teas")


@pytest.fixture
def other_organisation(db):
    return OrganisationFactory(name="Harbour Bikes", slug="harbour-bikes")


@pytest.fixture
def owner(organisation):
    """Owner of ``organisation``."""
    return MembershipFactory(organisation=organisation, user__email="owner@example.com", role="owner").user


@pytest.fixture
def member(organisation):
    """Bookkeeper of ``organisation``: may see and decide, may not manage."""
    return MembershipFactory(organisation=organisation, user__email="member@example.com", role="bookkeeper").user


@pytest.fixture
def stranger(other_organisation):
    """Owner of ``other_organisation``, nobody in ``organisation``."""
    return MembershipFactory(organisation=other_organisation, user__email="stranger@example.com", role="owner").user


@pytest.fixture
def operator(db):
    """Our own staff, with every right in the console and none in any organisation."""
    return UserFactory(email="operator@example.com", is_staff=True, is_superuser=True)
