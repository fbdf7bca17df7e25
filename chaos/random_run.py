"""Random kills under load: continuous orders, processes die at known moments, clocks are wrong, workers freeze."""

from __future__ import annotations

import random
import signal
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.count import Count, settled_count
from chaos.faults import LANDING_SECONDS, MOMENTS, Arrivals, Faults
from chaos.kills import PROOF_SECONDS, Kill, Killer
from chaos.load import Load
from chaos.processes import kill
from chaos.recovery import Recoveries, percentile
from chaos.skew import Skew
from chaos.store import CannotHold
from chaos.world import Pace, Plan, Say, World
from demo.http import call

VICTIMS = {"worker": 92, "set": 3, "cluster": 5}
OTHERS = {"web": 35, "queue": 20, "role": 15, "scheduler": 15, "freeze": 15}
"""``queue``: any process of the queue cluster, its idle workers and helpers, too."""

OTHER_EVERY_SECONDS = 15.0
SKEW_EVERY_SECONDS = 15.0
SKEWS = (-300, -300, -61, 0, 61, 300, 300)
CATCH_SECONDS = 1.5
FAVOURITES = (
    ("kashflow", ["InsertInvoice"]),
    ("kashflow", ["InsertInvoicePayment"]),
    ("kashflow", ["InsertCustomer"]),
    ("kashflow", ["applyCreditNoteToInvoice"]),
    ("nopcommerce", ["PUT *"]),
)
ANY = (("kashflow", ["Insert*", "Update*", "applyCredit*", "Delete*"]), ("nopcommerce", ["PUT *"]))


@dataclass(frozen=True)
class Options:
    minutes: float
    seed: int
    hosts: int
    orders_per_second: float
    database_server: str
    redis: str
    pause_seconds: float = 1.0
    settle_at_most: float = 300.0
    keep: bool = False


@dataclass
class Outcome:
    options: Options
    pace: Pace
    count: Count
    kills: list[Kill]
    missed: Counter[str]
    others: Counter[str]
    skews: int
    orders: int
    load: dict[str, int]
    resumed: list[float]
    finished: list[float]
    unfinished: list[str]
    lateness_s: float
    calls: dict[str, int]
    seconds: float
    notes: list[str] = field(default_factory=list)

    @property
    def counted(self) -> list[Kill]:
        return [done for done in self.kills if done.moment]

    @property
    def passed(self) -> bool:
        return self.count.clean and not self.unfinished and self.promise_kept

    @property
    def promise_kept(self) -> bool:
        """The stand-in landed what it landed late within the settle time: what a provider promises, and we count on."""
        return LANDING_SECONDS + self.lateness_s < self.pace.settle

    def as_json(self) -> dict[str, Any]:
        counted = self.counted
        return {
            "kills": len(counted),
            "kills_by_moment": {name: sum(k.moment == name for k in counted) for name in MOMENTS},
            "effects": self.count.effects,
            "lost": len(self.count.lost),
            "doubled": len(self.count.doubled),
            "stuck": len(self.count.stuck) + len(self.unfinished),
            "recovery_p99_s": round(percentile(self.finished, 0.99), 2),
            "recovery_p50_s": round(percentile(self.finished, 0.5), 2),
            "resumed_p99_s": round(percentile(self.resumed, 0.99), 2),
            "lease_plus_settle_s": self.pace.lease + self.pace.settle,
            "kills_by_victim": dict(Counter(k.victim for k in counted)),
            "kills_by_operation": dict(Counter(k.operation for k in counted).most_common()),
            "kills_not_counted": dict(Counter(k.why_not for k in self.kills if not k.moment)),
            "nothing_to_kill": dict(self.missed),
            "other_deaths": dict(self.others),
            "clock_changes": self.skews,
            "orders": self.orders,
            "load": self.load,
            "standin_lateness_s": round(self.lateness_s, 2),
            "calls": self.calls,
            "stock_differences": len(self.count.stock_differences),
            "settled_after_s": round(self.count.settle_seconds, 1),
            "details": {
                "lost": self.count.lost[:20],
                "doubled": self.count.doubled[:20],
                "stuck": [*self.count.stuck, *self.unfinished][:20],
                "stock": dict(list(self.count.stock_differences.items())[:20]),
            },
            "database": "PostgreSQL" if self.options.database_server else "SQLite",
            "hosts": self.options.hosts,
            "seed": self.options.seed,
            "minutes": self.options.minutes,
            "duration_s": round(self.seconds, 1),
            "notes": [
                *self.notes,
                *([] if self.promise_kept else ["the stand-in did not keep the settle time: this run proves nothing"]),
            ],
        }


def run(options: Options, say: Say) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="causeway-skew-") as folder:
        skew = Skew(Path(folder))
        # On SQLite the database's clock is the process's own, so there is no skew to speak of.
        skewed = skew.possible and bool(options.database_server)
        plan = Plan(
            hosts=options.hosts,
            workers=3,
            pace=Pace(settle=3.0),
            database_server=options.database_server,
            redis=options.redis,
            keep=options.keep,
            environment_of=(lambda number, place: skew.environment(place)) if skewed else (lambda number, place: {}),
        )
        with World(plan, say) as world, Recoveries(world.store) as recoveries:
            return _Run(world, options, recoveries, skew if skewed else None, say).go()


class _Run:
    def __init__(self, world: World, options: Options, recoveries: Recoveries, skew: Skew | None, say: Say) -> None:
        self.world, self.options, self.recoveries, self.skew, self.say = world, options, recoveries, skew, say
        self.dice = random.Random(options.seed)
        self.arrivals = Arrivals(world.systems())
        self.killer = Killer(world, self.arrivals)
        self.kills: list[Kill] = []
        self.unproved: list[Kill] = []
        self.missed: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.skews = 0
        self.frozen: threading.Thread | None = None
        self.armed = 0

    def go(self) -> Outcome:
        started = time.monotonic()
        self.faults = Faults(self.world.systems(), seed=self.options.seed, standing=True)
        load = Load(self.world, seed=self.options.seed, per_second=self.options.orders_per_second)
        load.start()
        self._until(started + 60 * self.options.minutes)
        self.say("load ends; waiting until everything is through ...")
        load.stop()
        self.faults.clear()
        if self.frozen is not None:
            self.frozen.join()
        self._set_skew(0)
        time.sleep(PROOF_SECONDS)
        self._prove(force=True)
        found = settled_count(self.world, at_most=self.options.settle_at_most)
        return Outcome(
            options=self.options,
            pace=self.world.plan.pace,
            count=found,
            kills=self.kills,
            missed=self.missed,
            others=self.others,
            skews=self.skews,
            orders=len(self.world.orders),
            load=dict(load.kinds.most_common()),
            resumed=self.recoveries.seconds("resumed_s"),
            finished=self.recoveries.seconds("finished_s"),
            unfinished=[f"{w.record} after a kill of {w.kill.pid}" for w in self.recoveries.unfinished()],
            lateness_s=max(self._asked("lateness", system)["latest_seconds"] for system in self.world.systems()),
            calls=dict(Counter(self._asked("calls", "kashflow")).most_common(15)),
            seconds=time.monotonic() - started,
            notes=[] if self.skew else ["clock skew: not on SQLite, or no C compiler here"],
        )

    def _asked(self, what: str, system: str) -> Any:
        return call("GET", f"{self.world.systems()[system]}/control/{what}")

    def _until(self, end: float) -> None:
        other_at, skew_at, said_at = time.monotonic() + 3.0, time.monotonic() + 5.0, time.monotonic()
        while time.monotonic() < end:
            now = time.monotonic()
            if now >= skew_at:
                skew_at = now + SKEW_EVERY_SECONDS
                self._set_skew(self.dice.choice(SKEWS), self.dice.randrange(len(self.world.hosts)))
            if now >= other_at:
                other_at = now + OTHER_EVERY_SECONDS
                self._other(_choice(self.dice, OTHERS))
            self._kill()
            self._prove()
            if now - said_at > 20:
                said_at = now
                moments = Counter(k.moment for k in self.kills if k.moment)
                self.say(f"  {len(self.world.orders)} orders, {sum(moments.values())} kills: {dict(moments)}")
            time.sleep(self.dice.uniform(0.1, 0.6) * self.options.pause_seconds)

    # Kills that count

    def _kill(self) -> None:
        victim, moment = _choice(self.dice, VICTIMS), self.dice.choice(MOMENTS)
        favourite = self.dice.choice(FAVOURITES) if self.dice.random() < 0.5 else None
        if moment == "before_commit":
            try:
                done = self.killer.strike_before_commit(victim, seconds=2.5, operations=lambda operation: True)
            except CannotHold:
                done = None
        else:
            done = self._strike_held(moment, victim, favourite)
        if done is None:
            self.missed[moment] += 1
            return
        self.kills.append(done)
        self.recoveries.watch(done)
        self.unproved.append(done)

    def _strike_held(self, moment: str, victim: str, favourite: tuple[str, list[str]] | None) -> Kill | None:
        ids: list[str] = []
        for choice in [[favourite], ANY] if favourite else [ANY]:
            for system, operations in choice:
                self.armed += 1
                ids.append(f"held-{self.armed}")
                self.faults.arm(system, ids[-1], moment, operations)
            caught = self.killer.caught(ids, seconds=CATCH_SECONDS)
            if caught is not None:
                done = self.killer.strike(caught, victim, moment)
                self.faults.disarm()
                return done
        self.faults.disarm()
        return None

    def _prove(self, *, force: bool = False) -> None:
        ripe = [done for done in self.unproved if force or time.time() - done.dead_at > PROOF_SECONDS]
        for done in ripe:
            self.unproved.remove(done)
            self.killer.prove(done)

    # Deaths and troubles that hit no effect of their own

    def _other(self, kind: str) -> None:
        host = self.dice.choice(self.world.hosts)
        if kind == "freeze":
            if self.frozen is None or not self.frozen.is_alive():
                self.frozen = threading.Thread(target=self._freeze, name="freeze", daemon=True)
                self.frozen.start()
            return
        role = {"queue": "worker", "role": self.dice.choice(["web", "worker", "scheduler"])}.get(kind, kind)
        pids = host.pids(role)
        below = pids[:1] if kind == "role" else pids[1:]
        if below:
            kill([self.dice.choice(below)])
            self.others[f"{role} leader" if kind == "role" else kind] += 1

    def _freeze(self) -> None:
        """SIGSTOP for a worker that has work in its hands, beyond its lease and the settle time, then SIGCONT."""
        pace = self.world.plan.pace
        holders = self.world.store.holders()
        if not holders:
            return
        _, pid = holders[0]
        kill([pid], signal.SIGSTOP)
        time.sleep(pace.lease + pace.settle + 3.0)
        kill([pid], signal.SIGCONT)
        self.others["frozen beyond its lease"] += 1

    def _set_skew(self, seconds: int, host: int | None = None) -> None:
        if self.skew is None:
            return
        for number, each in enumerate(self.world.hosts):
            if host is None or number == host:
                self.skew.set(each.folder, seconds)
        self.skews += host is not None


def _choice(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), weights=list(weights.values()))[0]
