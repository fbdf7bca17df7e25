"""One host of the installation: its roles as trees of processes, started again when they die as by an init system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaos.processes import command_of, descendants, is_alive, kill, parent, wait_until_gone

ROLES = ("web", "worker", "scheduler")
RESTART_PAUSE_SECONDS = 0.5
STOP_SECONDS = 40.0


class Host:
    """``prefix`` is put before every command (``ip netns exec …``); ``environment`` is what differs between hosts."""

    def __init__(
        self, name: str, *, port: int, folder: Path, environment: Mapping[str, str], prefix: Sequence[str] = ()
    ) -> None:
        self.name, self.port, self.folder, self.prefix = name, port, folder, tuple(prefix)
        self.environment = {**environment, "CAUSEWAY_HOST_NAME": name, "CAUSEWAY_VAR_DIR": str(folder)}
        self._leaders: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._keep = threading.Event()
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._log = open(folder / "processes.log", "ab")  # noqa: SIM115 - as long as the host lives

    def start(self, *roles: str) -> None:
        """Start the roles (all), and keep them running from now on."""
        for role in roles or ROLES:
            self._launch(role)
        self._keep.set()
        threading.Thread(target=self._watch, name=f"host {self.name}", daemon=True).start()

    def _launch(self, role: str) -> None:
        command = [*self.prefix, sys.executable, "-m", "runs.roles", role]
        if role == "web":
            command += ["--port", str(self.port), "--host", self.environment.get("CHAOS_WEB_ADDRESS", "127.0.0.1")]
        self._started[role] = time.monotonic()
        self._leaders[role] = subprocess.Popen(
            command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _watch(self) -> None:
        while self._keep.is_set():
            with self._lock:
                for role, leader in list(self._leaders.items()):
                    rested = time.monotonic() - self._started[role] > RESTART_PAUSE_SECONDS
                    if leader.poll() is not None and rested and self._keep.is_set():
                        self._launch(role)
            time.sleep(0.1)

    # Looking

    def pids(self, role: str = "") -> list[int]:
        """All processes of a role, or of the host, leaders first."""
        leaders = [leader for name, leader in self._leaders.items() if role in ("", name) and leader.poll() is None]
        roots = [leader.pid for leader in leaders]
        return [*roots, *descendants(*roots)]

    def cluster_of(self, pid: int) -> int | None:
        """The queue cluster's own first process above a worker."""
        above = pid
        while above > 1:
            pid, above = above, parent(above)
            if "qcluster" in command_of(pid) and "qcluster" not in command_of(above):
                return pid
        return None

    def web_workers(self) -> list[int]:
        """What answers requests: the server below the role's leader, and its worker."""
        return self.pids("web")[1:]

    # Ending

    def kill_everything(self) -> list[int]:
        """SIGKILL for all of the host's processes at once; ``start`` brings it back by itself."""
        with self._lock:
            doomed = self.pids()
            kill(doomed, signal.SIGSTOP)  # nobody may notice another's death
            kill(doomed)
            wait_until_gone(doomed, seconds=5)
        return doomed

    def away(self) -> None:
        """Kill everything and do not start it again until ``start``."""
        self._keep.clear()
        self.kill_everything()

    def stop(self) -> None:
        """End the roles the way an operator does; what does not listen is killed."""
        self._keep.clear()
        with self._lock:
            running = [leader for leader in self._leaders.values() if leader.poll() is None]
            everything = self.pids()
            kill([leader.pid for leader in running], signal.SIGCONT)
            kill(everything, signal.SIGCONT)
            kill([leader.pid for leader in running], signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            for leader in running:
                try:
                    leader.wait(timeout=max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    pass
            kill([pid for pid in everything if is_alive(pid)])
            for leader in running:
                leader.wait()
        self._log.close()
