"""Failures of what we stand on, under load: database, queue, disk, network. Counted at the stand-ins after each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chaos.count import Count, settled_count
from chaos.load import Load
from chaos.servers import OwnPostgres, OwnRedis
from chaos.world import Pace, Plan, Say, World
from demo.http import call

BEFORE_SECONDS = 4.0
SETTLE_AT_MOST = 90.0


@dataclass
class Trouble:
    """One failure: what it was, how long, and what was left of it afterwards."""

    name: str
    seconds: float
    orders: int
    count: Count
    recovery_s: float
    door: dict[str, int]
    notes: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    troubles: list[Trouble]
    pace: Pace
    skipped: list[str]

    @property
    def passed(self) -> bool:
        return all(trouble.count.clean for trouble in self.troubles)

    def as_json(self) -> dict[str, Any]:
        return {
            "lost": sum(len(t.count.lost) for t in self.troubles),
            "doubled": sum(len(t.count.doubled) for t in self.troubles),
            "stuck": sum(len(t.count.stuck) for t in self.troubles),
            "recovery_max_s": max((round(t.recovery_s, 1) for t in self.troubles), default=0.0),
            "lease_plus_settle_s": self.pace.lease + self.pace.settle,
            "rows": [
                {
                    "trouble": t.name,
                    "seconds": round(t.seconds, 1),
                    "orders": t.orders,
                    "recovery_s": round(t.recovery_s, 1),
                    "lost": len(t.count.lost),
                    "doubled": len(t.count.doubled),
                    "stuck": len(t.count.stuck),
                    "door": t.door,
                    "notes": t.notes,
                    "details": [*t.count.lost, *t.count.doubled, *t.count.stuck][:10],
                }
                for t in self.troubles
            ],
            "skipped": self.skipped,
        }


def run(*, seed: int, keep: bool, only: str, say: Say) -> Outcome:
    with OwnPostgres(small_disk=True) as postgres, OwnRedis() as redis:
        plan = Plan(
            workers=2, database_server=postgres.url, redis=redis.url, keep=keep, proxied=True, pace=Pace(poll=2.0)
        )
        with World(plan, say) as world:
            infra = _Infra(world, postgres, redis, seed, say)
            skipped = [] if postgres.has_small_disk else ["disk full: needs root for a small tmpfs"]
            for name, seconds, trouble in infra.troubles():
                if only in name and not (name == "disk full" and skipped):
                    infra.under_load(name, seconds, trouble)
            return Outcome(infra.done, plan.pace, skipped)


class _Infra:
    def __init__(self, world: World, postgres: OwnPostgres, redis: OwnRedis, seed: int, say: Say) -> None:
        self.world, self.postgres, self.redis, self.seed, self.say = world, postgres, redis, seed, say
        self.done: list[Trouble] = []

    def troubles(self) -> list[tuple[str, float, Callable[[float], list[str]]]]:
        network: list[tuple[str, float, Callable[[float], list[str]]]] = [
            (f"{system}: {mode}", 6.0, self._network(system, mode))
            for system in ("kashflow", "nopcommerce")
            for mode in ("refuse", "reset", "blackhole", "half_close")
        ]
        return [
            ("PostgreSQL restarted", 0.0, self._restart("fast", 0.0)),
            ("PostgreSQL crashed, 5 s away", 5.0, self._restart("immediate", 5.0)),
            ("Redis flushed", 0.0, self._redis_flush),
            ("Redis killed, 10 s away", 10.0, self._redis_kill),
            ("disk full", 10.0, self._disk_full),
            *network,
        ]

    def under_load(self, name: str, seconds: float, trouble: Callable[[float], list[str]]) -> None:
        before = len(self.world.orders)
        self._deliveries_forget()
        load = Load(self.world, seed=self.seed + len(self.done), per_second=3.0, only_at_once=True)
        load.start()
        time.sleep(BEFORE_SECONDS)
        started = time.monotonic()
        notes = trouble(seconds)
        lasted, over = time.monotonic() - started, time.monotonic()
        load.stop()
        found = settled_count(self.world, at_most=SETTLE_AT_MOST)
        done = Trouble(
            name=name,
            seconds=lasted,
            orders=len(self.world.orders) - before,
            count=found,
            recovery_s=found.agreed_at - over if found.agreed_at else SETTLE_AT_MOST,
            door=self._door(),
            notes=notes,
        )
        self.done.append(done)
        state = "ok" if found.clean else f"lost {found.lost[:2]}, doubled {found.doubled[:2]}, stuck {found.stuck[:2]}"
        self.say(f"  {name}: {done.orders} orders, through {done.recovery_s:.1f} s after it was over; {state}")

    # Troubles: each returns when it is over

    def _restart(self, mode: str, away: float) -> Callable[[float], list[str]]:
        def trouble(seconds: float) -> list[str]:
            self.postgres.stop(mode)
            time.sleep(away)
            self.postgres.start()
            return []

        return trouble

    def _redis_flush(self, seconds: float) -> list[str]:
        for _ in range(5):
            self.redis.flush()
            time.sleep(0.3)
        return ["five times in a row"]

    def _redis_kill(self, seconds: float) -> list[str]:
        self.redis.kill()
        time.sleep(seconds)
        self.redis.start()
        return []

    def _disk_full(self, seconds: float) -> list[str]:
        self.postgres.fill_disk()
        deadline = time.monotonic() + seconds
        refused = False
        while time.monotonic() < deadline or (not refused and time.monotonic() < deadline + 20):
            refused = refused or bool(self._door().get("503", 0))
            time.sleep(0.5)
        self.postgres.free_disk()
        again = self.postgres.ensure_started()
        return ["the database had gone down and was started again"] if again else ["the database stayed up"]

    def _network(self, system: str, mode: str) -> Callable[[float], list[str]]:
        def trouble(seconds: float) -> list[str]:
            self.world.proxies[system].set_mode(mode)
            time.sleep(seconds)
            self.world.proxies[system].set_mode("pass")
            return []

        return trouble

    # What the door answered, as the shop saw it

    def _deliveries_forget(self) -> None:
        self._seen = len(self._deliveries())

    def _deliveries(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = call("GET", f"{self.world.shop_url}/control/webhooks")
        return rows

    def _door(self) -> dict[str, int]:
        """Answers to the shop's deliveries since the trouble's load began."""
        rows = self._deliveries()[self._seen :]
        return dict(Counter(str(row["status"] or "no answer") for row in rows if row["sent_at"]))
