"""The product's database from outside: open work, who holds what, and a lock that keeps its journal from committing."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOLDABLE = ("runs_recordlink", "runs_stepbatch")
"""Tables of which a flush of the journal always writes one: a remembered effect, or what an attempt did."""


class CannotHold(Exception):
    """The lock could not be had in time: somebody stopped in the middle of a transaction may have it."""


@dataclass(frozen=True)
class Event:
    """Open work as its holder had it."""

    id: int
    attempts: int
    record: str


@dataclass
class Waiter:
    """A connection that waits for our lock: ``xid`` is its transaction, if it has one."""

    backend: int
    port: int
    xid: int | None


class Store:
    """``query`` looks; ``held`` keeps every flush from committing as long as it is open."""

    def __init__(self, *, server: str, name: str, folder: Path) -> None:
        self.server, self.name = server, name
        self.url = urlsplit(server)._replace(path=f"/{name}").geturl() if server else ""
        self._file = folder / "causeway.sqlite3"
        self._local = threading.local()

    @property
    def is_postgresql(self) -> bool:
        return bool(self.server)

    def create(self) -> None:
        if self.server:
            self._on_server(f'CREATE DATABASE "{self.name}"')

    def drop(self) -> None:
        if self.server:
            self._on_server(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def _on_server(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self.server, autocommit=True) as server:
            server.execute(sql)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """``%s`` for values on both databases; a broken connection is made anew once."""
        if self.server:
            return self._query_server(sql, values)
        with closing(sqlite3.connect(self._file, timeout=20)) as file, file:
            return file.execute(sql.replace("%s", "?"), values).fetchall()

    def _query_server(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        import psycopg

        for last in (False, True):
            if getattr(self._local, "connection", None) is None:
                self._local.connection = psycopg.connect(self.url, autocommit=True, connect_timeout=5)
            try:
                cursor = self._local.connection.execute(sql, values or None)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                self._local.connection = None
                if last:
                    raise
        raise AssertionError("unreachable")

    # What is open

    def held_by(self, host: str, pid: int) -> list[Event]:
        """Events that this process has in its hands."""
        rows = self.query(
            "SELECT e.id, e.attempts, r.record_type, r.record_id FROM runs_inboxevent e "
            "JOIN runs_record r ON r.id = e.record_id WHERE e.state = 'leased' AND e.worker LIKE %s",
            f"{host}:{pid}:%",
        )
        return [Event(pk, attempts, f"{kind} {number}") for pk, attempts, kind, number in rows]

    def holders(self) -> list[tuple[str, int]]:
        """Host and process of every worker that has an event in its hands."""
        rows = self.query("SELECT DISTINCT worker FROM runs_inboxevent WHERE state = 'leased'")
        return [(parts[0], int(parts[1])) for (worker,) in rows if len(parts := worker.split(":")) > 2]

    def events(self, ids: list[int]) -> dict[int, tuple[str, int]]:
        """State and attempts of those that are still open."""
        if not ids:
            return {}
        marks = ", ".join(["%s"] * len(ids))
        rows = self.query(f"SELECT id, state, attempts FROM runs_inboxevent WHERE id IN ({marks})", *ids)
        return {pk: (state, attempts) for pk, state, attempts in rows}

    def open_work(self) -> list[tuple[Any, ...]]:
        """Record type and id, state, attempts, worker of everything that is not finished, held and dead included."""
        return self.query(
            "SELECT r.record_type, r.record_id, e.state, e.attempts, e.worker FROM runs_inboxevent e "
            "JOIN runs_record r ON r.id = e.record_id ORDER BY e.id"
        )

    # Holding commits back

    @contextmanager
    def held(self, *tables: str) -> Iterator[Hold]:
        """No transaction that writes one of the tables (SQLite: any table) can commit until this ends.

        :raises CannotHold: not within seconds.
        """
        with self._held_server(tables) if self.server else self._held_file() as hold:
            yield hold

    @contextmanager
    def _held_server(self, tables: tuple[str, ...]) -> Iterator[Hold]:
        import psycopg

        with psycopg.connect(self.url, connect_timeout=5) as holder:
            holder.execute("SET lock_timeout = '3s'")
            try:
                holder.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE MODE")
            except psycopg.errors.LockNotAvailable as error:
                raise CannotHold from error
            hold = Hold(self)
            try:
                yield hold
            finally:
                holder.rollback()

    @contextmanager
    def _held_file(self) -> Iterator[Hold]:
        with closing(sqlite3.connect(self._file, timeout=5, isolation_level=None)) as holder:
            try:
                holder.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise CannotHold from error
            try:
                yield Hold(self)
            finally:
                holder.execute("ROLLBACK")

    def waiters(self) -> list[Waiter]:
        """Connections of this database that wait for a table lock."""
        rows = self.query(
            "SELECT pid, client_port, backend_xid::text FROM pg_stat_activity "
            "WHERE datname = %s AND wait_event_type = 'Lock' AND wait_event = 'relation'",
            self.name,
        )
        return [Waiter(pid, port or 0, int(xid) if xid else None) for pid, port, xid in rows]

    def aborted(self, waiter: Waiter, *, seconds: float = 5.0) -> bool:
        """Whether the waiter's transaction came to nothing; asked after the lock was given up."""
        deadline = time.monotonic() + seconds
        while self.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s", waiter.backend):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        if waiter.xid is None:  # it had written nothing yet, and its connection is gone
            return True
        return self.query("SELECT pg_xact_status(%s::text::xid8)", str(waiter.xid)) == [("aborted",)]


@dataclass
class Hold:
    """An open lock, and since when (epoch seconds)."""

    store: Store
    since: float = field(default_factory=time.time)
