"""Continuous load: the demo's mix of orders (placed, paid, refunded, cancelled, edited), chosen by seed."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from chaos.world import World
from demo.nopcommerce_kashflow.mix import Later, PlannedOrder, orders

MOST_ORDERS = 20_000
ORDERS_PER_CROWD = 150
"""After so many orders other people come: one person with hundreds of documents is another test than this one."""


class Load:
    """``start`` places orders at a steady rate until ``stop``; what happens to them later happens in any case."""

    def __init__(
        self, world: World, *, seed: int, per_second: float, only_at_once: bool = False, most: int = MOST_ORDERS
    ) -> None:
        """:param only_at_once: leave out orders to which something happens later; ``most``: stop after so many."""
        self._most = most
        self.world, self.per_second, self.only_at_once = world, per_second, only_at_once
        self._seed = seed
        self._stop = threading.Event()
        self._later: list[tuple[float, int, int, Later]] = []
        self._placing = 0  # handed to a thread and not placed yet
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="load")
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.kinds: Counter[str] = Counter()
        self.failed: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def is_running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """No new orders; returns when the last thing that happens to an order has happened."""
        self._stop.set()
        self._thread.join()
        self._threads.shutdown()
        if self.failed:
            raise RuntimeError(f"the load itself failed {len(self.failed)} times: {self.failed[:3]}")

    def _run(self) -> None:
        planned = (plan for plan in self._planned() if not (self.only_at_once and plan.later))
        due = time.monotonic()
        while True:
            self._act_due()
            now = time.monotonic()
            if self._stop.is_set():
                with self._lock:
                    if not self._later and not self._placing:
                        return
            elif now >= due:
                due = max(due + 1 / self.per_second, now - 1)
                if (plan := next(planned, None)) is None:
                    self._stop.set()
                else:
                    self._submit(plan)
            time.sleep(0.02)

    def _planned(self) -> Iterator[PlannedOrder]:
        for number, plan in enumerate(orders(self._most, self._seed)):
            customer = plan.spec["customer"]
            if number >= ORDERS_PER_CROWD and not plan.together:
                email = f"crowd{number // ORDERS_PER_CROWD}.{customer['email']}"
                plan = replace(plan, spec={**plan.spec, "customer": {**customer, "email": email}})
            yield plan

    def _submit(self, plan: PlannedOrder) -> None:
        with self._lock:
            self._placing += 1
        self._threads.submit(self._place, plan)

    def _place(self, plan: PlannedOrder) -> None:
        try:
            order = self.world.place(plan.spec)
            self.kinds[plan.kind] += 1
            with self._lock:
                for number, later in enumerate(plan.later):
                    heapq.heappush(self._later, (time.monotonic() + later.after_seconds, order, number, later))
        except Exception as error:
            self.failed.append(f"{plan.kind}: {error}")
        finally:
            with self._lock:
                self._placing -= 1

    def _act_due(self) -> None:
        with self._lock:
            due = []
            while self._later and self._later[0][0] <= time.monotonic():
                due.append(heapq.heappop(self._later))
        for _, order, _, later in due:
            self.kinds[later.action] += 1
            try:
                self.world.act(order, later.action, later.body)
            except Exception as error:
                self.failed.append(f"{later.action} {order}: {error}")
