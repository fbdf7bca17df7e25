"""What one process has in hand of a rate budget: a block of tokens, and a fair line of those who wait for one."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from connections.budget import Pace, Standing, Taken, pace_of
from connectors.base.gate import current_turn
from connectors.base.limit_headers import Learned
from connectors.base.manifest import RateLimit

log = logging.getLogger(__name__)

# A budget corrected by headers is written at most so often by one process, but at once where nothing is left.
CORRECTION_SECONDS = 1.0


class BudgetSpent(Exception):
    """No token will come in time.

    :param after_seconds: when it would be this caller's turn.
    """

    def __init__(self, after_seconds: float) -> None:
        super().__init__(after_seconds)
        self.after_seconds = after_seconds


class Purse:
    """Leased tokens, each to be spent before its block expires. What is not spent by then is lost, never late."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[int, float]] = deque()
        self._size = self._latest = 1
        self._spent = 0

    def add(self, tokens: int, until: float) -> None:
        self._blocks.append((tokens, until))

    def lease(self, tokens: int, until: float) -> None:
        self.add(tokens, until)
        self._latest, self._spent = tokens, 0

    def spend(self, now: float) -> bool:
        while self._blocks:
            tokens, until = self._blocks.popleft()
            if until >= now:
                if tokens > 1:
                    self._blocks.appendleft((tokens - 1, until))
                self._spent += 1
                return True
        return False

    def in_hand(self, now: float) -> int:
        return sum(tokens for tokens, until in self._blocks if until >= now)

    def keep_at_most(self, tokens: int, now: float) -> int:
        """Throw the rest away. :returns: how many are kept."""
        kept: deque[tuple[int, float]] = deque()
        for held, until in self._blocks:
            if until >= now and tokens > 0:
                kept.append((min(held, tokens), until))
                tokens -= min(held, tokens)
        self._blocks = kept
        return self.in_hand(now)

    def wanted(self, waiting: int, most: int) -> int:
        """The next block: twice the last one where that was used up, else as much as was used of it."""
        used_up = 4 * self._spent >= 3 * self._latest
        self._size = max(1, min(most, 2 * max(self._size, self._latest) if used_up else self._spent))
        return max(1, min(most, max(waiting, self._size)))

    @property
    def runs_low(self) -> bool:
        """Three quarters of a block are spent: time for the next, before anybody has to wait."""
        return self._latest > 3 and 4 * self._spent >= 3 * self._latest


@dataclass(eq=False)
class _Waiter:
    future: asyncio.Future[None]
    deadline: float


class Line:
    """First come, first served among the calls of one turn (a flow); the turns one after the other."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[_Waiter]:
        """In the order in which they will be served."""
        rounds = max((len(waiting) for waiting in self._turns.values()), default=0)
        for number in range(rounds):
            for waiting in self._turns.values():
                if number < len(waiting):
                    yield waiting[number]

    def place_of(self, turn: str) -> int:
        """How many would be served before a newcomer of this turn."""
        own = len(self._turns.get(turn, ()))
        return sum(min(len(waiting), own + (name != turn)) for name, waiting in self._turns.items())

    def join(self, turn: str, waiter: _Waiter) -> None:
        self._turns.setdefault(turn, deque()).append(waiter)
        self._length += 1

    def next(self) -> _Waiter | None:
        """The next who still waits."""
        while self._turns:
            turn, waiting = self._turns.popitem(last=False)
            waiter = waiting.popleft()
            self._length -= 1
            if waiting:
                self._turns[turn] = waiting
            if not waiter.future.done():
                return waiter
        return None

    def forget_the_answered(self) -> None:
        for turn, waiting in list(self._turns.items()):
            still = deque(waiter for waiter in waiting if not waiter.future.done())
            self._length -= len(waiting) - len(still)
            if still:
                self._turns[turn] = still
            else:
                del self._turns[turn]


class Stock:
    """One budget as one event loop sees it.

    :param take: leases a block (``connections.budget.block_take``).
    :param shrink: writes that fewer calls are left than thought, ``learn`` that the limit is another one.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        limit: RateLimit | None,
        take: Callable[[RateLimit | None, int], Awaitable[Taken]],
        shrink: Callable[[int, float], Awaitable[None]],
        learn: Callable[[float, float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._declared = limit
        self._take, self._shrink, self._write_limit, self._clock = take, shrink, learn, clock
        self._purse = Purse()
        self._line = Line()
        self._filling: asyncio.Task[None] | None = None
        self._standing: Standing | None = None
        self._standing_at = 0.0
        self._next_at = float("-inf")
        self._corrected_at = float("-inf")
        self._use(limit)

    def _use(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self.pace: Pace | None = pace_of(limit) if limit is not None else None

    def spend(self) -> bool:
        """Take a token that is in hand, if nobody waits for it. True also where no limit is known."""
        if self.pace is None:
            return True
        now = self._clock()
        if self._line or not self._purse.spend(now):
            return False
        if self._purse.runs_low:
            self._fill_soon()
        return True

    async def wait(self, longest: float) -> None:
        """Join the line for a token.

        :raises BudgetSpent: it would take longer than ``longest`` seconds.
        :raises DatabaseError: the budget could not be read.
        """
        pace, now = self.pace, self._clock()
        if pace is None:
            return
        turn = current_turn.get()
        if self._next_at > now:
            mine = self._next_at - now + self._line.place_of(turn) * pace.interval_seconds
            if mine > longest:
                raise BudgetSpent(mine)
        waiter = _Waiter(asyncio.get_running_loop().create_future(), now + longest)
        self._line.join(turn, waiter)
        self._fill_soon()
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                self._purse.add(1, now + pace.life_seconds)  # granted and not used
            raise

    def _fill_soon(self) -> None:
        if self._filling is None or self._filling.done():
            self._filling = asyncio.get_running_loop().create_task(self._fill())
            self._filling.add_done_callback(self._filled)

    def _filled(self, filling: asyncio.Task[None]) -> None:
        """A finished task and an answered future still hold their loop, which would stay as long as this stock does."""
        self._line.forget_the_answered()
        if self._filling is filling:
            self._filling = None

    async def _fill(self) -> None:
        try:
            await self._lease()
            while self._line:
                await self._lease()
        except Exception as error:
            if not self._line:
                log.exception("rate_budget_unreadable")
            while (waiter := self._line.next()) is not None:
                waiter.future.set_exception(error)

    async def _lease(self) -> None:
        asked_at = self._clock()
        most = self.pace.most if self.pace is not None else 1
        taken = await self._take(self._declared, self._purse.wanted(len(self._line), most))
        if taken.limit != self._limit:
            self._use(taken.limit)
        self._standing, self._standing_at = taken.after, self._clock()
        if self.pace is None:
            while (waiter := self._line.next()) is not None:
                waiter.future.set_result(None)
            return
        if taken.tokens:
            until, now = asked_at + self.pace.life_seconds, self._clock()
            # A block that took longer than it lives is lost but for one token, or a slow database would stop all calls.
            self._purse.lease(*((taken.tokens, until) if until > now else (1, now)))
            self._serve(now)
            return
        self._next_at = self._clock() + taken.wait_seconds
        self._refuse_the_hopeless(self.pace)
        if self._line:
            await asyncio.sleep(taken.wait_seconds)

    def _serve(self, now: float) -> None:
        self._next_at = float("-inf")
        while self._purse.in_hand(now) and (waiter := self._line.next()) is not None:
            self._purse.spend(now)
            waiter.future.set_result(None)

    def _refuse_the_hopeless(self, pace: Pace) -> None:
        self._line.forget_the_answered()
        wait, kept = self._next_at - self._clock(), 0
        for place, waiter in enumerate(list(self._line)):
            if self._next_at + kept * pace.interval_seconds <= waiter.deadline:
                kept += 1
            else:  # all who are refused come back one after the other, and not as a crowd
                waiter.future.set_exception(BudgetSpent(wait + place * pace.interval_seconds))
        self._line.forget_the_answered()

    async def learn(self, said: Learned) -> None:
        """Take up what a header said: another limit, or fewer calls left than we count."""
        if said.calls is not None and said.per_seconds is not None and self._differs(said.calls, said.per_seconds):
            await self._write_limit(said.calls, said.per_seconds)
            known = self._limit or self._declared or RateLimit(said.calls, said.per_seconds, "the provider's headers")
            self._use(RateLimit(said.calls, said.per_seconds, known.source, known.burst))
        if said.left is not None and said.reset_seconds is not None and self.pace is not None:
            await self._correct(self.pace, said.left, said.reset_seconds)

    def _differs(self, calls: float, per_seconds: float) -> bool:
        if self._limit is None:
            return True
        ours, theirs = self._limit.calls / self._limit.per_seconds, calls / per_seconds
        return abs(ours - theirs) > 0.01 * ours

    async def _correct(self, pace: Pace, left: int, seconds: float) -> None:
        now = self._clock()
        if seconds <= 0:
            return
        if self._standing is not None:
            standing = self._standing.at(now - self._standing_at)
            if left >= standing.could_grant(pace, seconds) + self._purse.in_hand(now):
                return
        in_hand = self._purse.keep_at_most(left, now)
        if left > 0 and now - self._corrected_at < CORRECTION_SECONDS:
            return
        self._corrected_at = now
        ahead = self._standing.at(now - self._standing_at).ahead if self._standing is not None else 0.0
        self._standing, self._standing_at = Standing(ahead, left - in_hand, seconds), now
        await self._shrink(left - in_hand, seconds)

    async def hold(self, seconds: float) -> None:
        """The provider refused a call: nothing is spent for so long."""
        self._purse.keep_at_most(0, self._clock())
        self._next_at = self._clock() + seconds
        await self._shrink(0, seconds)
