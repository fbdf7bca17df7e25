"""A stand-in's whole state in one JSON file, written soon after each change and read at start."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEBOUNCE_SECONDS = 0.5
SHARE_OF_TIME = 0.1
"""Writing a large state takes long; the pause grows so that writing never takes more of the time than this."""


class Snapshot:
    """``changed`` may be called as often as one likes; the file is written once per half second at most."""

    def __init__(self, path: Path, dump: Callable[[], Any]) -> None:
        self._path = path
        self._dump = dump
        self._timer: asyncio.TimerHandle | None = None
        self._pause_seconds = DEBOUNCE_SECONDS

    def load(self) -> Any | None:
        """The stored value, or None when there is no file yet.

        :raises ValueError: the file is no JSON.
        """
        try:
            return json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def changed(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._pause_seconds, self.save)

    def save(self) -> None:
        """Write now. The file is replaced in one step, so a kill leaves the old or the new one, never a half."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        begun = time.monotonic()
        self._write()
        self._pause_seconds = max(DEBOUNCE_SECONDS, (time.monotonic() - begun) / SHARE_OF_TIME)

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(self._dump(), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
