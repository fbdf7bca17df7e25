"""The kill matrix: each write operation × each moment × worker, web and the whole set, counted at the stand-ins."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chaos.cases import CASES, SETTINGS, Case, picture
from chaos.count import Count, settled_count
from chaos.faults import MOMENTS, Arrivals, Faults
from chaos.kills import PROOF_SECONDS, Kill, Killer
from chaos.store import CannotHold
from chaos.world import Pace, Plan, Say, World

VICTIMS = ("worker", "web", "set")
CATCH_SECONDS = 30.0
RECOVERED_SECONDS = 40.0
TRIES = 3


@dataclass
class Cell:
    """``verdict``: ok, lost, doubled, or why it does not count. ``recovery_s`` from death to the effect being there."""

    case: Case
    moment: str
    victim: str
    token: Any = None
    kill: Kill | None = None
    recovery_s: float | None = None
    verdict: str = ""
    tries: int = 0


@dataclass
class Outcome:
    cells: list[Cell]
    count: Count
    pace: Pace
    seconds: float
    database: str

    @property
    def passed(self) -> bool:
        return self.count.clean and all(cell.verdict == "ok" for cell in self.cells)

    def as_json(self) -> dict[str, Any]:
        times = sorted(cell.recovery_s for cell in self.cells if cell.recovery_s is not None)
        return {
            "cells": len(self.cells),
            "proved": sum(cell.kill is not None and bool(cell.kill.moment) for cell in self.cells),
            "lost": len(self.count.lost) + sum(cell.verdict.startswith("lost") for cell in self.cells),
            "doubled": len(self.count.doubled) + sum(cell.verdict.startswith("doubled") for cell in self.cells),
            "stuck": len(self.count.stuck),
            "stock_differences": len(self.count.stock_differences),
            "recovery_max_s": round(times[-1], 2) if times else 0.0,
            "recovery_median_s": round(times[len(times) // 2], 2) if times else 0.0,
            "lease_plus_settle_s": self.pace.lease + self.pace.settle,
            "verdicts": dict(Counter(cell.verdict.partition(":")[0] for cell in self.cells)),
            "not_ok": [
                f"{c.case.connector}.{c.case.operation} {c.moment} {c.victim}: {c.verdict}"
                for c in self.cells
                if c.verdict != "ok"
            ],
            "details": {"lost": self.count.lost, "doubled": self.count.doubled, "stuck": self.count.stuck},
            "rows": [
                {
                    "operation": f"{cell.case.connector}.{cell.case.operation}",
                    "call": cell.case.remote,
                    "flow": "the pair's own" if cell.case.real_flow else "harness",
                    "moment": cell.moment,
                    "victim": cell.victim,
                    "verdict": cell.verdict,
                    "recovery_s": None if cell.recovery_s is None else round(cell.recovery_s, 2),
                }
                for cell in self.cells
            ],
            "database": self.database,
            "duration_s": round(self.seconds, 1),
        }


def cells_of(*, short: bool, seed: int) -> list[Cell]:
    """All cells; in short one of each operation, moment and victim taken in turn, so that seeds take turns, too."""
    if not short:
        return [Cell(case, m, v) for m, v in itertools.product(MOMENTS, VICTIMS) for case in CASES]
    pairs = list(itertools.product(MOMENTS, VICTIMS))
    # Steps of five: neighbours differ in moment and in victim.
    return [Cell(case, *pairs[(seed + 5 * place) % len(pairs)]) for place, case in enumerate(CASES)]


def run(*, short: bool, seed: int, database_server: str, redis: str, keep: bool, say: Say) -> Outcome:
    started = time.monotonic()
    plan = Plan(
        pace=Pace(poll=1.0),
        family="A",  # the one with every write, each by a call of its own
        database_server=database_server,
        redis=redis,
        settings=SETTINGS,
        harness=True,
        keep=keep,
    )
    with World(plan, say) as world:
        cells = cells_of(short=short, seed=seed)
        with _Watcher(world) as watcher:
            _Matrix(world, watcher, say).go(cells)
            watcher.wait(RECOVERED_SECONDS)
        found = settled_count(world, at_most=60)
        now = picture(world)
        for cell in cells:
            if cell.verdict in ("", "ok"):
                # Once more at the end: a late double would have come by now.
                wrong = cell.case.wrong(now, cell.token)
                cell.verdict = wrong or ("ok" if cell.recovery_s is not None else "lost: it came too late")
        database = "PostgreSQL" if database_server else "SQLite"
        return Outcome(cells, found, plan.pace, time.monotonic() - started, database)


class _Watcher:
    """Looks at the outside systems until each killed effect is there."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: list[Cell] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def __enter__(self) -> _Watcher:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def watch(self, cell: Cell) -> None:
        with self._lock:
            self._open.append(cell)

    def is_open(self, case: Case) -> bool:
        """The remote call of this case may still be repeated for an earlier cell."""
        with self._lock:
            return any(cell.case.remote == case.remote for cell in self._open)

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._open and time.monotonic() < deadline:
            time.sleep(0.2)

    def _run(self) -> None:
        while not self._stop.wait(0.3):
            with self._lock:
                cells = list(self._open)
            if not cells:
                continue
            now, at = picture(self._world), time.time()
            busy = {event_id for cell in cells if cell.kill for event_id in self._still_open(cell.kill)}
            for cell in cells:
                assert cell.kill is not None
                mine = {event.id for event in cell.kill.events}
                if not cell.case.wrong(now, cell.token) and not mine & busy:
                    cell.recovery_s = at - cell.kill.dead_at
                    with self._lock:
                        self._open.remove(cell)

    def _still_open(self, kill: Kill) -> list[int]:
        """Events of the dead process whose next attempt has not ended yet."""
        rows = self._world.store.events([event.id for event in kill.events])
        before = {event.id: event.attempts for event in kill.events}
        return [pk for pk, (_, attempts) in rows.items() if attempts >= before[pk]]


@dataclass
class _Matrix:
    world: World
    watcher: _Watcher
    say: Say
    tokens: dict[str, Iterator[Any]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    armed: int = 0

    def go(self, cells: list[Cell]) -> None:
        self.faults = Faults(self.world.systems(), seed=1, standing=False)
        self.arrivals = Arrivals(self.world.systems())
        self.killer = Killer(self.world, self.arrivals)
        self._prepare(cells)
        for number, cell in enumerate(cells, start=1):
            while cell.tries < TRIES and not (cell.kill and cell.kill.moment):
                cell.tries += 1
                self._try(cell)
            kill = cell.kill
            if kill is None or not kill.moment:
                cell.verdict = f"no kill: {kill.why_not if kill else 'the call did not come'}"
            self.say(
                f"  {number:3d}/{len(cells)} {cell.case.connector}.{cell.case.operation} {cell.moment} {cell.victim} "
                f"{cell.verdict or 'killed'}"
            )

    def _prepare(self, cells: list[Cell]) -> None:
        """One known customer first, then something at rest for every cell, and some to spare."""
        known = CASES[0].prepare(self.world, 0)
        self.world.until("the first invoice", 60, lambda: picture(self.world).documents(f"NOP-{known}"))
        for case in CASES:
            wanted = sum(cell.case is case for cell in cells) + 2
            made = [case.prepare(self.world, next(self.numbers)) for _ in range(wanted)]
            self.tokens[f"{case.connector}.{case.operation}"] = iter(made)
        self._rest()

    def _rest(self) -> None:
        """Nothing under way, and every order of ours has its invoice: polls have seen it."""

        def at_rest() -> bool:
            now = picture(self.world)
            return not self.world.store.open_work() and all(now.documents(f"NOP-{n}") for n in self.world.orders)

        self.world.until("all prepared", 180, at_rest)

    def _try(self, cell: Cell) -> None:
        deadline = time.monotonic() + RECOVERED_SECONDS
        while self.watcher.is_open(cell.case) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.world.wait_for_web()
        token = next(self.tokens[f"{cell.case.connector}.{cell.case.operation}"], None)
        if token is None:
            return
        self.armed += 1
        rule = f"cell-{self.armed}"
        self.arrivals.new()
        self.faults.arm(cell.case.connector, rule, cell.moment, [cell.case.remote])
        cell.token = cell.case.trigger(self.world, token)
        caught = self.killer.caught([rule], seconds=CATCH_SECONDS)
        if caught is None:
            self.faults.disarm()
            return
        if cell.moment == "before_commit":
            try:
                cell.kill = self.killer.strike_caught_before_commit(caught, cell.victim)
            except CannotHold:
                self.faults.disarm()
                return
        else:
            cell.kill = self.killer.strike(caught, cell.victim, cell.moment)
        self.faults.disarm()
        if not cell.kill.moment and not cell.kill.why_not:
            time.sleep(max(0.0, cell.kill.dead_at + PROOF_SECONDS - time.time()))
            self.killer.prove(cell.kill)
        self.watcher.watch(cell)
