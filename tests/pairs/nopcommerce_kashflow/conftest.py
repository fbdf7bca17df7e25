"""``with worlds(family="B", …) as world`` makes the world of a test module.

Modules carry the mark ``django_db``: with it pytest-django makes the test database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from django.conf import settings
from django.db import connections as databases

from tests.pairs.nopcommerce_kashflow import world as worlds_of
from tests.pairs.nopcommerce_kashflow.world import World

_REAL_NAMES = {alias: str(values["NAME"]) for alias, values in settings.DATABASES.items()}


@pytest.fixture
def _django_db_helper(django_db_setup: None) -> None:
    """Instead of pytest-django's own, which undoes every test: a world outlives the tests of its module."""


@pytest.fixture(scope="module")
def worlds(django_db_setup: None, django_db_blocker) -> Iterator[Callable[..., AbstractContextManager[World]]]:
    for database in databases.all():
        # Worlds are flushed away at the end; a database that people work with must never be.
        assert database.settings_dict["NAME"] != _REAL_NAMES[database.alias], "this is not the test database"
    with pytest.MonkeyPatch.context() as patch:
        yield lambda **options: worlds_of.world(django_db_blocker, patch, **options)


@pytest.fixture(scope="module")
def world(worlds: Callable[..., AbstractContextManager[World]]) -> Iterator[World]:
    """An ordinary one, at rest."""
    with worlds() as made:
        made.settle()
        yield made
