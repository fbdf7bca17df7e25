"""The pairs we ship: one folder each, ``pair.json`` and a file per flow. Pure data; nothing here runs."""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def prebuilt_keys() -> list[str]:
    """Keys of all prebuilt pairs, alphabetical."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/pair.json"))


def prebuilt_pair(key: str) -> dict[str, Any]:
    """The document of a pair, ``{"pair": {...}, "flows": [...]}``, flows in the pair's order; yours to change.

    :raises KeyError: no such prebuilt pair.
    """
    if key not in prebuilt_keys():
        raise KeyError(key)
    return copy.deepcopy(_loaded(key))


@lru_cache(maxsize=32)
def _loaded(key: str) -> dict[str, Any]:
    folder = _FOLDER / key
    pair = _read(folder / "pair.json")
    return {"pair": pair, "flows": [_read(folder / f"{flow}.json") for flow in pair["flows"]]}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
