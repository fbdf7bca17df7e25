"""Wrong wall clocks for processes of a host: a preloaded library that reads the offset from a file."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("skew.c")


class Skew:
    """``environment(folder)`` for a host's processes, ``set(folder, seconds)`` at any time. Needs a C compiler."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "skew.so"
        compiler = shutil.which("cc") or shutil.which("gcc")
        self.possible = (
            compiler is not None
            and not subprocess.run(
                [compiler, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE), "-ldl"], check=False
            ).returncode
        )

    def environment(self, folder: Path) -> dict[str, str]:
        if not self.possible:
            return {}
        self.set(folder, 0)
        return {"LD_PRELOAD": str(self._library), "CHAOS_SKEW_FILE": str(folder / "skew")}

    def set(self, folder: Path, seconds: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "skew"
        if not path.exists():
            path.write_bytes(struct.pack("l", 0))
        with open(path, "r+b") as file:
            file.write(struct.pack("l", seconds))
