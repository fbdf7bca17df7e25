"""What operators do to installations in the console is written into the tenant's book."""

import json

import pytest
from django.urls import reverse

from flows.models import Installation, PairVersion
from tenants.models import AuditEntry
from tests.factories import NOW, InstallationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def installation(organisation, client, operator):
    client.force_login(operator)
    return InstallationFactory(organisation=organisation)


def newer_than(version, **changes):
    document = {**version.document, **changes}
    return PairVersion.objects.create(
        pair_key=version.pair_key, number=version.number + 1, title="Newer", document=document, digest="n",
        created_at=NOW,
    )  # fmt: skip


def act(client, installation, action):
    listed = reverse("admin:flows_installation_changelist")
    client.post(listed, {"action": action, "_selected_action": [str(installation.pk)]})
    return Installation.unscoped.get(pk=installation.pk)


def test_moving_to_the_newest_version(client, installation, operator):
    newest = newer_than(installation.pair_version)
    assert act(client, installation, "move_to_newest").pair_version == newest
    entry = AuditEntry.unscoped.get(action="installation.version_changed")
    assert (entry.actor, entry.details["to"]) == (operator, newest.number)


def test_a_version_that_its_settings_do_not_fit_is_not_taken(client, installation):
    Installation.unscoped.update(settings={"unknown_sku": "flag"})
    pair = {**installation.pair_version.document["pair"], "settings": []}
    newer_than(installation.pair_version, pair=pair)
    assert act(client, installation, "move_to_newest").pair_version == installation.pair_version
    assert not AuditEntry.unscoped.filter(action="installation.version_changed").exists()


@pytest.mark.parametrize(("typed", "kept"), [({"unknown_sku": "flag"}, True), ({"unknown_sku": 7}, False)])
def test_settings_typed_there_are_checked_and_noted(client, installation, typed, kept):
    form = {
        "name": installation.name, "source": installation.source_id, "target": installation.target_id,
        "settings": json.dumps(typed), "reference_prefix": installation.reference_prefix, "state": "active",
        "start_at_0": "2026-11-20", "start_at_1": "09:00:00",
    }  # fmt: skip
    answer = client.post(reverse("admin:flows_installation_change", args=[installation.pk]), form)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert (Installation.unscoped.get(pk=installation.pk).settings == typed) is kept
    assert AuditEntry.unscoped.filter(action="installation.settings_changed").exists() is kept
