"""Roles as real trees of processes: they start, replace what dies, and leave nothing behind."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from demo.stack import free_port
from tests.processes.test_killed_workers import _alive, _descendants

SECONDS = 90.0


class Installation:
    """A database of its own and the means to start roles on it."""

    def __init__(self, folder):
        self.folder = folder
        self.server = os.environ.get("DATABASE_URL", "")
        self.name = f"causeway_roles_{os.getpid()}"
        self.environment = {
            **os.environ,
            "CAUSEWAY_VAR_DIR": str(folder),
            "CAUSEWAY_HOST_NAME": f"roles-{os.getpid()}",
            "CAUSEWAY_SECRET_KEY": "for this test only",
        }
        if self.server:
            self._on_server(f'CREATE DATABASE "{self.name}"')
            self.environment["DATABASE_URL"] = urlsplit(self.server)._replace(path=f"/{self.name}").geturl()

    def drop(self):
        if self.server:
            self._on_server(f'DROP DATABASE "{self.name}" WITH (FORCE)')

    def _on_server(self, sql):
        import psycopg

        with psycopg.connect(self.server, autocommit=True) as server:
            server.execute(sql)

    def query(self, sql):
        if self.server:
            import psycopg

            with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as database:
                return database.execute(sql).fetchall()
        with closing(sqlite3.connect(self.folder / "causeway.sqlite3", timeout=20)) as file:
            return file.execute(sql).fetchall()

    def prepare(self):
        subprocess.run([sys.executable, "manage.py", "prepare"], env=self.environment, check=True)

    def start(self, *role):
        return subprocess.Popen(
            [sys.executable, "-m", "runs.roles", *role],
            env=self.environment,
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    made = Installation(tmp_path_factory.mktemp("roles"))
    yield made
    made.drop()


@pytest.fixture
def role(installation):
    started = []

    def start(*arguments):
        started.append(installation.start(*arguments))
        return started[-1]

    yield start
    for leader in started:
        if leader.poll() is None:
            leader.kill()
            leader.wait()


def until(what, done):
    deadline = time.monotonic() + SECONDS
    while not (found := done()):
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.1)
    return found


def ends_cleanly(leader, installation):
    children = _descendants(leader.pid)
    assert children
    leader.send_signal(signal.SIGTERM)
    assert leader.wait(timeout=SECONDS) == 0
    assert [pid for pid in children if _alive(pid)] == []
    assert not list((installation.folder / "run").glob("stop-*"))


def test_a_role_refuses_a_database_of_another_version(installation, role):
    leader = role("scheduler")
    assert leader.wait(timeout=SECONDS) == 1
    assert "./run manage prepare" in leader.stderr.read()


def test_a_worker_replaces_what_is_killed_and_leaves_nothing_behind(installation, role):
    installation.prepare()
    leader = role("worker")

    def drains():
        rows = installation.query("SELECT process FROM runs_workerslot WHERE alive")
        return {int(process.split(":")[1]) for (process,) in rows}

    first = until("two drains", lambda: len(drains()) == 2 and drains())
    victim = min(first)
    os.kill(victim, signal.SIGKILL)
    killed_at = time.monotonic()
    until("a drain in its place", lambda: len(drains() - {victim}) == 2)
    assert time.monotonic() - killed_at < 8, "sooner than its heartbeat would have told"
    ends_cleanly(leader, installation)
    assert drains() == set()


def test_a_killed_leader_takes_its_children_along(installation, role):
    installation.prepare()
    leader = role("scheduler")
    children = until("a child", lambda: [pid for pid in _descendants(leader.pid) if _is_sweep(pid)])
    leader.kill()
    until("no child is left", lambda: not any(_alive(pid) for pid in children))


def _is_sweep(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as command:
            return "sweep" in command.read()
    except OSError:
        return False


@pytest.mark.parametrize("name", ["web", "scheduler"])
def test_a_role_ends_cleanly(installation, role, name):
    installation.prepare()
    port = free_port()
    leader = role(name, *(["--port", str(port)] if name == "web" else []))
    if name == "web":
        until("a page", lambda: _answers(port))
    else:
        until("its process", lambda: any(_is_sweep(pid) for pid in _descendants(leader.pid)))
    ends_cleanly(leader, installation)


def _answers(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).status == 200
    except OSError:
        return False
