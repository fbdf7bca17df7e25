import pytest

from tenants.blind_index import Searchable, blind_index
from tenants.keys import data_key_add, forget_opened_keys
from tenants.models import DataKey


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        (Searchable.EMAIL, "Ann@Example.com ", "ann@example.com"),
        (Searchable.PHONE, "+44 20 7946 0123", "020 7946 0123"),
        (Searchable.NAME, "Müller,  Jörg", "jorg muller"),
    ],
)
def test_the_same_thing_typed_differently_is_found(organisation, kind, first, second):
    assert blind_index(organisation.pk, kind, first) == blind_index(organisation.pk, kind, second)
    assert len(blind_index(organisation.pk, kind, first)) == 32


def test_different_things_differ(organisation):
    assert blind_index(organisation.pk, Searchable.EMAIL, "a@b.c") != blind_index(
        organisation.pk, Searchable.EMAIL, "a@b.d"
    )
    assert blind_index(organisation.pk, Searchable.EMAIL, "ann") != blind_index(organisation.pk, Searchable.NAME, "ann")


def test_tenants_never_match_each_other(organisation, other_organisation):
    value = (Searchable.EMAIL, "ann@example.com")
    assert blind_index(organisation.pk, *value) != blind_index(other_organisation.pk, *value)


def test_it_survives_a_new_sealing_key(organisation):
    before = blind_index(organisation.pk, Searchable.EMAIL, "ann@example.com")
    data_key_add(organisation.pk, DataKey.Kind.SEAL)
    data_key_add(organisation.pk, DataKey.Kind.SEAL)
    forget_opened_keys()
    assert blind_index(organisation.pk, Searchable.EMAIL, "ann@example.com") == before


def test_nothing_searchable_gives_nothing(organisation):
    assert blind_index(organisation.pk, Searchable.PHONE, "n/a") == ""
