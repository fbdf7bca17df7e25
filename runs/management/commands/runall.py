"""Everything on one machine: web, queue cluster, sweep and, unless told otherwise, the sandbox systems."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from runs.supervisor import Child, Supervisor


class Command(BaseCommand):
    help = "Start web, workers, sweep and the sandbox systems; Ctrl-C ends them all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-sandbox", action="store_true")
        parser.add_argument("--shop-port", type=int, default=9101)
        parser.add_argument("--ledger-port", type=int, default=9102)
        parser.add_argument("--quiet-children", action="store_true", help="children write to files in var/log")

    def handle(self, *args: Any, **options: Any) -> None:
        stop_file = Path(settings.VAR_DIR) / "run" / "stop"
        stop_file.parent.mkdir(parents=True, exist_ok=True)
        stop_file.unlink(missing_ok=True)
        supervisor = Supervisor(self._children(options, stop_file), say=lambda text: self.stderr.write(text))
        stopping: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda caught, _frame: stopping.append(caught))
        supervisor.start()
        while not stopping:
            supervisor.watch_once()
            time.sleep(0.3)
        self.stderr.write("stopping …")
        stop_file.touch()  # drains end at the next look; the cluster waits for them
        supervisor.stop()
        stop_file.unlink(missing_ok=True)

    def _children(self, options: dict[str, Any], stop_file: Path) -> list[Child]:
        log_dir = Path(settings.VAR_DIR) / "log"
        log_dir.mkdir(parents=True, exist_ok=True)

        def child(name: str, *command: str, **named: Any) -> Child:
            return Child(
                name=name,
                command=[sys.executable, *command],
                environment={"CAUSEWAY_STOP_FILE": str(stop_file), **named.pop("environment", {})},
                log_path=str(log_dir / f"{name}.log") if options["quiet_children"] else None,
                **named,
            )

        web = child("web", *web_command(options["host"], options["port"]), environment={"CAUSEWAY_WEB_POOL": "true"})
        children = [web, child("queue", "manage.py", "qcluster", grace_seconds=30.0), child("sweep", "manage.py", "sweep")]
        if not options["no_sandbox"]:
            state = Path(settings.VAR_DIR) / "sandbox"
            state.mkdir(parents=True, exist_ok=True)
            for name, port in (("kashflow", options["ledger_port"]), ("nopcommerce", options["shop_port"])):
                arguments = ["-m", "sandbox", name, "--port", str(port), "--state", str(state / f"{name}.json")]
                children.insert(0, child(name, *arguments))
        return children


def web_command(host: str, port: int) -> list[str]:
    """granian with threads: measured fastest for plain views that commit one row."""
    return [
        "-m", "granian", "--interface", "wsgi", "config.wsgi:application", "--host", host, "--port", str(port),
        "--workers", "1", "--blocking-threads", str(settings.ENV.web_threads), "--log-level", "warning",
        "--respawn-failed-workers",
    ]  # fmt: skip
