"""``/healthz`` and ``/readyz``: what they ask, what they tell, and whom they keep out of nothing."""

import socket
import threading
import time

import pytest
from django.core.cache import caches
from django.test import Client

from config import caches as our_caches
from front import health
from runs.models import WorkerSlot
from tenants.clock import database_now
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _asks_anew(monkeypatch):
    monkeypatch.setattr(health, "_readiness", health._Readiness())
    monkeypatch.setattr(our_caches, "_away_until", 0.0)


@pytest.fixture(autouse=True)
def _cache_table(db):
    from django.core.management import call_command

    call_command("createcachetable", verbosity=0)


def ready():
    answer = Client().get("/readyz")
    return answer.status_code, answer.json()


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def redis_at(port):
    return {
        "default": {"BACKEND": "config.caches.RedisElseDatabase", "LOCATION": f"redis://127.0.0.1:{port}/0"},
        "stored": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "django_cache"},
    }


@pytest.fixture
def redis_away(settings):
    """Redis is configured and nobody listens there."""
    settings.CACHES = redis_at(closed_port())


@pytest.fixture
def redis_silent(settings, monkeypatch):
    """Somebody listens there and never says a word."""
    monkeypatch.setattr(our_caches, "SOCKET_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.CACHES = redis_at(listener.getsockname()[1])
        yield


class TestHealthz:
    def test_it_asks_nobody(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            answer = Client().get("/healthz", headers={"Host": "10.1.2.3"})
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert not answer.cookies


class TestReadyz:
    def test_with_everything_there_it_is_ready(self):
        WorkerSlot.objects.create(number=0, alive=True, heartbeat_at=database_now())
        status, told = ready()
        assert (status, told["status"]) == (200, "ok")
        assert set(told["checks"].values()) == {"ok"}

    def test_without_a_drain_it_is_ready_but_says_so(self):
        status, told = ready()
        assert (status, told["status"]) == (200, "degraded")
        assert "no drain" in told["checks"]["drains"]

    def test_a_web_only_host_does_not_ask_for_drains(self, settings):
        settings.QUEUE_WORKERS = 0
        status, told = ready()
        assert (status, told["status"]) == (200, "ok") and set(told["checks"].values()) == {"ok"}
        assert {"database", "cache"} <= set(told["checks"]) and "drains" not in told["checks"]

    def test_a_missing_migration_is_not_ready(self, monkeypatch):
        monkeypatch.setattr(health, "_wanted", lambda: {("runs", "9999_to_come")})
        status, told = ready()
        assert (status, told["checks"]["database"]) == (503, "1 migrations are missing")

    def test_a_database_that_does_not_answer_is_told_in_time(self, monkeypatch):
        release = threading.Event()
        monkeypatch.setattr(health, "_database", lambda: release.wait(20) and None)
        monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.3)
        started = time.monotonic()
        status, told = ready()
        release.set()
        assert status == 503 and "no answer" in told["checks"]["database"]
        assert time.monotonic() - started < 5

    def test_reasons_name_neither_host_nor_user(self, monkeypatch):
        from django.db import OperationalError

        def away():
            raise OperationalError('connection to server at "db.internal", user "causeway" failed: secret')

        monkeypatch.setattr(health, "_database", away)
        status, told = ready()
        assert status == 503
        assert told["checks"]["database"] == "not reachable (OperationalError)"

    def test_redis_away_is_degraded_because_the_table_serves(self, redis_away, settings):
        settings.QUEUE_WORKERS = 0
        status, told = ready()
        assert (status, told["status"]) == (200, "degraded")
        assert told["checks"]["cache"] == "ok" and "ConnectionError" in told["checks"]["redis"]


class TestWithoutRedis:
    def test_people_log_in(self, redis_away):
        user = UserFactory(email="kim@example.com", password="correct horse battery")
        browser = Client()
        assert browser.get("/accounts/login/").status_code == 200
        answer = browser.post("/accounts/login/", {"login": user.email, "password": "correct horse battery"})
        assert answer.status_code == 302, answer.content

    def test_wrong_passwords_are_still_limited(self, redis_away):
        browser = Client()
        for number in range(12):
            answer = browser.post("/accounts/login/", {"login": "kim@example.com", "password": f"wrong {number}"})
        assert b"Too many" in answer.content or answer.status_code == 429

    def test_one_that_hangs_is_waited_for_once_and_briefly(self, redis_silent):
        started = time.monotonic()
        for _ in range(20):
            caches["default"].get("x")
        assert time.monotonic() - started < 2.5
        assert Client().get("/accounts/login/").status_code == 200

    def test_it_is_asked_again_only_after_a_moment(self, redis_away, caplog):
        for _ in range(5):
            caches["default"].get("x")
        assert sum("Redis does not answer" in line for line in caplog.messages) == 1
