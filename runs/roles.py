"""One role of an installation as one tree of processes: ``python -m runs.roles web|worker|listener|scheduler``.

The leader starts what the role needs, starts it again when it dies, and on SIGTERM or SIGINT ends all of it. Signal the
leader alone, never its group. Any number of hosts may run any role; the database and Redis are all they share.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from django.conf import settings

from runs.supervisor import Child, Supervisor
from telemetry.shared import begin

ROLES = ("web", "worker", "listener", "scheduler")
WATCH_SECONDS = 0.3


def children_of(role: str, *, host: str = "127.0.0.1", port: int = 8000) -> list[Child]:
    """The processes of a role, not yet started."""
    if role == "web":
        return [Child("web", [sys.executable, *web_command(host, port)])]
    if role == "worker":
        # A drain may take one lease to finish what is in flight.
        return [_manage("queue", "qcluster", grace_seconds=settings.LEASE_SECONDS + 15.0)]
    if role == "listener":
        return [_manage("listener", "listen")]
    return [_manage("scheduler", "sweep")]


def web_command(host: str, port: int) -> list[str]:
    """granian with threads: measured fastest for plain views that commit one row."""
    return [
        "-m", "granian", "--interface", "wsgi", "config.wsgi:application", "--host", host, "--port", str(port),
        "--workers", "1", "--blocking-threads", str(settings.ENV.web_threads), "--log-level", "warning",
        "--respawn-failed-workers",
    ]  # fmt: skip


def _manage(name: str, command: str, **named: Any) -> Child:
    return Child(name, [sys.executable, "manage.py", command], **named)


class StopFile:
    """Its existence asks drains to end: the queue's own signals never reach a running task. One per leader."""

    def __init__(self, role: str) -> None:
        self.path = Path(settings.VAR_DIR) / "run" / f"stop-{role}-{os.getpid()}"

    def __enter__(self) -> StopFile:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self.path.unlink(missing_ok=True)

    def ask(self) -> None:
        self.path.touch()

    @property
    def environment(self) -> dict[str, str]:
        return {"CAUSEWAY_STOP_FILE": str(self.path)}


class Keeping:
    """``with Keeping(supervisor):`` looks after this host's drains in a thread of its own."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def __enter__(self) -> Keeping:
        from runs.slots import Keeper

        self._stop = threading.Event()
        keeper = Keeper(renew=lambda: self._supervisor.renew("queue"))
        self._thread = threading.Thread(target=keeper.run, args=(self._stop.wait,), name="slots", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)


def watch_until_told(supervisor: Supervisor) -> None:
    """Keeps the children alive until SIGTERM or SIGINT."""
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda caught, _frame: stopping.append(caught))
    while not stopping:
        supervisor.watch_once()
        time.sleep(WATCH_SECONDS)


def role_run(role: str, *, host: str, port: int) -> None:
    """Start the role and stay until told to end."""
    supervisor = Supervisor(say=_say)
    with StopFile(role) as stop_file:
        try:
            for child in children_of(role, host=host, port=port):
                child.environment = {**stop_file.environment, **child.environment}
                supervisor.add(child)
            if role == "worker":
                _keep_while_watching(supervisor)
            else:
                watch_until_told(supervisor)
        finally:
            stop_file.ask()
            supervisor.stop()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _keep_while_watching(supervisor: Supervisor) -> None:
    import django

    django.setup()
    with Keeping(supervisor):
        watch_until_told(supervisor)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--host", default="127.0.0.1", help="web: address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="web: port to listen on")
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if not _ready(options.role):
        return 1
    begin(settings.METRICS_DIR)
    role_run(options.role, host=options.host, port=options.port)
    return 0


def _ready(role: str) -> bool:
    """The database has what this code needs, and a web host has its files."""
    if subprocess.run([sys.executable, "manage.py", "migrate", "--check"], stdout=subprocess.DEVNULL).returncode:
        _say("The database is not migrated to this version: ./run manage prepare")
        return False
    if role == "web":
        subprocess.run([sys.executable, "manage.py", "collectstatic", "--no-input", "-v", "0"], check=True)
    return True


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
