"""CPU time and memory of groups of processes, from /proc."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
_TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/<pid>/stat`` after the command's name; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(root: int) -> list[int]:
    """``root`` and everything below it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of a process and its descendants, those that have ended and were waited for included."""
    ticks = 0
    for pid in tree(root):
        if fields := _stat(pid):
            ticks += sum(int(fields[place]) for place in (11, 12, 13, 14))  # utime, stime, cutime, cstime
    return ticks / _TICK


def cpu_of_backends(root: int, database: str) -> float:
    """CPU time of a PostgreSQL server's processes that serve one database. What has ended is not counted."""
    ticks = 0
    for pid in tree(root):
        if f" {database} " in name_of(pid, whole=True) and (fields := _stat(pid)):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICK


def parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def pss_mb(root: int) -> dict[int, float]:
    """Proportional memory by process, in MB."""
    found = {}
    for pid in tree(root):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        kilobytes = [int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")]
        if kilobytes:
            found[pid] = kilobytes[0] / 1024
    return found


def name_of(pid: int, *, whole: bool = False) -> str:
    """The command line; unless ``whole``, without the folders before its program."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return "?"
    return words if whole else words.rpartition("/bin/")[2][:60] or "?"


def die_with_parent() -> None:
    """For ``preexec_fn``: a bench that is killed leaves nothing behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
