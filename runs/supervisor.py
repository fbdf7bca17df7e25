"""Keeps a set of child processes alive and ends them cleanly.

Each child leads its own session and dies with us. Only the leader is signalled, once: a signal to the queue cluster's
whole group makes it hang (the lock dies with the sentinel); the group is killed only after the grace period.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
RESTART_PAUSE_SECONDS = 2.0


def _die_with_parent() -> None:
    if _LIBC is not None:  # loaded before the fork: between fork and exec as little as possible happens
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """One process to keep running. ``grace_seconds``: how long it may take to end by itself."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = 15.0
    log_path: str | None = None
    process: subprocess.Popen[bytes] | None = None
    restarted_at: float = 0.0

    def start(self) -> None:
        output = open(self.log_path, "ab") if self.log_path else None  # noqa: SIM115 - handed to the child
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                list(self.command),
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        finally:
            if output:
                output.close()
        self.restarted_at = time.monotonic()


class Supervisor:
    """Starts children, restarts those that die, ends all on request."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.children: list[Child] = []
        self.say = say

    def add(self, child: Child) -> None:
        """Start it and keep it running."""
        child.start()
        self.children.append(child)

    def watch_once(self) -> None:
        """Restart children that ended by themselves, not more often than every ``RESTART_PAUSE_SECONDS``."""
        for child in self.children:
            if child.process is None or child.process.poll() is None:
                continue
            if time.monotonic() - child.restarted_at < RESTART_PAUSE_SECONDS:
                continue
            self.say(f"{child.name} ended with {child.process.returncode}; starting it again")
            _kill_group(child.process.pid)  # grandchildren of a killed leader must not live on beside the new one
            child.start()

    def renew(self, name: str) -> None:
        """Kill the child of that name with all it has; ``watch_once`` starts it again."""
        for child in self.children:
            if child.name == name and child.process is not None and child.process.poll() is None:
                _kill_group(child.process.pid)

    def stop(self) -> None:
        """Signal each leader once, wait, then kill what is left of its group."""
        running = [child for child in self.children if child.process is not None and child.process.poll() is None]
        for child in running:
            child.process.terminate()  # type: ignore[union-attr]
        for child in running:
            assert child.process is not None  # noqa: S101 - narrowed above
            try:
                child.process.wait(timeout=child.grace_seconds)
            except subprocess.TimeoutExpired:
                self.say(f"{child.name} did not end within {child.grace_seconds:.0f} s and was killed")
            _kill_group(child.process.pid)
            child.process.wait()


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass
