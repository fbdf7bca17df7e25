"""A whole installation of its own: stand-ins, database, hosts; gone afterwards."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chaos.hosts import Host
from chaos.netns import Namespaces
from chaos.proxy import Proxy
from chaos.store import Store
from demo.http import call, wait_until_answers
from demo.stack import free_port

START_SECONDS = 60.0
PREFIX, ZONE, ACCOUNT = "NOP-", "Europe/London", "demo"
FLOW_SETTINGS = {"status_after_invoice": "processing"}
"""The write to the shop that follows an invoice, so that it can be killed, too."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Pace:
    """Times of the installation in seconds, short so that recovery is seen often."""

    lease: float = 6.0
    settle: float = 2.0
    poll: float = 3.0
    drain: float = 30.0


@dataclass
class Plan:
    """What to build. ``database_server``: a PostgreSQL address whose role may make databases; empty: SQLite.

    ``proxied``: hosts reach stand-ins and database through proxies that can be told to misbehave. ``net``: each host in
    a network namespace of its own.
    """

    pace: Pace = field(default_factory=Pace)
    family: str = "B"
    hosts: int = 1
    workers: int = 2
    database_server: str = ""
    redis: str = ""
    settings: dict[str, Any] = field(default_factory=lambda: dict(FLOW_SETTINGS))
    environment: dict[str, str] = field(default_factory=dict)
    keep: bool = False
    harness: bool = False
    proxied: bool = False
    net: Namespaces | None = None
    environment_of: Callable[[int, Path], Mapping[str, str]] = lambda number, folder: {}


class World:
    """``with World(plan, say) as world``: everything runs inside."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self.plan, self.say = plan, say
        self.folder = Path(tempfile.mkdtemp(prefix="causeway-chaos-"))
        self.key = self.folder.name.rpartition("-")[2].lower()
        self.store = Store(
            server=plan.database_server, name=f"causeway_chaos_{self.key}", folder=self.folder / "shared"
        )
        self.address = plan.net.root if plan.net else "127.0.0.1"
        self.shop_url, self.ledger_url = (f"http://{self.address}:{free_port()}" for _ in range(2))
        self.proxies: dict[str, Proxy] = {}
        self.database_proxies: list[Proxy] = []
        self.hosts: list[Host] = []
        self._standins: list[subprocess.Popen[bytes]] = []
        self.orders: list[int] = []
        self.installation = 0

    @property
    def host(self) -> Host:
        return self.hosts[0]

    def __enter__(self) -> World:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    # Building

    def _start(self) -> None:
        self.say("starting stand-ins, web, workers and schedulers ...")
        (self.folder / "shared").mkdir()
        self.store.create()
        self._standin("kashflow", self.ledger_url)
        self._standin("nopcommerce", self.shop_url)
        if self.plan.proxied:
            self.proxies = {name: self._proxy(url) for name, url in self.systems().items()}
        self.hosts = [self._host(number) for number in range(self.plan.hosts)]
        self._program("manage.py", "prepare")
        for host in self.hosts:
            host.start()
        self.wait_for_web()
        # A delivery that met a dead door comes again after seconds, not minutes.
        call("PATCH", f"{self.shop_url}/control/settings", {"minute_seconds": 2})
        self._seed()

    def _standin(self, name: str, url: str) -> None:
        log = open(self.folder / f"{name}.log", "ab")  # noqa: SIM115 - handed to the child
        command = [sys.executable, "-m", "sandbox", name, "--port", url.rpartition(":")[2], "--host", self.address]
        self._standins.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
        log.close()
        wait_until_answers(f"{url}/control/calls", seconds=START_SECONDS)

    def _host(self, number: int) -> Host:
        folder = self.folder / f"host{number}"
        port = free_port()
        shared = self.folder / "shared"
        net = self.plan.net
        web = net.address(number) if net else "127.0.0.1"
        if not (shared / "keys.json").exists():
            self._web_url = f"http://{web}:{port}"
            keys = {
                "CAUSEWAY_SECRET_KEY": secrets.token_hex(32),
                "CAUSEWAY_MASTER_KEYS": f"local:{base64.b64encode(secrets.token_bytes(32)).decode()}",
            }
            (shared / "keys.json").write_text(json.dumps(keys))
        pace = self.plan.pace
        environment = {
            **json.loads((shared / "keys.json").read_text()),
            "DATABASE_URL": self._database_url(shared),
            "CAUSEWAY_ALLOWED_HOSTS": f"127.0.0.1,localhost,{web}",
            "CHAOS_WEB_ADDRESS": web,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "CAUSEWAY_BASE_URL": self._web_url,
            "CAUSEWAY_LEASE_SECONDS": str(pace.lease),
            "CAUSEWAY_DRAIN_SECONDS": str(pace.drain),
            "CAUSEWAY_QUEUE_WORKERS": str(self.plan.workers),
            "CAUSEWAY_ALLOWED_PRIVATE_TARGETS": ",".join(map(_address, self._urls_for_us())),
            **({"REDIS_URL": self.plan.redis} if self.plan.redis else {}),
            **self.plan.environment,
            **self.plan.environment_of(number, folder),
        }
        prefix = net.prefix(number) if net else ()
        return Host(f"{self.key}-{number}", port=port, folder=folder, environment=environment, prefix=prefix)

    def _proxy(self, url: str) -> Proxy:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        proxy = Proxy((parts.hostname, parts.port), host=self.address)
        return proxy.__enter__()  # left in ``_end``

    def _database_url(self, shared: Path) -> str:
        """Each host's own way to the database."""
        if not self.store.url:
            return f"sqlite:///{shared / 'causeway.sqlite3'}"
        if not self.plan.proxied:
            return self.store.url
        proxy = self._proxy(self.store.url)
        self.database_proxies.append(proxy)
        parts = urlsplit(self.store.url)
        return parts._replace(netloc=f"{parts.username}@{proxy.address}").geturl()

    def _urls_for_us(self) -> tuple[str, str]:
        """Where our processes find shop and ledger."""
        if not self.proxies:
            return self.shop_url, self.ledger_url
        return f"http://{self.proxies['nopcommerce'].address}", f"http://{self.proxies['kashflow'].address}"

    def _program(self, *command: str) -> str:
        """Run a program in the first host's environment to its end."""
        host = self.host
        done = subprocess.run(
            [*host.prefix, sys.executable, *command],
            env={**os.environ, **host.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done.stdout

    def manage(self, *command: str) -> str:
        """One of Django's commands against this installation. :returns: what it printed."""
        return self._program("manage.py", *command)

    def _seed(self) -> None:
        pace = self.plan.pace
        options = {
            "family": self.plan.family,
            "poll_seconds": pace.poll,
            "settle_seconds": pace.settle,
            "settings": self.plan.settings,
            "harness": self.plan.harness,
        }
        self._program("-m", "chaos.seed", *self._urls_for_us(), json.dumps(options))
        ((self.installation,),) = self.store.query("SELECT min(id) FROM flows_installation")

    def wait_for_web(self) -> None:
        wait_until_answers(self._web_url, seconds=START_SECONDS)

    def _end(self) -> None:
        for host in self.hosts:
            host.stop()
        for proxy in [*self.proxies.values(), *self.database_proxies]:
            proxy.__exit__()
        for standin in self._standins:
            standin.terminate()
        for standin in self._standins:
            try:
                standin.wait(timeout=10)
            except subprocess.TimeoutExpired:
                standin.kill()
                standin.wait()
        if self.plan.keep:
            self.say(f"kept {self.folder} {self.store.url}".rstrip())
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.store.drop()

    # The outside systems

    def systems(self) -> dict[str, str]:
        """Stand-ins by connector."""
        return {"kashflow": self.ledger_url, "nopcommerce": self.shop_url}

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The shop's and the ledger's own state."""
        return call("GET", f"{self.shop_url}/control/state"), call("GET", f"{self.ledger_url}/control/state")

    def place(self, spec: dict[str, Any]) -> int:
        order: int = call("POST", f"{self.shop_url}/control/orders", spec)["id"]
        self.orders.append(order)
        return order

    def act(self, order: int, action: str, body: dict[str, Any] | None = None) -> None:
        call("POST", f"{self.shop_url}/control/orders/{order}/{action}", body or {})

    def until(self, what: str, seconds: float, done: Callable[[], object]) -> float:
        """Wait until ``done()``. :returns: how long it took. :raises TimeoutError: it did not come about."""
        started = time.monotonic()
        while not done():
            if time.monotonic() - started > seconds:
                raise TimeoutError(f"not within {seconds:.0f} s: {what}; open: {self.store.open_work()[:10]}")
            time.sleep(0.1)
        return time.monotonic() - started


def _address(url: str) -> str:
    return url.partition("://")[2]
