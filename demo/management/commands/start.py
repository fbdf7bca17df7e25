"""Everything on one machine: sandbox systems, demo tenant, web, queue cluster and sweep. Ctrl-C ends them all."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from connectors.registry import CONNECTORS
from demo.http import wait_until_answers
from demo.seed import EMAIL, OPERATOR_EMAIL, PASSWORD, SandboxSystems, catalogue_align, demo_pair, demo_tenant
from runs.roles import Keeping, StopFile, children_of, watch_until_told
from runs.supervisor import Child, Supervisor
from telemetry.shared import begin

SANDBOX_HOST = "127.0.0.1"


class Command(BaseCommand):
    help = "Set up the database, then start sandbox systems, demo tenant, web, workers and sweep; Ctrl-C ends them all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-sandbox", action="store_true", help="no sandbox systems and no demo tenant")
        parser.add_argument("--shop-port", type=int, default=9101)
        parser.add_argument("--ledger-port", type=int, default=9102)
        parser.add_argument("--family", default="B", choices=["A", "B", "C"], help="API plug-in of the sandbox shop")
        parser.add_argument("--poll-seconds", type=float, default=15.0, help="how often the sandbox shop is polled")
        parser.add_argument("--settle-seconds", type=float, default=10.0)
        parser.add_argument("--log-files", action="store_true", help="children write to var/log instead of here")

    def handle(self, *args: Any, **options: Any) -> None:
        self._check_ports(options)
        addresses_apply(options)
        call_command("prepare")
        begin(settings.METRICS_DIR)
        supervisor = Supervisor(say=lambda text: self.stderr.write(text))
        with StopFile("all") as stop_file:
            try:
                self._start(supervisor, options, stop_file)
                with Keeping(supervisor):
                    watch_until_told(supervisor)
            finally:
                self.stderr.write("stopping …")
                stop_file.ask()  # drains end at the next look; the cluster waits for them
                supervisor.stop()

    def _start(self, supervisor: Supervisor, options: dict[str, Any], stop_file: StopFile) -> None:
        spawn = _Spawn(supervisor, stop_file, to_files=options["log_files"])
        web = f"http://{options['host']}:{options['port']}"
        spawn.role("web", host=options["host"], port=options["port"])
        lines = [f"  pages     {web}/", f"  operators {web}/admin/"]
        if not options["no_sandbox"]:
            lines += self._sandbox(spawn, options)
        spawn.role("worker")
        spawn.role("scheduler")
        if any(connector.streams for connector in CONNECTORS.values()):
            spawn.role("listener")
        wait_until_answers(web, seconds=60)
        self.stdout.write("\n".join(["", "Causeway is running:", *lines, "Ctrl-C ends it.", ""]))
        self.stdout.flush()

    def _sandbox(self, spawn: _Spawn, options: dict[str, Any]) -> list[str]:
        shop, ledger = (f"http://{SANDBOX_HOST}:{options[name]}" for name in ("shop_port", "ledger_port"))
        fresh = spawn.sandbox("kashflow", options["ledger_port"])
        spawn.sandbox("nopcommerce", options["shop_port"])
        for url in (shop, ledger):
            wait_until_answers(f"{url}/control/calls", seconds=30)
        systems = SandboxSystems(
            shop_url=shop,
            ledger_url=ledger,
            family=options["family"],
            poll_seconds=options["poll_seconds"],
            settle_seconds=options["settle_seconds"],
        )
        if fresh:
            catalogue_align(systems)
        wait_until_answers(f"http://{options['host']}:{options['port']}/", seconds=60)  # the shop checks our hook
        demo_pair(demo_tenant(), systems)
        return [
            f"  shop      {shop}/   (place an order here)",
            f"  ledger    {ledger}/   (its invoice appears here)",
            f"  log in    {EMAIL} / {PASSWORD}   (operator console: {OPERATOR_EMAIL}, same password)",
        ]

    def _check_ports(self, options: dict[str, Any]) -> None:
        wanted = [("port", options["host"])]
        if not options["no_sandbox"]:
            wanted += [("shop_port", SANDBOX_HOST), ("ledger_port", SANDBOX_HOST)]
        for name, host in wanted:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, options[name]))
                except OSError as error:
                    option = f"--{name.replace('_', '-')}"
                    raise CommandError(
                        f"Port {options[name]} on {host} is taken ({error.strerror}). Choose another with {option}."
                    ) from error


class _Spawn:
    """Starts children under one supervisor with one stop file."""

    def __init__(self, supervisor: Supervisor, stop_file: StopFile, *, to_files: bool) -> None:
        self._supervisor, self._stop_file, self._to_files = supervisor, stop_file, to_files

    def role(self, name: str, **named: Any) -> None:
        for child in children_of(name, **named):
            self.start(child)

    def start(self, child: Child) -> None:
        child.environment = {**self._stop_file.environment, **child.environment}
        if self._to_files:
            log_dir = Path(settings.VAR_DIR) / "log"
            log_dir.mkdir(parents=True, exist_ok=True)
            child.log_path = str(log_dir / f"{child.name}.log")
        self._supervisor.add(child)

    def sandbox(self, name: str, port: int) -> bool:
        """:returns: True when the stand-in starts without remembered state."""
        folder = Path(settings.VAR_DIR) / "sandbox"
        folder.mkdir(parents=True, exist_ok=True)
        state = folder / f"{name}.json"
        fresh = not state.exists()
        command = [sys.executable, "-m", "sandbox", name, "--port", str(port), "--state", str(state)]
        self.start(Child(name, command))
        return fresh


def addresses_apply(options: dict[str, Any]) -> None:
    """Our own address follows the chosen port unless one is set, and the sandbox on this machine may be called."""
    if "CAUSEWAY_BASE_URL" not in os.environ:
        settings.BASE_URL = os.environ["CAUSEWAY_BASE_URL"] = f"http://{options['host']}:{options['port']}"
    if not options["no_sandbox"]:
        sandbox = [f"{SANDBOX_HOST}:{options[name]}" for name in ("shop_port", "ledger_port")]
        settings.ALLOWED_PRIVATE_TARGETS = list(dict.fromkeys([*settings.ALLOWED_PRIVATE_TARGETS, *sandbox]))
        os.environ["CAUSEWAY_ALLOWED_PRIVATE_TARGETS"] = ",".join(settings.ALLOWED_PRIVATE_TARGETS)
