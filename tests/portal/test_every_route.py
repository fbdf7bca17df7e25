"""Walks the URL table: every route of an organisation, as a stranger and as a visitor. A new route needs a sample."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import URLPattern, URLResolver, get_resolver

from tests.portal.conftest import CAUSE

SAMPLES = {
    "slug": lambda books: books.installation.organisation.slug,
    "installation_id": lambda books: books.installation.pk,
    "record_id": lambda books: books.dead.pk,
    "batch_id": lambda books: books.step.pk,
    "place": lambda books: 0,
    "alert_id": lambda books: books.alert.pk,
    "public_id": lambda books: books.job.public_id,
    "cause": lambda books: CAUSE,
    "connection_id": lambda books: books.installation.source_id,
    "action_id": lambda books: books.action.public_id,
}
NOT_OF_A_TENANT = ("admin/", "accounts/")


def routes(patterns=None, before=""):
    """(template of the address, its parameters, view) of every tenant route."""
    for entry in patterns if patterns is not None else get_resolver().url_patterns:
        address = before + str(entry.pattern)
        if address.startswith(NOT_OF_A_TENANT):
            continue
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, address)
        elif isinstance(entry, URLPattern) and "slug" in entry.pattern.converters:
            yield address, entry.pattern.converters, entry.callback


def addresses(books):
    for template, parameters, _ in routes():
        missing = set(parameters) - set(SAMPLES)
        assert not missing, f"{template}: add a sample for {missing} to SAMPLES, so that strangers are tried on it"
        address = template
        for name, converter in parameters.items():
            value = converter.to_url(SAMPLES[name](books))
            for kind in ("int", "str", "slug", "uuid", "path"):
                address = address.replace(f"<{kind}:{name}>", value)
        assert "<" not in address, f"{template} has a parameter this walk cannot fill"
        yield "/" + address


def test_walk_finds_the_portal():
    assert len(list(routes())) >= 20


def test_every_tenant_route_goes_through_the_gate():
    assert [template for template, _, view in routes() if not getattr(view, "member_page", False)] == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_member_of_another_tenant_finds_nothing(books, stranger, as_, method):
    client = as_(stranger)
    found = {address: getattr(client, method)(address).status_code for address in addresses(books)}
    assert {address: status for address, status in found.items() if status != 404} == {}


@pytest.mark.parametrize("method", ["get", "post"])
def test_own_slug_does_not_open_rows_of_another_tenant(books, stranger, other_organisation, as_, method):
    """The other half of the lock: the stranger's own organisation in the path, our rows behind it."""
    client = as_(stranger)
    own = books.installation.organisation.slug
    found = {}
    for address in addresses(books):
        if address.count("/") > 4:  # addresses that name a row
            swapped = address.replace(f"/o/{own}/", f"/o/{other_organisation.slug}/")
            found[swapped] = getattr(client, method)(swapped, {"count": "1", "state": "paused"}).status_code
    tolerated = {405, 404}
    if method == "post":
        # Deciding on a cause that has no open runs here answers with a redirect and a message; nothing is touched.
        for decision in ("replay", "let-go"):
            found.pop(f"/o/{other_organisation.slug}/attention/{CAUSE}/{decision}")
    assert {address: status for address, status in found.items() if status not in tolerated} == {}


@pytest.mark.parametrize("method", ["get", "post"])
def test_visitor_is_sent_to_the_log_in_page(books, client, method):
    for address in addresses(books):
        answer = getattr(client, method)(address)
        assert answer.status_code == 302 and answer.url.startswith("/accounts/login/"), address


def test_operator_without_membership_is_a_stranger(books, operator, as_):
    client = as_(operator)
    assert {client.get(address).status_code for address in addresses(books)} == {404}


def test_person_without_any_organisation_is_a_stranger(books, as_):
    nobody = get_user_model().objects.create_user("nobody@example.com", "a long enough passphrase")
    assert {as_(nobody).get(address).status_code for address in addresses(books)} == {404}


def test_walk_refuses_a_route_without_sample(books, monkeypatch):
    monkeypatch.delitem(SAMPLES, "batch_id")
    with pytest.raises(AssertionError, match="add a sample"):
        list(addresses(books))
