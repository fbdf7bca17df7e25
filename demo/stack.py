"""A whole Causeway for one demo: own folder, own database, free ports; gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from demo.http import wait_until_answers

START_SECONDS = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Stack:
    """``with Stack(...) as stack``: everything runs inside; ``shop_url``, ``ledger_url`` and ``web_url`` tell where.

    With DATABASE_URL set, that server is used with a database of the demo's own; otherwise SQLite in the folder.
    """

    def __init__(self, *, family: str, say: Callable[[str], None]) -> None:
        self.family, self.say = family, say
        self.folder = Path(tempfile.mkdtemp(prefix="causeway-demo-"))
        web, shop, ledger = free_port(), free_port(), free_port()
        self.ports = (web, shop, ledger)
        self.web_url, self.shop_url, self.ledger_url = (f"http://127.0.0.1:{port}" for port in self.ports)

    def __enter__(self) -> Stack:
        web, shop, ledger = self.ports
        os.environ.update(
            CAUSEWAY_VAR_DIR=str(self.folder),
            CAUSEWAY_BASE_URL=self.web_url,
            CAUSEWAY_LEASE_SECONDS="30",
            CAUSEWAY_DRAIN_SECONDS="300",
            DJANGO_SETTINGS_MODULE="config.settings",
        )
        command = [
            sys.executable, "manage.py", "start", "--port", str(web), "--shop-port", str(shop),
            "--ledger-port", str(ledger), "--family", self.family, "--log-files",
            "--poll-seconds", "5", "--settle-seconds", "5",
        ]  # fmt: skip
        self.say("starting shop, ledger, web and workers ...")
        self._log = open(self.folder / "start.log", "wb")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True)
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

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._log.close()
        if os.environ.get("CAUSEWAY_DEMO_KEEP"):
            self.say(f"kept {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
