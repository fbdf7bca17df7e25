"""A Causeway of the bench's own: folder, database, stub, web, queue and sweep on free ports; gone afterwards."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bench import processes, stub

ROOT = Path(__file__).parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """``with Stack() as stack``: database made and migrated, Django set up in this process, stub running.

    Web, queue and sweep are started by ``start_web`` and ``start_queue`` and may be stopped and started again.
    """

    def __init__(self, *, workers: int = 2, lease_seconds: float = 60.0) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="causeway-bench-"))
        name = f"causeway_bench_{secrets.token_hex(4)}"
        self._server = os.environ.get("DATABASE_URL") or os.environ.get("CI_DATABASE_URL") or ""
        self.database_name = name if self._server else ""
        self.database_url = urlsplit(self._server)._replace(path=f"/{name}").geturl() if self._server else ""
        self.redis_url = os.environ.get("REDIS_URL") or os.environ.get("CI_REDIS_URL") or ""
        self.web_port, self.stub_port = free_port(), free_port()
        self.stub = stub.Stub(f"127.0.0.1:{self.stub_port}")
        self.second_stub = f"127.0.0.1:{free_port()}"
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._stop_file = self.folder / "stop"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "CAUSEWAY_VAR_DIR": str(self.folder),
            "CAUSEWAY_BASE_URL": f"http://127.0.0.1:{self.web_port}",
            "CAUSEWAY_ALLOWED_PRIVATE_TARGETS": f"{self.stub.address},{self.second_stub}",
            "CAUSEWAY_QUEUE_WORKERS": str(workers),
            "CAUSEWAY_LEASE_SECONDS": str(lease_seconds),
            "CAUSEWAY_STOP_FILE": str(self._stop_file),
            "CAUSEWAY_LOG_LEVEL": "WARNING",
            "BENCH_QUEUE": name,
            "BENCH_STUB": self.stub.address,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
        }

    def __enter__(self) -> Stack:
        try:
            self._prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _prepare(self) -> None:
        if self._server:
            self._on_server(f'CREATE DATABASE "{self.database_name}"')
        self.running["stub"] = stub.start(self.stub_port)
        os.environ.update(self.environment)
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
        call_command("createcachetable", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)

    def start_web(self) -> None:
        from runs.roles import web_command

        self._start("web", *web_command("127.0.0.1", self.web_port))
        deadline = time.monotonic() + START_SECONDS
        while not self._web_answers():
            if self.running["web"].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"web did not start:\n{self.log('web')}")
            time.sleep(0.1)

    def _web_answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/hooks/nobody", timeout=5)
        except urllib.error.HTTPError:
            return True  # an answer is an answer
        except OSError:
            return False
        return True

    def start_queue(self, **environment: str) -> None:
        """Cluster and sweep; returns when every slot has a living drain."""
        from django.conf import settings

        from runs.models import WorkerSlot

        self._stop_file.unlink(missing_ok=True)
        WorkerSlot.objects.update(alive=False, heartbeat_at=None)  # none lives; whoever pretended has ended
        self._start("queue", "-m", "runs.roles", "worker", **environment)
        self._start("sweep", "manage.py", "sweep", **environment)
        deadline = time.monotonic() + START_SECONDS
        while WorkerSlot.objects.filter(alive=True).count() < settings.QUEUE_WORKERS:
            if self.running["queue"].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the workers did not start:\n{self.log('queue')}")
            time.sleep(0.1)

    def start_tasks(self, cluster: str) -> None:
        """The cluster of the one-task-per-order comparison."""
        self._start("tasks", "manage.py", "qcluster", Q_CLUSTER_NAME=cluster)

    def stop(self, *names: str) -> None:
        """End by the leader alone, as the runner does; drains end by the stop file first."""
        self._stop_file.touch()
        ending = [(name, self.running.pop(name)) for name in names if name in self.running]
        for _, process in ending:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for _, process in ending:
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, name: str, *command: str, **environment: str) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, **self.environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=processes.die_with_parent,
            )

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def roots(self) -> dict[str, int]:
        """Leading process of every group, the database and Redis servers included where there are any."""
        found = {name: process.pid for name, process in self.running.items()}
        with contextlib.suppress(Exception):
            found.update(self._servers())
        return found

    def _servers(self) -> Iterator[tuple[str, int]]:
        if self._server:
            from django.db import connection

            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                yield "postgres", processes.parent(cursor.fetchone()[0])
        if self.redis_url:
            import redis

            with redis.Redis.from_url(self.redis_url) as client:
                yield "redis", client.info("server")["process_id"]

    def _on_server(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self._server, autocommit=True) as server:
            server.execute(sql)

    def __exit__(self, *exc: object) -> None:
        self.stop(*[name for name in self.running if name != "stub"])
        self.stop("stub")
        if self.redis_url:
            self._forget_queue()
        if self._server:
            with contextlib.suppress(Exception):
                from django.db import connections

                connections.close_all()
            self._on_server(f'DROP DATABASE IF EXISTS "{self.database_name}" WITH (FORCE)')
        if os.environ.get("BENCH_KEEP"):
            print(f"kept {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _forget_queue(self) -> None:
        import redis

        with contextlib.suppress(Exception), redis.Redis.from_url(self.redis_url) as client:
            keys = list(client.scan_iter(match=f"*{self.environment['BENCH_QUEUE']}*"))
            if keys:
                client.delete(*keys)
