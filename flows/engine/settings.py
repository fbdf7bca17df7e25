"""The settings of an installation as formulas read them, prepared once per settings object and process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.engine.definition import PairDocument
from flows.engine.values import plain

_CAPACITY = 256
_prepared: dict[int, tuple[Mapping[str, Any], dict[str, Any]]] = {}


def settings_plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of ``settings``. The same object answers from memory: a SKU table may have thousands of rows.

    The object must not be changed afterwards; hosts build a new one when an installation is edited.
    """
    known = _prepared.get(id(settings))
    # The original is kept beside its copy, so its id cannot pass to another object while the entry lives.
    if known is not None and known[0] is settings:
        return known[1]
    if len(_prepared) >= _CAPACITY:
        _prepared.pop(next(iter(_prepared)), None)
    copy: dict[str, Any] = plain(settings)
    _prepared[id(settings)] = (settings, copy)
    return copy


def settings_defaults(pair: PairDocument) -> dict[str, Any]:
    """What an installation starts with."""
    return {setting.name: setting.default for setting in pair.settings}
