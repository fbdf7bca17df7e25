import pytest
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connectors.base.errors import Misconfigured
from tenants import keys
from tenants.keys import BrokenSeal, data_key_newest, forget_opened_keys, master_keys
from tenants.models import DataKey
from tenants.sealing import seal, seal_json, sealed_key_version, unseal, unseal_json
from tests.factories import OrganisationFactory

in_database = hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@in_database
@given(plain=st.binary(max_size=300), purpose=st.text(min_size=1, max_size=20), object_id=st.text(max_size=20))
def test_what_was_sealed_opens_in_its_place(organisation, plain, purpose, object_id):
    sealed = seal(organisation.pk, purpose, object_id, plain)
    assert len(sealed) == 1 + 4 + 12 + len(plain) + 16
    assert unseal(organisation.pk, purpose, object_id, memoryview(sealed)) == plain


@in_database
@given(place=st.integers(min_value=0, max_value=44), bit=st.integers(min_value=0, max_value=7))
def test_any_changed_bit_is_noticed(organisation, place, bit):
    sealed = bytearray(seal(organisation.pk, "credentials", "1", b"hello world!"))
    assert len(sealed) == 45
    sealed[place] ^= 1 << bit
    with pytest.raises(BrokenSeal):
        unseal(organisation.pk, "credentials", "1", bytes(sealed))


@in_database
@given(length=st.integers(min_value=0, max_value=44))
def test_a_shortened_value_is_noticed(organisation, length):
    sealed = seal(organisation.pk, "credentials", "1", b"hello world!")
    with pytest.raises(BrokenSeal):
        unseal(organisation.pk, "credentials", "1", sealed[:length])


@pytest.mark.parametrize(
    ("purpose", "object_id"),
    [("payload", "ab"), ("credentials", "other"), ("credentialsa", "b"), ("credential", "sab")],
)
def test_a_copy_is_useless_in_another_place(organisation, purpose, object_id):
    sealed = seal(organisation.pk, "credentials", "ab", b"secret")
    with pytest.raises(BrokenSeal):
        unseal(organisation.pk, purpose, object_id, sealed)


def test_a_copy_is_useless_to_another_tenant(organisation, other_organisation):
    sealed = seal(organisation.pk, "credentials", "1", b"secret")
    seal(other_organisation.pk, "credentials", "1", b"their own")
    with pytest.raises(BrokenSeal):
        unseal(other_organisation.pk, "credentials", "1", sealed)


def test_a_copy_is_useless_even_with_the_tenants_key_copied_along(organisation, other_organisation):
    sealed = seal(organisation.pk, "credentials", "1", b"secret")
    stolen = DataKey.objects.for_tenant(organisation).get()
    DataKey.unscoped.filter(pk=stolen.pk).update(organisation=other_organisation)
    forget_opened_keys()
    with pytest.raises(BrokenSeal):
        unseal(other_organisation.pk, "credentials", "1", sealed)


def test_equal_values_look_different(organisation):
    assert seal(organisation.pk, "credentials", "1", b"x") != seal(organisation.pk, "credentials", "1", b"x")


def test_json_comes_back_as_it_was(organisation):
    value = {"password": "pässword £", "amount": "19.99"}
    assert unseal_json(organisation.pk, "p", "1", seal_json(organisation.pk, "p", "1", value)) == value


def test_a_tenant_has_one_key_made_at_first_use(organisation):
    seal(organisation.pk, "a", "1", b"x")
    forget_opened_keys()
    sealed = seal(organisation.pk, "b", "2", b"y")
    row = DataKey.objects.for_tenant(organisation).get()
    assert (row.version, sealed_key_version(sealed)) == (1, 1)


def test_a_key_of_a_rolled_back_transaction_is_forgotten(transactional_db):
    organisation = OrganisationFactory()
    with pytest.raises(RuntimeError), transaction.atomic():
        seal(organisation.pk, "credentials", "1", b"x")
        raise RuntimeError
    sealed = seal(organisation.pk, "credentials", "1", b"y")
    forget_opened_keys()  # as another process
    assert unseal(organisation.pk, "credentials", "1", sealed) == b"y"


def test_opened_keys_cost_no_query(transactional_db, django_assert_num_queries):
    organisation = OrganisationFactory()
    sealed = seal(organisation.pk, "credentials", "1", b"x")
    with django_assert_num_queries(0):
        seal(organisation.pk, "credentials", "1", b"y")
        unseal(organisation.pk, "credentials", "1", sealed)


def test_the_store_of_opened_keys_is_bounded():
    store = keys._OpenedKeys(3)
    for number in range(10):
        store.put(number, "seal", keys.OpenedKey(1, b"k"), newest=True)
    assert len(store._keys) == len(store._newest) == 3
    assert store.newest(9, "seal") is not None
    assert store.newest(0, "seal") is None


def test_keys_do_not_print_themselves(organisation):
    key = data_key_newest(organisation.pk)
    assert key.key.hex() not in repr(key)
    assert repr(key.key) not in repr(key)
    assert repr(master_keys()[0].key) not in repr(master_keys())


@pytest.mark.parametrize(
    "entries",
    [[], ["no-colon"], ["a:notbase64!"], ["a:c2hvcnQ="], [":" + "A" * 43 + "="], ["a:" + "A" * 43 + "="] * 2],
)
def test_wrong_master_keys_are_refused_without_quoting_them(settings, entries):
    settings.MASTER_KEYS = entries
    with pytest.raises(Misconfigured) as refusal:
        master_keys()
    assert not any(entry.partition(":")[2] and entry.partition(":")[2] in str(refusal.value) for entry in entries)


def test_a_missing_master_key_says_which(organisation, settings):
    seal(organisation.pk, "credentials", "1", b"x")
    settings.MASTER_KEYS = ["newer:" + "B" * 43 + "="]
    forget_opened_keys()
    with pytest.raises(Misconfigured, match="not in MASTER_KEYS"):
        seal(organisation.pk, "credentials", "1", b"x")
