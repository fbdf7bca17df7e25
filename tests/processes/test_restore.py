"""A backup is restored as the operations page says, and what was posted after it is not posted again."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from demo.http import call, wait_until_answers
from demo.stack import Pace, Stack
from tests.processes.test_killed_workers import World
from tests.processes.test_roles import until

pytestmark = pytest.mark.skipif(
    not os.environ.get("DATABASE_URL") or not shutil.which("pg_dump"), reason="the drill of PostgreSQL's tools"
)

IMPORT = """
from datetime import date
from flows.models import Installation
from runs.imports import import_create
from tenants.clock import database_now
day = date.fromisoformat("{day}")
import_create(installation=Installation.unscoped.get(), first_day=day, last_day=day, at=database_now(), by=None)
"""
BEGIN = """
from runs.imports import import_start
from runs.models import ImportJob
from tenants.clock import database_now
print("begun", import_start(job=ImportJob.unscoped.get(), at=database_now(), by=None))
"""
SWITCH = """
from flows.models import Installation
from runs.switching import installation_switch
from tenants.clock import database_now
installation_switch(installation=Installation.unscoped.get(), state="{state}", at=database_now(), by=None)
"""


class Restored:
    """The same shop, ledger and addresses, another database."""

    def __init__(self, stack, database_url):
        self.stack, self.url = stack, database_url
        _, shop, ledger = stack.ports
        self.environment = {
            **os.environ,
            **stack.environment,
            "DATABASE_URL": database_url,
            "CAUSEWAY_ALLOWED_PRIVATE_TARGETS": f"127.0.0.1:{shop},127.0.0.1:{ledger}",
        }

    def shell(self, code):
        command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout

    def query(self, sql):
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as database:
            return database.execute(sql).fetchall()

    @contextmanager
    def running(self, *command):
        process = subprocess.Popen([sys.executable, *command], env=self.environment, start_new_session=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)

    def sandbox(self, name, port):
        state = str(self.stack.folder / "sandbox" / f"{name}.json")
        return self.running("-m", "sandbox", name, "--port", str(port), "--state", state)


def test_orders_posted_after_the_backup_are_adopted_and_not_posted_again(tmp_path):
    with Stack(family="B", say=lambda text: None, pace=Pace(lease=8.0, settle=2.0, poll=2.0)) as stack:
        world = World(stack)
        for _ in range(6):
            world.place()
        world.settle_down()
        dump = tmp_path / "causeway.dump"
        subprocess.run(["pg_dump", "-Fc", "-f", str(dump), stack.database_url], check=True)
        for _ in range(5):
            world.place()
        world.settle_down()
        stack.process.send_signal(signal.SIGTERM)
        assert stack.process.wait(timeout=60) == 0

        restored_url = urlsplit(stack.database_url)._replace(path=f"/{stack._database}_restored").geturl()
        stack._on_server(f'CREATE DATABASE "{stack._database}_restored"')
        try:
            subprocess.run(["pg_restore", "--no-owner", "-d", restored_url, str(dump)], check=True)
            _put_back(world, Restored(stack, restored_url))
        finally:
            stack._on_server(f'DROP DATABASE "{stack._database}_restored" WITH (FORCE)')


def _put_back(world, restored):
    web, shop, ledger = restored.stack.ports
    check = [sys.executable, "manage.py", "rotate_keys", "--reseal"]
    resealed = subprocess.run(check, env=restored.environment, check=True, capture_output=True, text=True)
    assert "could not" not in (resealed.stdout + resealed.stderr).lower(), resealed.stdout + resealed.stderr
    restored.shell(SWITCH.format(state="paused"))
    with (
        restored.sandbox("kashflow", ledger),
        restored.sandbox("nopcommerce", shop),
        restored.running("-m", "runs.roles", "web", "--port", str(web)),
        restored.running("-m", "runs.roles", "worker"),
        restored.running("-m", "runs.roles", "scheduler"),
    ):
        wait_until_answers(f"http://127.0.0.1:{shop}/control/state", seconds=30)
        wait_until_answers(f"http://127.0.0.1:{ledger}/control/state", seconds=30)
        before = documents(restored.stack)
        assert len(before) == 11
        restored.shell(IMPORT.format(day=datetime.now(UTC).date()))
        until("the import is read", lambda: restored.query("SELECT state FROM runs_importjob") == [("previewed",)])
        assert "begun" in restored.shell(BEGIN)
        restored.shell(SWITCH.format(state="active"))
        adopted = "SELECT count(*) FROM runs_recordlink WHERE adopted AND operation LIKE '%invoice%'"
        until("all are known", lambda: restored.query(adopted)[0][0] >= 5 and not open_work(restored))
        world.place()  # and life goes on
        until("the next order", lambda: len(documents(restored.stack)) == 12 and not open_work(restored))
        assert before < documents(restored.stack)
        books = world.books()
        assert not books.duplicates and not books.missing and len(books.equal) == 12


def open_work(restored):
    return restored.query("SELECT state FROM runs_inboxevent e JOIN runs_record r ON r.id = e.record_id")


def documents(stack):
    ledger = call("GET", f"{stack.ledger_url}/control/state")["accounts"]["demo"]
    return {invoice["invoice_number"] for invoice in ledger["invoices"]}
