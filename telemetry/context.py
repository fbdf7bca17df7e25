"""What the work at hand is about, for log lines: asked only when a line is written, so setting it costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

Fields = dict[str, object]

_about: ContextVar[Callable[[], Fields] | None] = ContextVar("about", default=None)


def about(fields: Callable[[], Fields] | None) -> None:
    """From here on log lines of this task or thread carry what ``fields`` says; None: nothing more."""
    _about.set(fields)


def fields() -> Fields:
    """Of the work at hand; a line must not be lost over them."""
    asked = _about.get()
    if asked is None:
        return {}
    try:
        return asked()
    except Exception:
        return {"about": "unknown"}
