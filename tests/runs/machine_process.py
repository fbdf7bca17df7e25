"""A worker process one can hold at every await: its own event loop, its own clock, its own view of its leases.

Nothing runs by itself. ``steps()`` lists what the process waits for: database work, calls on their way, answers.
Whoever holds it decides which of these goes on, how it ends, and what other processes do in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError

from connectors.base.errors import OutcomeUnknown
from connectors.base.sending import before_sending
from runs.attempts import attempt_run
from runs.claim import Claimed
from runs.events import event_data, needs_database
from runs.host import OpenClient, RunHost
from runs.journal import Entry, GroupCommit
from runs.lanes import Turns
from runs.links import LinkFinder
from runs.plans import Plan
from runs.resuming import beginning_of
from tests.runs.machine_provider import LEASE_SECONDS, Fate, Order, Provider, Written

ROUNDS = 12  # of the event loop: more than any chain of tasks that wait for each other has links


class _Loop(asyncio.SelectorEventLoop):
    """Goes by the machine's time, so that a call ends by its own time-out when the machine's time goes on."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        super().__init__()

    def time(self) -> float:
        return self._provider.now


@dataclass
class Step:
    """One thing a process waits for. ``work`` runs outside every event loop, as database work in a thread would."""

    kind: str  # database, send, answer, read
    name: str
    future: asyncio.Future[Any]
    work: Callable[[Fate], Any]


class Process:
    """One drain: what it claims (``take``) is worked concurrently and share one group commit."""

    def __init__(self, name: str, provider: Provider, database: Callable[..., Any]) -> None:
        self.name = name
        self.frozen = False
        self.turns = Turns()
        self.claims: dict[asyncio.Task[None], Claimed] = {}
        self._provider = provider
        self._database = database
        self._contexts: dict[asyncio.Task[None], Context] = {}
        self._waiting: list[Step] = []
        self._loop = _Loop(provider)
        self._commits = self._loop.run_until_complete(self._group_commit())
        self._background = asyncio.all_tasks(self._loop)

    async def _group_commit(self) -> GroupCommit:
        return GroupCommit(self)  # type: ignore[arg-type]

    @property
    def broken(self) -> bool:
        """A flush failed: it finishes what is in flight and claims no more."""
        return self._commits.broken

    def held(self) -> list[Claimed]:
        return list(self.claims.values())

    def may_write(self, number: str) -> bool:
        """By its own clock it still has the lease of that order: the question it asks itself before it sends."""
        now = time.monotonic()
        mine = [claimed for claimed in self.held() if claimed.record.record_id == number]
        return any(not claimed.lost and claimed.lease_until > now for claimed in mine)

    def take(self, claimed: Claimed, plan: Plan) -> None:
        context = copy_context()
        task = self._loop.create_task(self._attempt(claimed, plan), context=context)
        self.claims[task] = claimed
        self._contexts[task] = context
        self._turn()

    def steps(self) -> list[Step]:
        """What it waits for, oldest first. A frozen process answers nothing."""
        if self.frozen:
            return []
        self._turn()  # time-outs come first: their timers were due before anything new arrives
        return list(self._waiting)

    def go_on(self, step: Step, fate: Fate, *, database_fails: str = "") -> None:
        """Let ``step`` happen. ``database_fails``: before or after what it asked for was committed."""
        self._waiting.remove(step)
        try:
            if step.kind == "database" and database_fails == "before":
                raise OperationalError("the database is away")
            result = step.work(fate)
            if step.kind == "database" and database_fails == "after":
                raise OperationalError("the answer to COMMIT is lost")
        except Exception as error:
            step.future.set_exception(error)
        else:
            step.future.set_result(result)
        self._turn()

    def close(self) -> None:
        """Killed: nothing of it reaches the world any more. What it has sent is on its way."""
        for task in [*self.claims, *self._background]:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        for task in self.claims:  # their exits run in their own context, or they complain when they are collected
            self._contexts[task].run(task.get_coro().close)
        self._waiting.clear()
        self._loop.close()

    def _turn(self) -> None:
        for _ in range(ROUNDS):
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
        self._waiting = [step for step in self._waiting if not step.future.done()]
        for task in [task for task in self.claims if task.done()]:
            del self.claims[task], self._contexts[task]
            error = task.exception()
            if error is not None and not isinstance(error, OperationalError):
                raise AssertionError(f"{self.name}: an attempt ended without an ending") from error
        if self.claims and not self._waiting:
            raise AssertionError(f"{self.name} waits for something nobody knows of")

    async def _wait(self, kind: str, name: str, work: Callable[[Fate], Any]) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(Step(kind, name, future, work))
        return await future

    # What ``runs.journal.Database`` is to a drain.
    async def run(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        name = "ending" if any(_ends(argument) for argument in args) else function.__name__
        return await self._wait("database", name, lambda fate: self._database(function, *args, **named))

    def _attempt(self, claimed: Claimed, plan: Plan) -> Coroutine[Any, Any, None]:
        async def attempt() -> None:
            beginning = await beginning_of(claimed, plan, self)  # type: ignore[arg-type]
            host = RunHost(
                claimed=claimed,
                plan=beginning.plan,
                clients=self._client,
                database=self,  # type: ignore[arg-type]
                finder=LinkFinder(self),  # type: ignore[arg-type]
                commits=self._commits,
                lease_seconds=LEASE_SECONDS,
            )
            host.reads.update(beginning.reads)
            await attempt_run(host, event_data=lambda: self._event_data(claimed), on_attention=_nobody)

        return attempt()

    async def _event_data(self, claimed: Claimed) -> dict[str, Any]:
        if not needs_database(claimed, with_pending=False):
            return event_data(claimed, with_pending=False)
        result: dict[str, Any] = await self.run(event_data, claimed, with_pending=False)
        return result

    async def _client(self, connection_id: str) -> OpenClient:
        return OpenClient(client=_Client(self), remembered=_nobody, settings={}, account_id="")  # type: ignore[arg-type]


def _ends(argument: Any) -> bool:
    """A batch for the journal with the ending of an attempt."""
    return isinstance(argument, list) and any(isinstance(one, Entry) and one.ending is not None for one in argument)


async def _nobody(*_: Any) -> None:
    raise AssertionError("not used by this pair")


class _Client:
    """The way out of one process: every call can be stopped before it leaves and before its answer arrives."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._wait = process._wait
        self._provider = process._provider

    async def read(self, number: str) -> Order:
        result: Order = await self._wait("read", number, lambda fate: self._provider.order_read(number))
        return result

    async def look(self, reference: str) -> Written | None:
        number = reference.split(" ")[0]

        def look(_: Fate) -> Written | None:
            return self._provider.find(reference, in_earnest=self._process.may_write(number))

        result: Written | None = await self._wait("look", reference, look)
        return result

    async def write(self, reference: str, effect_key: str) -> Written:
        fate: Fate = await self._wait("send", reference, lambda fate: fate)
        if (ask := before_sending.get()) is not None:
            ask()  # as every socket of ours does
        return await self._answer(self._provider.send(reference, effect_key, fate), fate)

    async def _answer(self, row: Written, fate: Fate) -> Written:
        def answered(_: Fate) -> Written:
            if fate.silent:
                raise OutcomeUnknown("the connection was cut")
            if fate.answer is not None:
                raise fate.answer("as the test has it")
            return row

        kind = "silence" if fate.silent else "answer"
        result: Written = await self._wait(kind, row.reference, answered)
        return result
