"""Single-row committed inserts, as many as the database takes or at a steady rate: the limit of any door.

``python -m bench.inserts`` reads one JSON object: ``dsn`` (PostgreSQL) or ``sqlite`` (a file), ``connections``,
``processes``, ``seconds``, ``rate`` per second (0: as many as it takes); prints ``per_s``, ``p50_ms``, ``p99_ms``. A
connection is a thread; they are spread over processes, because one interpreter would be the limit itself.
"""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import sys
import threading
import time
from typing import Any

from bench.figures import percentile

BODY = json.dumps({"account": "bench", "topic": "order.paid", "order": {"id": "b1-1"}})
TABLE = "create table if not exists bench_raw_insert(id bigserial primary key, body text not null)"
TABLE_SQLITE = "create table if not exists bench_raw_insert(id integer primary key, body text not null)"


class _Postgres:
    def __init__(self, job: dict[str, Any]) -> None:
        import psycopg

        self._connection = psycopg.connect(job["dsn"], autocommit=True, prepare_threshold=0)

    def insert(self) -> None:
        self._connection.execute("insert into bench_raw_insert(body) values (%s)", (BODY,))

    def prepare(self) -> None:
        self._connection.execute(TABLE)


class _Sqlite:
    """The product's own options: WAL, synchronous FULL."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._connection = sqlite3.connect(job["sqlite"], timeout=20, isolation_level=None, check_same_thread=False)
        self._connection.execute("pragma journal_mode=wal")
        self._connection.execute("pragma synchronous=full")

    def insert(self) -> None:
        self._connection.execute("insert into bench_raw_insert(body) values (?)", (BODY,))

    def prepare(self) -> None:
        self._connection.execute(TABLE_SQLITE)


def _open(job: dict[str, Any]) -> Any:
    return _Postgres(job) if job.get("dsn") else _Sqlite(job)


def _lane(job: dict[str, Any], lane: int, start: threading.Barrier, waits: list[float]) -> None:
    target, rate, connections = _open(job), job["rate"], job["connections"]
    start.wait()
    began, number = time.perf_counter(), lane
    while (now := time.perf_counter()) - began < job["seconds"]:
        due = began + number / rate if rate else now
        number += connections
        if due - began >= job["seconds"]:
            return
        if due > now:
            time.sleep(due - now)
        target.insert()
        waits.append(time.perf_counter() - due)


def _process(job: dict[str, Any], lanes: list[int], ready: Any, results: Any) -> None:
    waits: list[list[float]] = [[] for _ in lanes]
    start = threading.Barrier(len(lanes) + 1)
    threads = [
        threading.Thread(target=_lane, args=(job, lane, start, found)) for lane, found in zip(lanes, waits, strict=True)
    ]
    for thread in threads:
        thread.start()
    ready.wait()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    results.put((time.perf_counter() - began, [wait for found in waits for wait in found]))


def run(job: dict[str, Any]) -> dict[str, float]:
    _open(job).prepare()
    context = multiprocessing.get_context("spawn")
    count = job["processes"]
    ready, results = context.Barrier(count), context.Queue()
    spread = [list(range(process, job["connections"], count)) for process in range(count)]
    running = [context.Process(target=_process, args=(job, lanes, ready, results)) for lanes in spread]
    for process in running:
        process.start()
    found = [results.get() for _ in running]
    for process in running:
        process.join()
    waits = [wait * 1000 for _, each in found for wait in each]
    seconds = max(took for took, _ in found)
    return {
        "per_s": len(waits) / seconds,
        "p50_ms": percentile(waits, 0.5),
        "p99_ms": percentile(waits, 0.99),
    }


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
