"""The folder in which the processes of one host keep their counters together: one set of files per process.

A counter must not fall when a process ends, or rates over all would jump. So files of processes that are gone are added
up into one set, named ``gone``, whenever somebody reads; a fresh start empties the folder (``begin``).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# prometheus_client decides at its first import where counters are kept, so it is imported late here.
if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_GONE = "gone"


def share(folder: Path) -> None:
    """Keep this process's counters in ``folder``. Before ``telemetry.metrics`` is imported, or it has no effect."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(folder)


def folder() -> Path | None:
    """Where this process's counters are, if they are shared."""
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None


def begin(folder: Path) -> None:
    """For a leader that starts a host's processes: empty the folder, unless another leader's processes count in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        files = list(folder.glob("*.db"))
        if not any(_lives(file) for file in files):
            for file in files:
                file.unlink()


@contextlib.contextmanager
def registry() -> Iterator[CollectorRegistry]:
    """All counters of this host, or of this process where they are not shared; valid inside the block."""
    from prometheus_client import REGISTRY, CollectorRegistry, multiprocess

    from telemetry.metrics import write_out

    write_out()
    shared = folder()
    if shared is None:
        yield REGISTRY
        return
    with _alone(shared):
        _add_up_gone(shared)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together, path=str(shared))
        yield together


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody reads while files are being added up: they would be counted twice, or not at all."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _add_up_gone(folder: Path) -> None:
    gone = [file for file in folder.glob("*.db") if not _lives(file) and _owner(file) != _GONE]
    for kind in {_kind(file) for file in gone}:
        _add_up(folder, kind, [file for file in gone if _kind(file) == kind])


def _add_up(folder: Path, kind: str, files: list[Path]) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    sums: dict[str, float] = {}
    kept = folder / f"{kind}_{_GONE}.db"
    for file in [*files, *([kept] if kept.exists() else [])]:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
            sums[key] = sums.get(key, 0.0) + value
    fresh = folder / f"{kind}_{_GONE}.new"
    fresh.unlink(missing_ok=True)
    written = MmapedDict(str(fresh))
    for key, value in sums.items():
        written.write_value(key, value, 0.0)
    written.close()
    fresh.replace(kept)
    for file in files:
        file.unlink()


def _kind(file: Path) -> str:
    return file.stem.rpartition("_")[0]


def _owner(file: Path) -> str:
    return file.stem.rpartition("_")[2]


def _lives(file: Path) -> bool:
    owner = _owner(file)
    if not owner.isdigit():
        return False
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
