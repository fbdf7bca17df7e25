"""Looking at processes from outside: who descends from whom, who owns a connection, who is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path


def descendants(*roots: int) -> list[int]:
    """Every living process below ``roots``, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(int(entry))) is not None:
            children.setdefault(int(stat[1]), []).append(int(entry))
    found: list[int] = []
    front = list(roots)
    while front:
        below = [child for pid in front for child in children.get(pid, [])]
        found += below
        front = below
    return found


def parent(pid: int) -> int:
    stat = _stat(pid)
    return int(stat[1]) if stat else 0


def is_alive(pid: int) -> bool:
    """A process that ended but was not waited for yet is gone, too."""
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kill(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_until_gone(pids: Iterable[int], *, seconds: float) -> bool:
    """:returns: False when one of them is still there after ``seconds``."""
    left = list(pids)
    deadline = time.monotonic() + seconds
    while left := [pid for pid in left if is_alive(pid)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def owner_of_port(port: int, candidates: Iterable[int]) -> int | None:
    """Which of the candidates holds the connection whose own end is the local TCP ``port``."""
    for pid in candidates:
        inodes = _inodes_of_port(pid, port)
        if inodes and inodes & _sockets_of(pid):
            return pid
    return None


def _inodes_of_port(pid: int, port: int) -> set[str]:
    wanted = f":{port:04X}"
    try:
        rows = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return set()
    return {columns[9] for row in rows if (columns := row.split())[1].endswith(wanted) and columns[9] != "0"}


def _sockets_of(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(entry.path)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def _stat(pid: int) -> tuple[str, str] | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], fields[1]
