"""Switches of a stand-in, shown and changed at ``/control/settings``."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class BadSetting(ValueError):
    """A switch that does not exist or a value it does not take; the text says which."""


@dataclass(frozen=True)
class Setting:
    """``parse`` turns a JSON value into what the code uses and raises ValueError or TypeError for a bad one."""

    default: Any
    parse: Callable[[Any], Any]


class Settings:
    """Values by name; JSON in and out, parsed values inside."""

    def __init__(self, declared: Mapping[str, Setting]) -> None:
        self._declared = dict(declared)
        self._values: dict[str, Any] = {}
        self.reset()

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def reset(self) -> None:
        self._values = {name: setting.parse(setting.default) for name, setting in self._declared.items()}

    def patch(self, changes: Mapping[str, Any]) -> None:
        """Change the named switches; none when one is bad.

        :raises BadSetting: unknown name or value not taken.
        """
        if not isinstance(changes, Mapping):
            raise BadSetting("the body is an object of settings")
        parsed = {}
        for name, value in changes.items():
            if name not in self._declared:
                raise BadSetting(f"unknown setting {name!r}; known: {', '.join(sorted(self._declared))}")
            try:
                parsed[name] = self._declared[name].parse(value)
            except (ValueError, TypeError) as error:
                raise BadSetting(f"{name}: {error}") from error
        self._values.update(parsed)

    def as_json(self) -> dict[str, Any]:
        return {name: _shown(value) for name, value in self._values.items()}


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


def one_of(*choices: Any) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if value not in choices or isinstance(value, bool) is not isinstance(choices[0], bool):
            raise ValueError(f"one of {', '.join(map(str, choices))}")
        return value

    return parse


def switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def at_least(minimum: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or value < minimum:
            raise ValueError(f"a number of at least {minimum}")
        return value

    return parse


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value


def list_of_text(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("a list of texts")
    return list(value)


def date_or_null(value: Any) -> dt.date | None:
    """A date as ``2026-04-30``."""
    return None if value is None else dt.date.fromisoformat(value)
