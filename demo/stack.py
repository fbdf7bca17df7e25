"""A whole Causeway for one demo: own folder, own database, free ports; gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from demo.http import wait_until_answers

START_SECONDS = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Pace:
    """Times of a demo's installation, in seconds; tests of dying workers make them short."""

    lease: float = 30.0
    settle: float = 5.0
    poll: float = 5.0


class Stack:
    """``with Stack(...) as stack``: everything runs inside; ``shop_url``, ``ledger_url`` and ``web_url`` tell where.

    With DATABASE_URL set, a database of the stack's own is made on that server; otherwise SQLite in the folder.
    ``environment`` is what its processes run with; a process that wants the same database takes it over.
    """

    def __init__(self, *, family: str, say: Callable[[str], None], pace: Pace | None = None) -> None:
        self.family, self.say, self.pace = family, say, pace or Pace()
        self.folder = Path(tempfile.mkdtemp(prefix="causeway-demo-"))
        web, shop, ledger = free_port(), free_port(), free_port()
        self.ports = (web, shop, ledger)
        self.web_url, self.shop_url, self.ledger_url = (f"http://127.0.0.1:{port}" for port in self.ports)
        self._server = os.environ.get("DATABASE_URL", "")
        self._database = f"causeway_{self.folder.name.rpartition('-')[2].lower()}"
        self.environment = {
            "CAUSEWAY_VAR_DIR": str(self.folder),
            "CAUSEWAY_HOST_NAME": self._database,  # a queue of its own, also beside others on one Redis
            "CAUSEWAY_BASE_URL": self.web_url,
            "CAUSEWAY_LEASE_SECONDS": str(self.pace.lease),
            "CAUSEWAY_DRAIN_SECONDS": "300",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            **({"DATABASE_URL": self.database_url} if self._server else {}),
        }

    @property
    def database_url(self) -> str:
        """Address of the stack's own database on the server; empty for SQLite."""
        return urlsplit(self._server)._replace(path=f"/{self._database}").geturl() if self._server else ""

    def __enter__(self) -> Stack:
        web, shop, ledger = self.ports
        command = [
            sys.executable, "manage.py", "start", "--port", str(web), "--shop-port", str(shop),
            "--ledger-port", str(ledger), "--family", self.family, "--log-files",
            "--poll-seconds", str(self.pace.poll), "--settle-seconds", str(self.pace.settle),
        ]  # fmt: skip
        self.say("starting shop, ledger, web and workers ...")
        if self._server:
            self._on_server(f'CREATE DATABASE "{self._database}"')
        self._log = open(self.folder / "start.log", "wb")
        self.process = subprocess.Popen(
            command,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **self.environment},
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        ready = self.folder / "start.log"
        while b"Causeway is running" not in ready.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the stack did not start:\n{ready.read_text()[-3000:]}")
            time.sleep(0.2)
        wait_until_answers(self.web_url, seconds=10)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into the stack's database from outside of it, or change a row: for tests."""
        if self._server:
            import psycopg

            with psycopg.connect(self.database_url, autocommit=True) as server:
                found = server.execute(sql)
                return found.fetchall() if found.description else []
        with closing(sqlite3.connect(self.folder / "causeway.sqlite3", timeout=20)) as file, file:
            return file.execute(sql).fetchall()

    def _on_server(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self._server, autocommit=True) as server:
            server.execute(sql)

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._log.close()
        if os.environ.get("CAUSEWAY_DEMO_KEEP"):
            self.say(f"kept {self.folder} {self.database_url}".rstrip())
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._server:
            self._on_server(f'DROP DATABASE IF EXISTS "{self._database}" WITH (FORCE)')
