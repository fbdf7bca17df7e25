"""Reads that lag behind writes: a row just written is not seen, or seen as it was, for some seconds."""

import copy
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Row = TypeVar("Row")

lag_of_this_call: ContextVar[float] = ContextVar("lag_of_this_call", default=0.0)
"""Seconds for which what the current call writes stays unreadable; set by the fault ``unreadable``."""


@dataclass
class _Hidden:
    until: float
    before: Any  # the row as readers still see it; None when it is new to them


class Table(Generic[Key, Row]):
    """Rows by key with two views: ``get``/``all`` for the system's own logic, ``read``/``read_all`` for its readers.

    Change a row only between ``edit`` and the end of the call that changes it; ``edit`` keeps what readers see.
    """

    def __init__(self, lag: Callable[[], float] = lambda: 0.0) -> None:
        self.rows: dict[Key, Row] = {}
        self._hidden: dict[Key, _Hidden] = {}
        self._lag = lag

    def add(self, key: Key, row: Row) -> Row:
        self._hide(key, before=None)
        self.rows[key] = row
        return row

    def edit(self, key: Key) -> Row:
        """The row, to be changed in place.

        :raises KeyError: no such row.
        """
        row = self.rows[key]
        if self._current_lag() > 0:
            self._hide(key, before=copy.deepcopy(row))
        return row

    def delete(self, key: Key) -> Row:
        """:raises KeyError: no such row."""
        self._hidden.pop(key, None)
        return self.rows.pop(key)

    def get(self, key: Key) -> Row | None:
        return self.rows.get(key)

    def all(self) -> list[Row]:
        return list(self.rows.values())

    def read(self, key: Key) -> Row | None:
        if key not in self.rows:
            return None
        hidden = self._hidden.get(key)
        if hidden is None:
            return self.rows[key]
        if time.monotonic() >= hidden.until:
            del self._hidden[key]
            return self.rows[key]
        before: Row | None = hidden.before
        return before

    def read_all(self) -> list[Row]:
        return list(self._readable()) if self._hidden else list(self.rows.values())

    def _readable(self) -> Iterator[Row]:
        for key in list(self.rows):
            row = self.read(key)
            if row is not None:
                yield row

    def _current_lag(self) -> float:
        return max(self._lag(), lag_of_this_call.get())

    def _hide(self, key: Key, *, before: Row | None) -> None:
        lag = self._current_lag()
        if lag <= 0:
            return
        hidden = self._hidden.get(key)
        if hidden is not None and time.monotonic() < hidden.until:
            # Still hidden from an earlier write: readers keep seeing the older state.
            before = hidden.before
        self._hidden[key] = _Hidden(until=time.monotonic() + lag, before=before)
