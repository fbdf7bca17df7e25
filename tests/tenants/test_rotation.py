import base64
import secrets
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from connections.credentials import credentials_open, credentials_store, webhook_secret_open
from connections.models import Connection, SealedCredentials
from tenants.clock import database_now
from tenants.keys import forget_opened_keys
from tenants.models import DataKey
from tenants.rotation import data_keys_renew, data_keys_rewrap, sealed_models, values_reseal
from tenants.sealing import SealedModel, sealed_key_version
from tests.factories import NOW, ConnectionFactory


def new_master_key(name):
    return f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


@pytest.fixture
def connections(db):
    return [ConnectionFactory(credentials={"password": f"secret {number}"}) for number in range(5)]


def versions(connection):
    connection = Connection.unscoped.get(pk=connection.pk)
    row = SealedCredentials.unscoped.get(pk=connection.pk)
    return {sealed_key_version(row.sealed), sealed_key_version(connection.sealed_webhook_secret)}


def opens(connection):
    return credentials_open(connection, purpose="test").values["password"]


def test_the_walk_finds_every_sealed_column():
    assert {Connection, SealedCredentials} <= set(sealed_models())
    for model in sealed_models():
        for column in model.sealed_columns:
            assert model._meta.get_field(column).get_internal_type() == "BinaryField"


def test_rewrapping_lets_the_old_master_key_go(connections, settings):
    settings.MASTER_KEYS = [new_master_key("2027"), *settings.MASTER_KEYS]
    tally = data_keys_rewrap()
    assert (tally.seen, tally.changed) == (5, 5)
    settings.MASTER_KEYS = settings.MASTER_KEYS[:1]
    forget_opened_keys()
    assert [opens(connection) for connection in connections] == [f"secret {number}" for number in range(5)]
    assert data_keys_rewrap().seen == 0


def test_renewing_touches_only_old_keys(connections):
    moment = database_now()
    DataKey.unscoped.filter(organisation=connections[0].organisation).update(created_at=moment - timedelta(days=100))
    assert data_keys_renew(made_before=moment - timedelta(days=90)).changed == 1
    assert data_keys_renew(made_before=moment - timedelta(days=90)).changed == 0
    assert DataKey.objects.for_tenant(connections[0].organisation).count() == 2


def test_resealing_moves_every_value_to_the_newest_key(connections):
    data_keys_renew(made_before=database_now() + timedelta(seconds=1))
    assert versions(connections[0]) == {1}
    tally = values_reseal(batch=2)
    assert (tally.seen, tally.changed, tally.broken) == (10, 10, ())
    assert [versions(connection) for connection in connections] == [{2}] * 5
    forget_opened_keys()
    assert [opens(connection) for connection in connections] == [f"secret {number}" for number in range(5)]
    connections[0].refresh_from_db()
    assert webhook_secret_open(connections[0]) == "hook-secret"
    assert values_reseal(batch=2).changed == 0


def test_resealing_goes_on_where_it_was_stopped(connections, monkeypatch):
    data_keys_renew(made_before=database_now() + timedelta(seconds=1))
    from tenants import rotation

    whole, done = rotation._reseal, []

    def stops_after_three(row, column, tally):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(row)
        whole(row, column, tally)

    monkeypatch.setattr(rotation, "_reseal", stops_after_three)
    with pytest.raises(KeyboardInterrupt):
        values_reseal(batch=2)
    monkeypatch.setattr(rotation, "_reseal", whole)
    assert values_reseal(batch=2).changed == 7
    assert [versions(connection) for connection in connections] == [{2}] * 5


def test_a_value_written_meanwhile_wins(connections, monkeypatch):
    data_keys_renew(made_before=database_now() + timedelta(seconds=1))
    from tenants import rotation

    whole = rotation.seal

    def somebody_is_quicker(*place_and_plain):
        if place_and_plain[1] == "credentials":
            credentials_store(connections[0], {"password": "typed just now"}, at=NOW)
        return whole(*place_and_plain)

    monkeypatch.setattr(rotation, "seal", somebody_is_quicker)
    values_reseal(batch=10)
    assert opens(connections[0]) == "typed just now"


def test_a_broken_value_is_named_and_stops_nothing(connections):
    data_keys_renew(made_before=database_now() + timedelta(seconds=1))
    first, second = SealedCredentials.unscoped.order_by("pk")[:2]
    SealedCredentials.unscoped.filter(pk=first.pk).update(sealed=second.sealed)  # copied from elsewhere
    with pytest.raises(CommandError, match=str(first.pk)):
        call_command("rotate_keys", "--reseal", stdout=StringIO())
    assert sealed_key_version(SealedCredentials.unscoped.get(pk=second.pk).sealed) == 2


def test_the_command_does_all_three(connections, settings):
    settings.MASTER_KEYS = [new_master_key("2027"), *settings.MASTER_KEYS]
    said = StringIO()
    call_command("rotate_keys", "--older-than", "0", "--batch", "3", stdout=said)
    assert said.getvalue().splitlines() == [
        "data keys wrapped anew: 5 of 5",
        "data keys renewed: 5 of 5",
        "values sealed anew: 10 of 10",
    ]
    assert "secret" not in said.getvalue()
    assert [opens(connection) for connection in connections] == [f"secret {number}" for number in range(5)]


def test_every_binary_column_of_ours_is_sealed_or_known():
    from django.apps import apps

    for model in apps.get_models():
        if model._meta.app_label not in ("tenants", "connections", "flows", "runs"):
            continue
        binary = {field.name for field in model._meta.fields if field.get_internal_type() == "BinaryField"}
        if model is DataKey:
            assert binary == {"wrapped"}
            continue
        declared = set(model.sealed_columns) if issubclass(model, SealedModel) else set()
        assert binary == declared, f"{model._meta.label} holds bytes that rotate_keys does not know"


def test_make_master_key_prints_a_usable_key(settings):
    from tenants.keys import master_keys

    said = StringIO()
    call_command("make_master_key", "2027-01", stdout=said)
    settings.MASTER_KEYS = [said.getvalue().strip()]
    assert master_keys()[0].id == "2027-01"
