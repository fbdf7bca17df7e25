"""A PostgreSQL and a Redis of our own, to be restarted, killed, filled up and flushed without anybody else noticing."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from demo.stack import free_port

START_SECONDS = 30.0
DISK_MEGABYTES = 400


def postgresql_binary(name: str) -> str | None:
    """Path of one of PostgreSQL's programs, also where only Debian's own folders have it."""
    found = shutil.which(name)
    if found:
        return found
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(versions[-1]) if versions else None


def can_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


class OwnPostgres:
    """``with OwnPostgres(...) as server``: ``server.url`` may make databases. ``small_disk``: on a small tmpfs."""

    def __init__(self, *, address: str = "127.0.0.1", small_disk: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="causeway-pg-"))
        self._data = self._folder / "data"
        self._disk = small_disk and can_mount()
        self.address, self.port = address, free_port()
        self.url = f"postgresql://postgres@{address}:{self.port}/postgres"

    @property
    def has_small_disk(self) -> bool:
        return self._disk

    def __enter__(self) -> OwnPostgres:
        initdb = postgresql_binary("initdb")
        if initdb is None:
            raise RuntimeError("PostgreSQL's initdb is not installed here")
        self._folder.chmod(0o755)
        self._data.mkdir()
        if self._disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", self._data], check=True)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self._data, owner.pw_uid, owner.pw_gid)
        self._data.chmod(0o700)
        self._as_owner(initdb, "-D", str(self._data), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8")
        with open(self._data / "pg_hba.conf", "a") as rules:
            rules.write("host all all 10.0.0.0/8 trust\n")
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.free_disk()
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        if self._disk:
            subprocess.run(["umount", "-l", self._data], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _as_owner(self, *command: str) -> None:
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    def _control(self, *command: str) -> None:
        binary = postgresql_binary("pg_ctl")
        assert binary is not None
        self._as_owner(binary, "-D", str(self._data), "-w", "-t", str(int(START_SECONDS)), *command)

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses={self.address} -c unix_socket_directories={self._data} "
            "-c max_wal_size=96MB -c min_wal_size=32MB -c max_connections=120 -c shared_buffers=32MB"
        )
        self._control("-l", str(self._data / "server.log"), "-o", options, "start")

    def stop(self, mode: str) -> None:
        """:param mode: ``fast``, or ``immediate``: as a crash."""
        self._control("-m", mode, "stop")

    def answers(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(self.url, connect_timeout=2, autocommit=True) as server:
                server.execute("CREATE TEMPORARY TABLE probe (x int)")
                return True
        except psycopg.Error:
            return False

    def ensure_started(self) -> bool:
        """:returns: True when it had gone down and was started again."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.answers():
                return False
            if not self._is_running():
                self.start()
                return True
            time.sleep(0.3)
        raise TimeoutError("the database does not come back")

    def _is_running(self) -> bool:
        try:
            pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return False
        return Path(f"/proc/{pid}").exists()

    def fill_disk(self) -> None:
        """Leave no room at all on the small disk."""
        with open(self._data / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65536)
        with open(self._data / "filler2", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 512)

    def free_disk(self) -> None:
        for name in ("filler", "filler2"):
            (self._data / name).unlink(missing_ok=True)


class OwnRedis:
    """A Redis that keeps nothing."""

    def __init__(self, *, address: str = "127.0.0.1") -> None:
        self.address, self.port = address, free_port()
        self.url = f"redis://{address}:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> OwnRedis:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def start(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise RuntimeError("redis-server is not installed here")
        command = [binary, "--port", str(self.port), "--bind", self.address, "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*command, "--protected-mode", "no"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/tmp"
        )

    def flush(self) -> None:
        import redis

        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
