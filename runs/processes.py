"""Names of processes of ours, and whether a process of this machine is certainly gone."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path


def process_name(pid: int | None = None) -> str:
    """``machine:pid:start`` of a process on this machine: process numbers come again, with another start."""
    pid = os.getpid() if pid is None else pid
    return f"{_machine()}:{pid}:{(_stat(pid) or ('', ''))[1]}"


def process_is_gone(name: str) -> bool:
    """True only where it is certain: a process of this machine that ended. One that is merely stopped is not gone."""
    machine, _, rest = name.partition(":")
    pid, _, start = rest.partition(":")
    if machine != _machine() or not machine or not pid.isdigit():
        return False
    found = _stat(int(pid))
    return found is None or found[0] in "ZX" or found[1] != start


@cache
def _machine() -> str:
    """One boot of one machine and one set of process numbers (a container has its own); empty where unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return hashlib.sha256(f"{boot} {os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:16]
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, str] | None:
    """State and start of a process in the kernel's words; None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], fields[19]
