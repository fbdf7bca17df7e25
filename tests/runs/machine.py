"""The queue as a state machine: workers, crashes, frozen processes, lost leases and people, in any order.

The product's own functions run against the real database; the world around them is ``machine_provider``. Time is no
clock: ``advance`` moves every time of the queue into the past, so that it does not matter who reads which clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flows.models import Installation
from runs.claim import Claimed, events_claim, leases_recover, leases_renew
from runs.inbox import PRIORITY_IMPORT, PRIORITY_LIVE, News, news_store
from runs.journal import Entry
from runs.models import InboxEvent, RecordLink, Run
from runs.plans import plans_load
from runs.replays import How, run_cancel, runs_replay
from tenants.clock import database_now
from tenants.models import Organisation
from tests.factories import NOW
from tests.runs.machine_process import Process, Step
from tests.runs.machine_provider import FATES, LEASE_SECONDS, SETTLE_SECONDS, Provider, papers_of

TICK_SECONDS = 0.01
ORDERS = (("1001", 0), ("1002", 0), ("2001", 1))  # number, whose
PROCESSES = ("ash", "birch")
WITH_A_PERSON = (Run.State.WAITING, *Run.NEEDS_A_PERSON)
UNTIL: dict[str, Callable[[Step], bool]] = {
    "the next step": lambda step: True,
    "it is about to send": lambda step: step.kind == "send",
    "it has sent": lambda step: step.kind in ("answer", "silence"),
    "it writes its journal": lambda step: step.name in ("entries_store", "ending"),
    "it writes its ending": lambda step: step.name == "ending",
    "its end": lambda step: False,
}
DOUBTFUL = [name for name, fate in FATES.items() if fate.unread_for or 0 < fate.lands_after < inf]
ANY_FATE = st.sampled_from([*FATES, *DOUBTFUL, *DOUBTFUL])  # what is hard comes more often
WORK: dict[str, Any] = {
    "name": st.sampled_from(PROCESSES),
    "until": st.sampled_from([*UNTIL, "its end"]),
    "fate": ANY_FATE,
}
_QUEUE_TIMES = [field.name for field in InboxEvent._meta.get_fields() if isinstance(field, models.DateTimeField)]
_LATER = {
    vendor: f"UPDATE runs_inboxevent SET {', '.join(later.format(name) for name in _QUEUE_TIMES)}"
    for vendor, later in {
        "postgresql": "{0} = {0} - make_interval(secs => %s)",
        "sqlite": "{0} = strftime('%%Y-%%m-%%d %%H:%%M:%%f', {0}, '-' || %s || ' seconds')",
    }.items()
}


class System:
    """The product. A subclass breaks one promise, to show that the machine notices."""

    def news(self, **options: Any) -> int:
        return news_store(**options)

    def claim(self, **options: Any) -> list[Claimed]:
        return events_claim(**options)

    def renew(self, held: list[Claimed]) -> None:
        leases_renew(held=held, lease_seconds=LEASE_SECONDS)

    def recover(self) -> int:
        return leases_recover(default_settle=SETTLE_SECONDS)

    def let_go(self, run: Run) -> bool:
        return run_cancel(run=run, reason="enough", at=database_now(), by=None)

    def database(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Whatever a drain asks its database thread for, flushes among it."""
        if args and isinstance(args[0], list) and args[0] and isinstance(args[0][0], Entry):
            return self.flush(function, args[0])
        return function(*args, **named)

    def flush(self, function: Callable[..., Any], batch: list[Entry]) -> Any:
        return function(batch)


@dataclass
class Known:
    """What a sender may expect: everything in ``papers``, once, because of news at ``told_at``."""

    told_at: int
    papers: set[str]


class QueueMachine(RuleBasedStateMachine):
    """Subclassed by the test with its two ``installations`` and the ``system`` to be tried."""

    installations: tuple[Installation, ...] = ()
    system: System = System()

    def __init__(self) -> None:
        super().__init__()
        rows_delete()
        Installation.unscoped.update(state=Installation.State.ACTIVE)
        self.provider = Provider(orders={number: ["p1"] for number, _ in ORDERS})
        self.processes = {name: self._process(name) for name in PROCESSES}
        self.dead: list[Process] = []
        self.told: set[str] = set()
        self.known: dict[str, Known] = {}
        self.finals: dict[int, str] = {}
        self.fences: dict[int, int] = {}
        self.behind = 0.0  # seconds by which the queue's times have yet to be moved

    def _process(self, name: str) -> Process:
        return Process(name, self.provider, self.system.database)

    # News and people

    @initialize(order=st.sampled_from(ORDERS))
    def the_first_news(self, order: tuple[str, int]) -> None:
        self._tell(order, "webhook")

    @rule(order=st.sampled_from(ORDERS), via=st.sampled_from(["webhook", "poll", "manual", "import"]))
    def news_arrives(self, order: tuple[str, int], via: str) -> None:
        self._tell(order, via)

    @rule(order=st.sampled_from(ORDERS), via=st.sampled_from(["webhook", "poll"]))
    def order_is_edited(self, order: tuple[str, int], via: str) -> None:
        self._edit(order)
        self._tell(order, via)

    def _edit(self, order: tuple[str, int]) -> None:
        payments = self.provider.orders[order[0]]
        payments.append(f"p{len(payments) + 1}")

    @precondition(lambda self: self._unheard_of())
    @rule(which=st.integers(0, 2))
    def a_past_order_with_an_invoice_by_hand_is_imported(self, which: int) -> None:
        order = pick(self._unheard_of(), which)
        self.provider.make_by_hand(f"{order[0]} invoice")
        self._tell(order, "import")

    def _unheard_of(self) -> list[tuple[str, int]]:
        return [order for order in ORDERS if order[0] not in self.told]

    def _tell(self, order: tuple[str, int], via: str) -> None:
        self._tick()
        number, owner = order
        state = ",".join(self.provider.orders[number])
        told = self.system.news(
            installation=self.installations[owner],
            news=[News("order", number, fingerprint=f"state:{state}" if via == "poll" else None)],
            via=via,
            at=database_now(),
            priority=PRIORITY_IMPORT if via == "import" else PRIORITY_LIVE,
        )
        self.told.add(number)
        if told:
            self.known[number] = Known(self.provider.moment, papers_of(number, self.provider.orders[number]))

    @precondition(lambda self: self._open_runs())
    @rule(which=st.integers(0, 2), resume=st.booleans())
    def a_person_replays(self, which: int, resume: bool) -> None:
        self._replay(pick(self._open_runs(), which), resume=resume)

    @precondition(lambda self: self._open_runs())
    @rule(which=st.integers(0, 2), told_again=st.booleans(), **WORK)
    def a_person_lets_go(self, which: int, told_again: bool, name: str, until: str, fate: str) -> None:
        self._tick()
        run = Run.unscoped.select_related("record").get(pk=pick(self._open_runs(), which))
        if self.system.let_go(run):
            self.known.pop(run.record.record_id, None)
        if told_again:
            self.news_is_worked_on(self._order(run.record.record_id), False, name, until, fate)

    def _order(self, number: str) -> tuple[str, int]:
        return next(order for order in ORDERS if order[0] == number)

    def _open_runs(self) -> list[int]:
        return [pk for pk, state in rows("SELECT id, state FROM runs_run ORDER BY id") if state in WITH_A_PERSON]

    def _replay(self, pk: int, *, resume: bool = False) -> None:
        self._tick()
        run = Run.unscoped.select_related("organisation").get(pk=pk)
        runs_replay(organisation=run.organisation, runs=[run], at=database_now(), by=None, how=How(resume=resume))

    @rule(owner=st.sampled_from([0, 1]), state=st.sampled_from(["active", "active", "paused"]))
    def a_pair_is_switched(self, owner: int, state: str) -> None:
        self._tick()
        Installation.unscoped.filter(pk=self.installations[owner].pk).update(state=state)

    # Workers

    @rule(name=st.sampled_from(PROCESSES), limit=st.integers(1, 3))
    def a_worker_claims(self, name: str, limit: int) -> None:
        self._claim(self.processes[name], limit)

    @rule(order=st.sampled_from(ORDERS), edited=st.booleans(), **WORK)
    def news_is_worked_on(self, order: tuple[str, int], edited: bool, name: str, until: str, fate: str) -> None:
        if edited:
            self._edit(order)
        self._tell(order, "webhook")
        self._claim_and_go_on(name, until, fate)

    @rule(seconds=st.sampled_from([0.0, 100.0, 300.0, 700.0]), **WORK)
    def what_is_due_is_worked_on(self, seconds: float, name: str, until: str, fate: str) -> None:
        self._advance(seconds)
        self._claim_and_go_on(name, until, fate)

    @rule(seconds=st.sampled_from([300.0, 500.0, 1000.0, 1700.0]), **WORK)
    def what_was_left_behind_is_worked_on(self, seconds: float, name: str, until: str, fate: str) -> None:
        self._advance(seconds)
        self.the_sweep_looks()
        self._claim_and_go_on(name, until, fate)

    def _claim_and_go_on(self, name: str, until: str, fate: str) -> None:
        self._claim(self.processes[name], 2)
        self._go_on(self.processes[name], 0, until, fate)

    def _claim(self, process: Process, limit: int) -> int:
        if process.frozen or process.broken:
            return 0
        self._tick()
        claims = self.system.claim(worker=process.name, limit=limit, lease_seconds=LEASE_SECONDS, turns=process.turns)
        plans: dict[int, Any] = plans_load({claimed.installation_id for claimed in claims}, {})
        for claimed in claims:
            self._nobody_else_holds(claimed)
            process.take(claimed, plans[claimed.installation_id])
        return len(claims)

    def _nobody_else_holds(self, claimed: Claimed) -> None:
        now = time.monotonic()
        for process in self.processes.values():
            for other in process.held():
                alive = not other.lost and other.lease_until > now
                assert not alive or other.record.pk != claimed.record.pk, f"two workers hold {claimed.record}"

    def _busy(self) -> list[str]:
        return [name for name, process in self.processes.items() if process.held() and not process.frozen]

    @precondition(lambda self: self._busy())
    @rule(
        who=st.integers(0, 1),
        slow=st.sampled_from([0.0, 0.0, 300.0, 500.0]),
        which=st.integers(0, 2),
        until=st.sampled_from(list(UNTIL)),
        fate=ANY_FATE,
    )
    def a_worker_goes_on(self, who: int, slow: float, which: int, until: str, fate: str) -> None:
        """``fate`` is that of the first write it sends; the others are done as they should be."""
        self._advance(slow)
        self._go_on(self.processes[pick(self._busy(), who)], which, until, fate)

    def _go_on(self, process: Process, which: int, until: str, fate: str) -> None:
        moved = 0
        while waiting := process.steps():
            step = pick(waiting, which)
            if moved and UNTIL[until](step):
                return
            self._tick()
            process.go_on(step, FATES[fate])
            fate = "done" if step.kind == "send" else fate
            moved += 1

    @precondition(lambda self: self._busy())
    @rule(who=st.integers(0, 1), when=st.sampled_from(["before", "after"]), any_query=st.booleans())
    def the_database_fails_a_worker(self, who: int, when: str, any_query: bool) -> None:
        process = self.processes[pick(self._busy(), who)]
        if not any_query:
            self._go_on(process, 0, "it writes its journal", "done")
        self._tick()
        for step in [step for step in process.steps() if step.kind == "database"][:1]:
            process.go_on(step, FATES["done"], database_fails=when)

    @precondition(lambda self: self._busy())
    @rule(who=st.integers(0, 1))
    def a_worker_is_killed(self, who: int) -> None:
        self._replace(pick(self._busy(), who))

    def _replace(self, name: str) -> None:
        self.processes[name].close()
        self.dead.append(self.processes[name])
        self.processes[name] = self._process(name)

    @rule(
        order=st.sampled_from(ORDERS),
        name=st.sampled_from(PROCESSES),
        slow=st.sampled_from([0.0, 500.0]),
        until=st.sampled_from(["it is about to send", "it has sent", "it has sent", "it writes its journal"]),
        fate=st.sampled_from(DOUBTFUL),
        seconds=st.sampled_from([500.0, 1700.0]),
    )
    def a_worker_dies_and_another_goes_on(
        self, order: tuple[str, int], name: str, slow: float, until: str, fate: str, seconds: float
    ) -> None:
        self._begin_new_work(order, name)
        self._advance(slow)
        self._go_on(self.processes[name], 0, until, fate)
        self._replace(name)
        self._advance(seconds)
        self.the_sweep_looks()
        self._claim_and_go_on(name, "its end", "done")

    def _begin_new_work(self, order: tuple[str, int], name: str) -> None:
        """As far as anything is due: a claim by ``name``, with something to write in it."""
        self._edit(order)
        self._tell(order, "webhook")
        self._claim(self.processes[name], 2)

    @precondition(lambda self: self._busy())
    @rule(who=st.integers(0, 1))
    def a_worker_freezes(self, who: int) -> None:
        self.processes[pick(self._busy(), who)].frozen = True

    @rule(
        order=st.sampled_from(ORDERS),
        name=st.sampled_from(PROCESSES),
        asleep=st.sampled_from(["the next step", "it has sent", "it writes its journal", "it writes its ending"]),
        seconds=st.sampled_from([500.0, 1700.0, 1700.0]),
        until=st.sampled_from(list(UNTIL)),
        fate=ANY_FATE,
    )
    def a_worker_sleeps_while_another_works(
        self, order: tuple[str, int], name: str, asleep: str, seconds: float, until: str, fate: str
    ) -> None:
        """Frozen, perhaps beyond its lease; when it wakes it goes on as if nothing had happened."""
        sleeper = self.processes[name]
        self._begin_new_work(order, name)
        self._go_on(sleeper, 0, asleep, "done")
        sleeper.frozen = True
        self._advance(seconds)
        self.the_sweep_looks()
        other = next(other for other in PROCESSES if other != name)
        self._claim_and_go_on(other, until, fate)
        sleeper.frozen = False
        self._go_on(sleeper, 0, "its end", fate)
        self._tell(order, "webhook")
        self._claim_and_go_on(name, until, fate)

    @precondition(lambda self: any(process.frozen for process in self.processes.values()))
    @rule()
    def a_frozen_worker_wakes(self) -> None:
        for process in self.processes.values():
            process.frozen = False

    @precondition(lambda self: self._busy())
    @rule(who=st.integers(0, 1))
    def a_worker_renews_its_leases(self, who: int) -> None:
        self._tick()
        self.system.renew(self.processes[pick(self._busy(), who)].held())

    # Time

    @rule(seconds=st.sampled_from([100.0, 300.0, 500.0, 700.0]))
    def time_goes_on(self, seconds: float) -> None:
        self._advance(seconds)

    @rule()
    def the_sweep_looks(self) -> None:
        self._tick()
        self.system.recover()

    def _tick(self) -> None:
        """A moment passes before the queue is asked, so that what comes later has a later time."""
        self.provider.moment += 1
        self._advance(TICK_SECONDS)
        self._time_reaches_the_tables()

    def _advance(self, seconds: float) -> None:
        self.provider.now += seconds
        self.behind += seconds
        for process in self.processes.values():
            for claimed in process.held():
                claimed.lease_until -= seconds

    def _time_reaches_the_tables(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_LATER[connection.vendor], [self.behind] * len(_QUEUE_TIMES))
        self.behind = 0.0

    # What must hold always

    @invariant()
    def nothing_is_doubled(self) -> None:
        assert not self.provider.broken, self.provider.broken

    @invariant()
    def links_say_what_is_there(self) -> None:
        written = {(row.reference, row.number) for row in self.provider.written if row.lands_at <= self.provider.now}
        for key, external_id in rows("SELECT effect_key, external_id FROM runs_recordlink"):
            reference = " ".join(key.split("|")[-2:])  # number and qualifier
            assert (reference, external_id) in written, f"{key} → {external_id} is not there"
        assert not rows("SELECT 1 FROM runs_alert"), "a double is suspected"

    @invariant()
    def final_runs_stay_and_fences_grow(self) -> None:
        states = dict(rows("SELECT id, state FROM runs_run"))
        for pk, state in self.finals.items():
            assert states[pk] == state, f"a run that was {state} is {states[pk]}"
        self.finals = {pk: state for pk, state in states.items() if state in Run.TERMINAL}
        events = rows("SELECT id, fence, state, record_id FROM runs_inboxevent")
        for pk, fence, _, _ in events:
            assert fence >= self.fences.get(pk, 0), "a fence went back"
            self.fences[pk] = fence
        leased = [record for _, _, state, record in events if state == InboxEvent.State.LEASED]
        assert len(leased) == len(set(leased)), "one record is leased twice"

    # In the end

    def teardown(self) -> None:
        try:
            if not self.provider.broken:
                self._settle()
                self._everything_is_there_once()
        finally:
            for process in [*self.dead, *self.processes.values()]:
                process.close()

    def _settle(self) -> None:
        """Whoever still lives finishes, then one healthy worker does the rest."""
        Installation.unscoped.update(state=Installation.State.ACTIVE)
        for name in PROCESSES:
            self.processes[name].frozen = False
            self._finish(self.processes[name])
            self._replace(name)
        for _ in range(12):
            self._advance(LEASE_SECONDS + SETTLE_SECONDS + 100.0)
            self.the_sweep_looks()
            self._advance(SETTLE_SECONDS + 1000.0)
            for pk in self._open_runs():
                self._replay(pk)
            if not InboxEvent.unscoped.exclude(run=None, state=InboxEvent.State.HELD).exists():
                return
            self._claim(self.processes[PROCESSES[0]], 10)
            self._finish(self.processes[PROCESSES[0]])
        raise AssertionError(f"work that never ends: {list(InboxEvent.unscoped.values())}")

    def _finish(self, process: Process) -> None:
        while waiting := process.steps():
            self._tick()
            process.go_on(waiting[0], FATES["done"])
            self._checked()

    def _checked(self) -> None:
        self.nothing_is_doubled()
        self.final_runs_stay_and_fences_grow()

    def _everything_is_there_once(self) -> None:
        self._checked()
        self.links_say_what_is_there()
        linked = set(RecordLink.unscoped.values_list("external_id", flat=True))
        for number, known in self.known.items():
            assert self.provider.read_at.get(number, -1) > known.told_at, f"news about {number} was lost"
            for reference in known.papers:
                rows = self.provider.standing(reference)
                assert len(rows) == 1, f"{reference} is there {len(rows)} times"
                assert rows[0].number in linked, f"{reference} is not remembered"


def pick(choices: list[Any], which: int) -> Any:
    return choices[which % len(choices)]


def rows(query: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def rows_delete() -> None:
    """Whatever this room has stored; quicker than emptying tables, which are small here."""
    with transaction.atomic():  # references are checked when it commits
        Organisation.objects.update(suspended_at=NOW)  # or the database keeps what is remembered
        for model in apps.get_app_config("runs").get_models():
            model._base_manager.all()._raw_delete(using="default")
        Organisation.objects.update(suspended_at=None)
