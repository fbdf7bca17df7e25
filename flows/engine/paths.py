"""Dotted paths: ``order.lines[0].sku`` reads one value, ``order.lines[].sku`` one value of every element."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flows.engine.values import MISSING

_TOKEN = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>\d{0,6})\]")
_EVERY = object()
MAX_PATH = 200


class PathError(ValueError):
    """The text is no path. ``position`` counts characters from 0."""

    def __init__(self, text: str, position: int, why: str) -> None:
        super().__init__(f"'{text}' is not a path: {why} at character {position + 1}")
        self.position = position


class Path:
    """A parsed path. ``root`` is its first name, which decides what it may refer to."""

    __slots__ = ("root", "text", "tokens")

    def __init__(self, text: str, tokens: tuple[Any, ...]) -> None:
        self.text = text
        self.tokens = tokens
        self.root = str(tokens[0])

    def read(self, scope: Any) -> Any:
        """:returns: the value, or MISSING where the path leads nowhere. A path through null answers null."""
        return _read(scope, self.tokens, 0)

    def write(self, target: dict[str, Any], value: Any) -> None:
        """Store ``value``, making the objects and lists on the way; those already there are copied, never changed.

        :raises PathError: something that is not an object or a list is in the way, or a list would get a gap.
        """
        holder: Any = target
        for token, following in zip(self.tokens, self.tokens[1:], strict=False):
            holder = self._descend(holder, token, [] if isinstance(following, int) else {})
        self._put(holder, self.tokens[-1], value)

    def _descend(self, holder: Any, token: Any, fresh: Any) -> Any:
        # A copy, because what is there may be part of an event or of another step's result.
        existing = _read(holder, (token,), 0)
        if isinstance(existing, (dict, list)):
            fresh = dict(existing) if isinstance(existing, dict) else list(existing)
        elif existing is not None and existing is not MISSING:
            raise PathError(self.text, 0, "something else is already stored on the way")
        self._put(holder, token, fresh)
        return fresh

    def _put(self, holder: Any, token: Any, value: Any) -> None:
        if isinstance(holder, list) and isinstance(token, int) and token <= len(holder):
            holder[token : token + 1] = [value]
        elif isinstance(holder, dict) and isinstance(token, str):
            holder[token] = value
        else:
            raise PathError(self.text, 0, "something else is already stored on the way")


def _read(value: Any, tokens: tuple[Any, ...], at: int) -> Any:
    while at < len(tokens):
        if value is None or value is MISSING:
            return value
        token = tokens[at]
        at += 1
        if token is _EVERY:
            if not isinstance(value, list):
                return MISSING
            found = (_read(item, tokens, at) for item in value)
            return [item for item in found if item is not MISSING]
        if isinstance(token, int):
            value = value[token] if isinstance(value, list) and token < len(value) else MISSING
        else:
            value = value.get(token, MISSING) if isinstance(value, Mapping) else MISSING
    return value


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """:raises PathError: with the position of what does not belong."""
    if len(text) > MAX_PATH:
        raise PathError(text[:40] + "…", MAX_PATH, f"longer than {MAX_PATH} characters")
    tokens: list[Any] = []
    at = 0
    while at < len(text):
        if tokens and text[at] == ".":
            at += 1
            if at < len(text) and text[at] == "[":
                raise PathError(text, at, "a name is expected after the dot")
        elif tokens and text[at] != "[":
            raise PathError(text, at, "a dot or a bracket is expected")
        match = _TOKEN.match(text, at)
        if match is None or (not tokens and match["name"] is None):
            raise PathError(text, at, "a name is expected")
        tokens.append(match["name"] or (int(match["index"]) if match["index"] else _EVERY))
        at = match.end()
    if not tokens or text.endswith("."):
        raise PathError(text, len(text), "a name is expected")
    return Path(text, tuple(tokens))
